import GodwitHTTP
import HTTPTypes

/// Decides who may come in, by a request's head alone.
///
/// With a token every request shows it. Without one the server trusts whoever reaches its address, which is this machine:
/// there the danger is a web page in a browser on it. Such a page has a foreign `Origin`, and one that had its own name
/// pointed at 127.0.0.1 (DNS rebinding) has that name as its `Host`; both are refused.
struct Gatekeeper: Sendable {
    enum Verdict: Sendable {
        /// Come in; the origin, if there is one, is to be allowed to read the answer.
        case admit(origin: String?)
        /// A browser's question before the request (CORS preflight) from an origin that may ask.
        case preflight(origin: String)
        /// The origin, if it is one that is allowed, may read why.
        case refuse(Problem, origin: String?)
    }

    /// Paths for load balancers and supervisors, which know no token and call us by any name.
    static let open: Set<String> = ["/healthz", "/readyz"]

    private let token: [UInt8]?
    private let hosts: Set<String>
    private let origins: Set<String>

    init(token: String?, allowedHosts: [String], allowedOrigins: [String]) {
        self.token = token.map { Array($0.utf8) }
        hosts = Set(allowedHosts.map { $0.lowercased() })
        origins = Set(allowedOrigins.map { Self.normalized($0) })
    }

    func judge(_ head: HTTPRequest, path: String) -> Verdict {
        // The first one has become the authority (RFC 9112, section 3.2).
        guard head.headerFields[values: .hostName].isEmpty else { return .refuse(Self.twoHosts, origin: nil) }
        if Self.open.contains(path) { return .admit(origin: nil) }
        let origin = head.headerFields[.origin]
        let allowed = origin.flatMap { origins.contains(Self.normalized($0)) ? $0 : nil }
        if let allowed, head.method == .options, head.headerFields[.accessControlRequestMethod] != nil {
            return .preflight(origin: allowed)
        }
        if let token {
            guard shows(token, head) else { return .refuse(Self.unauthorized, origin: allowed) }
            return .admit(origin: allowed)
        }
        guard let authority = head.authority else { return .refuse(Self.noHost, origin: nil) }
        guard isKnown(authority) else { return .refuse(Self.unknownHost, origin: allowed) }
        if let origin {
            guard allowed != nil || isSame(origin, as: authority) else { return .refuse(Self.foreignOrigin, origin: nil) }
        } else if isCrossSite(head) {
            return .refuse(Self.foreignOrigin, origin: nil)
        }
        return .admit(origin: allowed)
    }

    private func isKnown(_ text: String) -> Bool {
        guard let authority = Authority(parsing: text) else { return false }
        return authority.host == "localhost" || authority.isIPAddress || hosts.contains(authority.host) || hosts.contains(text.lowercased())
    }

    private func isSame(_ origin: String, as authority: String) -> Bool {
        let origin = Self.normalized(origin)
        let authority = authority.lowercased()
        return origin == "http://\(authority)" || origin == "https://\(authority)"
    }

    /// Images, scripts and the like carry no `Origin`; browsers say where they come from in another way. Following a link is no danger.
    private func isCrossSite(_ head: HTTPRequest) -> Bool {
        guard let site = head.headerFields[.secFetchSite]?.lowercased(), site == "cross-site" || site == "same-site" else { return false }
        return head.headerFields[.secFetchMode]?.lowercased() != "navigate" || head.method != .get
    }

    private func shows(_ token: [UInt8], _ head: HTTPRequest) -> Bool {
        guard let value = head.headerFields[.authorization] else { return false }
        let pair = value.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
        guard pair.count == 2, pair[0].lowercased() == "bearer" else { return false }
        return Self.isEqual(Array(pair[1].utf8), token)
    }

    /// Compares in a time that depends on the lengths alone.
    static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        return zip(a, b).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private static func normalized(_ origin: String) -> String {
        let origin = origin.lowercased()
        return origin.hasSuffix("/") ? String(origin.dropLast()) : origin
    }

    private static var unauthorized: Problem {
        var problem = Problem(
            .unauthorized,
            "unauthorized",
            "this server needs a token: send it as `Authorization: Bearer TOKEN`",
            field: "Authorization"
        )
        problem.headers[.wwwAuthenticate] = "Bearer"
        return problem
    }

    private static let twoHosts = Problem.invalid("Host", "the request has more than one Host header: send one")
    private static let noHost = Problem.invalid("Host", "the request has no Host header: HTTP/1.1 needs one")

    private static let unknownHost = Problem(
        .forbidden,
        "host_not_allowed",
        "this server is not known by the name in the Host header: use localhost or its address, or start it with --allow-host NAME",
        field: "Host"
    )

    private static let foreignOrigin = Problem(
        .forbidden,
        "origin_not_allowed",
        "pages of another origin may not use this server: start it with --allow-origin ORIGIN if they should",
        field: "Origin"
    )
}

extension HTTPField.Name {
    static var hostName: Self { Self("Host")! }  // a literal token
    static var secFetchSite: Self { Self("Sec-Fetch-Site")! }  // a literal token
    static var secFetchMode: Self { Self("Sec-Fetch-Mode")! }  // a literal token
}
