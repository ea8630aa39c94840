import GodwitCore
import GodwitHTTP
import GodwitPage
import HTTPTypes
import Logging
import Synchronization

/// Decides who may come in, by a request's head alone.
///
/// With tokens every request shows one. Without any the server trusts whoever reaches its address, which is this machine:
/// there the danger is a web page in a browser on it. Such a page has a foreign `Origin`, and one that had its own name
/// pointed at 127.0.0.1 (DNS rebinding) has that name as its `Host`; both are refused.
final class Gatekeeper: Sendable {
    enum Verdict: Sendable {
        /// Come in; the origin, if there is one, is to be allowed to read the answer.
        case admit(Access, origin: String?)
        /// A browser's question before the request (CORS preflight) from an origin that may ask.
        case preflight(origin: String)
        /// The origin, if it is one that is allowed, may read why.
        case refuse(Problem, origin: String?)
    }

    /// Paths for load balancers and supervisors, which know no token and call us by any name.
    static let open: Set<String> = ["/healthz", "/readyz"]

    private let tokens: AccessTable?
    private let watchKeys: WatchKeys?
    private struct Failures {
        var tries = FailedTries()
        var lines = LineLimit()
        /// Wrong tries that no line has told of yet, by where they came from.
        var untold = RecentTable<AddressBlock, Int>(limit: FailedTries.mostAddresses)

        /// - Returns: how many wrong tries a line tells of, if there is to be one: of this address, and of all.
        mutating func count(_ block: AddressBlock, now: ContinuousClock.Instant) -> (own: Int, all: Int)? {
            let own = (untold[block] ?? 0) + 1
            guard let all = lines.count(now: now) else {
                untold.set(own, for: block)
                return nil
            }
            untold.set(0, for: block)
            return (own, all)
        }
    }

    private let failures = Mutex(Failures())
    private let logger: Logger?
    private let hosts: Set<String>
    private let origins: Set<String>

    /// - Parameters:
    ///   - tokens: nil for a server that asks for none.
    ///   - watchKeys: what signs tickets, by which a job is followed without a token.
    ///   - logger: gets a line about wrong tokens.
    init(tokens: AccessTable?, watchKeys: WatchKeys? = nil, allowedHosts: [String], allowedOrigins: [String], logger: Logger? = nil) {
        self.tokens = tokens
        self.logger = logger
        self.watchKeys = watchKeys
        hosts = Set(allowedHosts.map { $0.lowercased() })
        origins = Set(allowedOrigins.map { Self.normalized($0) })
    }

    var asksForTokens: Bool { tokens != nil }

    /// - Parameters:
    ///   - address: where the request comes from, whose wrong tries are counted.
    ///   - now: when it came, by both clocks.
    func judge(
        _ head: HTTPRequest,
        path: String,
        query: String? = nil,
        from address: String = "",
        now: (time: Timestamp, instant: ContinuousClock.Instant) = (WallClock.now(), .now)
    ) -> Verdict {
        // The first one has become the authority (RFC 9112, section 3.2).
        guard head.headerFields[values: .hostName].isEmpty else { return .refuse(Self.twoHosts, origin: nil) }
        if Self.open.contains(path) { return .admit(.nobody, origin: nil) }
        let origin = head.headerFields[.origin]
        let allowed = origin.flatMap { origins.contains(Self.normalized($0)) ? $0 : nil }
        if let allowed, head.method == .options, head.headerFields[.accessControlRequestMethod] != nil {
            return .preflight(origin: allowed)
        }
        if asksForTokens {
            // The page asks for the token itself.
            if OperatorsPage.owns(path) { return .admit(.nobody, origin: nil) }
            switch ticketGrant(head, path, query, at: now.time) ?? access(by: Self.token(head), from: address, now: now) {
            case .success(let grant): return .admit(.known(grant), origin: allowed)
            case .failure(let problem): return .refuse(problem, origin: allowed)
            }
        }
        guard let authority = head.authority else { return .refuse(Self.noHost, origin: nil) }
        guard isKnown(authority) else { return .refuse(Self.unknownHost, origin: allowed) }
        if let origin {
            guard allowed != nil || isSame(origin, as: authority) else { return .refuse(Self.foreignOrigin, origin: nil) }
        } else if isCrossSite(head) {
            return .refuse(Self.foreignOrigin, origin: nil)
        }
        return .admit(.everybody, origin: allowed)
    }

    /// Who shows a good ticket, in a request that reads the ticket's job, may follow that job.
    /// - Returns: nil for a request that shows none.
    private func ticketGrant(_ head: HTTPRequest, _ path: String, _ query: String?, at now: Timestamp) -> Result<Grant, Problem>? {
        guard let watchKeys, let query, head.headerFields[.authorization] == nil,
            let item = query.split(separator: "&").first(where: { $0.hasPrefix("ticket=") })
        else { return nil }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        // /v1/jobs/{id}, and the result and the events under it.
        guard head.method == .get || head.method == .head,
            parts.count == 4 || parts.count == 5 && (parts[4] == "result" || parts[4] == "events"),
            parts[1] == ServerResponder.mount, parts[2] == "jobs",
            let tenure = watchKeys.tenure(of: String(item.dropFirst("ticket=".count)), for: JobID(String(parts[3])), at: now)
        else { return .failure(Self.wrongTicket) }
        var grant = Grant(name: "ticket", actions: [.watch])
        grant.tenure = tenure
        return .success(grant)
    }

    /// Who has a token.
    /// - Parameters:
    ///   - token: nil for a request that shows none.
    ///   - address: where it comes from.
    func access(
        by token: String?,
        from address: String,
        now: (time: Timestamp, instant: ContinuousClock.Instant)
    ) -> Result<Grant, Problem> {
        guard let tokens, let token else { return .failure(Self.unauthorized) }
        let digest = TokenDigest(of: token), block = AddressBlock(address)
        var line: (own: Int, all: Int)?
        let result: Result<Grant, Problem> = failures.withLock { failures in
            if let wait = failures.tries.wait(block, digest, now: now.instant) { return .failure(Self.tooManyTries(wait)) }
            guard let access = tokens.access(for: digest, at: now.time) else {
                if failures.tries.failed(block, digest, now: now.instant) { line = failures.count(block, now: now.instant) }
                return .failure(Self.unauthorized)
            }
            failures.tries.succeeded(block, digest)
            return .success(access)
        }
        if let line {
            logger?.notice(
                "A wrong token was refused",
                metadata: ["from": "\(address)", "tries": "\(line.own)", "tries_of_all": "\(line.all)"]
            )
        }
        return result
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

    /// What stands in `Authorization: Bearer …` (RFC 6750, section 2.1).
    static func token(_ head: HTTPRequest) -> String? {
        guard let value = head.headerFields[.authorization] else { return nil }
        let pair = value.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
        guard pair.count == 2, pair[0].lowercased() == "bearer" else { return nil }
        return String(pair[1])
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

    private static var wrongTicket: Problem {
        var problem = Problem(
            .unauthorized,
            "unauthorized",
            "the ticket is not for this, or it is over: ask whoever gave it for another one",
            field: "ticket"
        )
        problem.headers[.wwwAuthenticate] = "Bearer"
        return problem
    }

    private static func tooManyTries(_ wait: Duration) -> Problem {
        Problem(
            .tooManyRequests,
            "too_many_tries",
            "too many wrong tokens came from this address: look whether the token is right, and try again later",
            field: "Authorization",
            retryAfter: wait
        )
    }

    private static let twoHosts = last(.invalid("Host", "the request has more than one Host header: send one"))
    private static let noHost = last(.invalid("Host", "the request has no Host header: HTTP/1.1 needs one"))

    /// What is wrong with the HTTP itself ends the connection: who knows what else is.
    private static func last(_ problem: Problem) -> Problem {
        var problem = problem
        problem.headers[.connection] = "close"
        return problem
    }

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
