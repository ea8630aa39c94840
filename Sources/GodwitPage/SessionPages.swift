import GodwitHTTP
import HTTPTypes
import Hummingbird

/// Where a token is shown once, for a session, and where that is ended.
struct SessionPages: Sendable {
    let environment: PageEnvironment

    /// The form, which leads back to where somebody wanted to go.
    static func path(backTo path: String?) -> String { Address.path("login", [("next", path == OperatorsPage.mount ? nil : path)]) }

    /// A browser that follows a link on another site sends no `SameSite=Strict` cookie.
    static func comesFromElsewhere(_ head: HTTPRequest) -> Bool {
        guard head.headerFields[HTTPField.Name("Sec-Fetch-Mode")!]?.lowercased() == "navigate" else { return false }  // a literal token
        return ["cross-site", "same-site"].contains(head.headerFields[HTTPField.Name("Sec-Fetch-Site")!]?.lowercased())  // a literal token
    }

    @Sendable func form(_ request: Request) async throws -> Response {
        let query = try QueryItems(request.uri.query, known: ["next"])
        guard try environment.access(of: request.head) == nil else { return .redirect(.seeOther, to: Self.next(query["next"])) }
        return page(next: Self.next(query["next"]), problem: nil, status: .ok)
    }

    @Sendable func logIn(_ request: Request) async throws -> Response {
        try SameOrigin.check(request.head, isEncrypted: environment.isEncrypted)
        let form = try await FormBody.read(request, known: ["next", "token"])
        let next = Self.next(form["next"])
        guard let gate = environment.gate else { return .redirect(.seeOther, to: next) }
        let token = form["token"]?.filter { !$0.isWhitespace } ?? ""
        do throws(Problem) {
            guard try gate.access(by: token) != nil else {
                return page(next: next, problem: "This server knows no such token.", status: .unauthorized)
            }
        } catch {
            return page(next: next, problem: error.detail, status: error.status, retryAfter: error.retryAfterSeconds)
        }
        let session = environment.sessions.begin(token)
        let cookie = PageCookie.set(.session, to: session, for: request.head, isEncrypted: environment.isEncrypted)
        return .redirect(.seeOther, to: next, headers: [.setCookie: cookie])
    }

    @Sendable func logOut(_ request: Request) async throws -> Response {
        try SameOrigin.check(request.head, isEncrypted: environment.isEncrypted)
        if let session = PageCookie.value(of: .session, in: request.head) { environment.sessions.end(session) }
        return .redirect(.seeOther, to: Self.path(backTo: nil), headers: [.setCookie: environment.clearedCookie(for: request.head)])
    }

    private static func next(_ path: String?) -> String { Address.checked(path) ?? OperatorsPage.mount }

    private func page(next: String, problem: String?, status: HTTPResponse.Status, retryAfter: Int64? = nil) -> Response {
        .page(
            PageContent(title: "Log in", template: "login", view: ["next": next, "problem": problem.orFalse]),
            Frame(environment, isLoggedIn: false),
            status: status,
            headers: retryAfter.map { [.retryAfter: String($0)] } ?? [:]
        )
    }
}
