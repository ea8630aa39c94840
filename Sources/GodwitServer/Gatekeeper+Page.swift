import GodwitCore
import GodwitHTTP
import GodwitPage
import HTTPTypes

/// The operators' page asks for the token itself, with a form, and takes it from its cookie from then on: a browser shows no bearer. Wrong ones count
/// as they do everywhere.
extension Gatekeeper: PageGate {
    func bearer(of head: HTTPRequest) -> String? { Self.token(head) }

    func access(by token: String) throws(Problem) -> PageAccess? {
        switch access(by: token, from: Connection.current?.address ?? "", now: (WallClock.now(), .now)) {
        case .success(let grant): return PageAccess(.known(grant))
        case .failure(let problem):
            guard problem.status == .unauthorized else { throw problem }
            return nil
        }
    }
}
