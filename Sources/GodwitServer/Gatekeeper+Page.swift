import GodwitCore
import GodwitHTTP
import GodwitPage
import HTTPTypes

/// The operators' page asks for the token itself, with a form, and takes it from its cookie from then on: a browser shows no bearer. Wrong ones count
/// as they do everywhere.
extension Gatekeeper: PageGate {
    func access(of head: HTTPRequest) -> PageAccess? {
        guard let token = Self.token(head) ?? PageCookie.token(in: head.headerFields) else { return nil }
        return try? access(by: token).map(PageAccess.init).get()
    }

    func accepts(_ token: String) throws(Problem) -> Bool {
        switch access(by: token) {
        case .success: return true
        case .failure(let problem):
            guard problem.status == .unauthorized else { throw problem }
            return false
        }
    }

    private func access(by token: String) -> Result<Access, Problem> {
        access(by: token, from: Connection.current?.address ?? "", now: (WallClock.now(), .now))
    }
}
