import GodwitCore
import GodwitHTTP
import HTTPTestSupport
import HTTPTypes
import Testing

@testable import GodwitServer

@Suite("The gate")
struct GatekeeperTests {
    private func judge(
        _ gate: Gatekeeper,
        host: String? = "localhost:8080",
        _ fields: HTTPFields = [:],
        method: HTTPRequest.Method = .get,
        path: String = "/v1/jobs"
    ) -> String {
        let head = HTTPRequest(method: method, scheme: "http", authority: host, path: path, headerFields: fields)
        switch gate.judge(head, path: path) {
        case .admit: return "admit"
        case .preflight: return "preflight"
        case .refuse(let problem, _): return problem.code
        }
    }

    @Test(
        "without a token the host must be this machine by name or address, or allowed",
        arguments: [
            ("localhost", "admit"), ("LOCALHOST:8080", "admit"), ("127.0.0.1:8080", "admit"), ("192.168.1.7", "admit"),
            ("[::1]:8080", "admit"),
            ("queue.internal:8080", "admit"), ("evil.example", "host_not_allowed"), ("localhost.evil.example", "host_not_allowed"),
            ("127.0.0.1.evil.example", "host_not_allowed"), ("", "host_not_allowed"), ("[::1", "host_not_allowed"),
            ("user@localhost", "host_not_allowed"), ("localhost:x", "host_not_allowed"), ("127.1", "host_not_allowed"),
            (nil, "invalid_argument"),
        ] as [(String?, String)]
    )
    func hosts(_ host: String?, _ expected: String) {
        let gate = Gatekeeper(tokens: nil, allowedHosts: ["Queue.Internal"], allowedOrigins: [])
        #expect(judge(gate, host: host) == expected)
    }

    @Test(
        "without a token a foreign origin is refused, unless it is allowed or the server's own",
        arguments: [
            ("http://localhost:8080", "admit"), ("https://app.example.com", "admit"), ("https://APP.example.com/", "admit"),
            ("http://localhost:3000", "origin_not_allowed"), ("https://evil.example", "origin_not_allowed"), ("null", "origin_not_allowed"),
            ("https://app.example.com.evil.example", "origin_not_allowed"), ("http://app.example.com", "origin_not_allowed"),
        ]
    )
    func origins(_ origin: String, _ expected: String) {
        let gate = Gatekeeper(tokens: nil, allowedHosts: [], allowedOrigins: ["https://app.example.com"])
        for method in [HTTPRequest.Method.get, .post, .delete] { #expect(judge(gate, [.origin: origin], method: method) == expected) }
    }

    @Test("a page's images and scripts are refused too; a followed link is not")
    func fetchMetadata() {
        let gate = Gatekeeper(tokens: nil, allowedHosts: [], allowedOrigins: [])
        #expect(judge(gate, [.secFetchSite: "cross-site", .secFetchMode: "no-cors"]) == "origin_not_allowed")
        #expect(judge(gate, [.secFetchSite: "same-site", .secFetchMode: "no-cors"]) == "origin_not_allowed")
        #expect(judge(gate, [.secFetchSite: "cross-site", .secFetchMode: "navigate"]) == "admit")
        #expect(judge(gate, [.secFetchSite: "cross-site", .secFetchMode: "navigate"], method: .post) == "origin_not_allowed")
        #expect(judge(gate, [.secFetchSite: "same-origin"]) == "admit")
        #expect(judge(gate, [.secFetchSite: "none"]) == "admit")
    }

    @Test(
        "with a token every request shows it",
        arguments: [
            ("Bearer 0123456789abcdef", "admit"), ("bearer 0123456789abcdef", "admit"), ("Bearer 0123456789abcdeF", "unauthorized"),
            ("Bearer 0123456789abcde", "unauthorized"), ("Bearer 0123456789abcdef0", "unauthorized"),
            ("Basic 0123456789abcdef", "unauthorized"),
            ("0123456789abcdef", "unauthorized"), ("Bearer", "unauthorized"), ("Bearer ", "unauthorized"), (nil, "unauthorized"),
        ] as [(String?, String)]
    )
    func tokens(_ authorization: String?, _ expected: String) {
        let gate = Gatekeeper(tokens: .of("0123456789abcdef"), allowedHosts: [], allowedOrigins: [])
        var fields: HTTPFields = [:]
        fields[.authorization] = authorization
        for path in ["/v1/jobs", "/metrics", "/openapi.json", "/nothing", "/healthz/x"] {
            #expect(judge(gate, host: "anything.example", fields, path: path) == expected)
        }
    }

    @Test("health needs neither token, nor host, nor origin", arguments: ["/healthz", "/readyz"])
    func open(_ path: String) {
        for token in [nil, "0123456789abcdef"] {
            let gate = Gatekeeper(tokens: token.map { .of($0) }, allowedHosts: [], allowedOrigins: [])
            #expect(judge(gate, host: "lb.example", [.origin: "https://evil.example"], path: path) == "admit")
        }
    }

    @Test("an allowed origin's preflight is answered, with and without a token; another's is not")
    func preflight() {
        for token in [nil, "0123456789abcdef"] {
            let gate = Gatekeeper(tokens: token.map { .of($0) }, allowedHosts: [], allowedOrigins: ["https://app.example.com"])
            let asked: HTTPFields = [.origin: "https://app.example.com", .accessControlRequestMethod: "POST"]
            #expect(judge(gate, asked, method: .options) == "preflight")
            var foreign = asked
            foreign[.origin] = "https://evil.example"
            #expect(judge(gate, foreign, method: .options) == (token == nil ? "origin_not_allowed" : "unauthorized"))
        }
    }

    @Test("who guesses too often is refused unseen, but a token that was right from there before stays good")
    func guesses() {
        let gate = Gatekeeper(tokens: .of("0123456789abcdef", "another-good-token"), allowedHosts: [], allowedOrigins: [])
        let start = ContinuousClock.now
        func answer(_ token: String, from address: String = "192.0.2.1", after seconds: Int = 0) -> String {
            let head = HTTPRequest(
                method: .get,
                scheme: "http",
                authority: "localhost",
                path: "/v1/jobs",
                headerFields: [.authorization: "Bearer \(token)"]
            )
            let now = (Timestamp(milliseconds: 0), start + .seconds(seconds))
            switch gate.judge(head, path: "/v1/jobs", from: address, now: now) {
            case .admit(let access, _): return access.name
            case .preflight: return "preflight"
            case .refuse(let problem, _): return problem.retryAfter.map { "\(problem.code) \($0.text)" } ?? problem.code
            }
        }
        #expect(answer("0123456789abcdef") == "token 0")
        for number in 0..<FailedTries.burst { #expect(answer("wrong-\(number)") == "unauthorized") }
        #expect(answer("wrong") == "too_many_tries 1s")
        #expect(answer("another-good-token") == "too_many_tries 1s", "a right guess is not told apart")
        #expect(answer("0123456789abcdef") == "token 0")
        #expect(answer("another-good-token", from: "192.0.2.2") == "token 1")
        #expect(answer("wrong", after: 1) == "unauthorized", "one more try a second")
        #expect(answer("another-good-token", after: 1) == "too_many_tries 1s")
        #expect(answer("another-good-token", after: 2) == "token 1")
    }

    @Test("a token that expires is refused from then on, and those who go on with it shut nobody out for long")
    func expiry() {
        let end = Timestamp(milliseconds: 10_000)
        let access = Grant(name: "old", actions: [.watch])
        let gate = Gatekeeper(
            tokens: AccessTable([
                AccessToken(digest: TokenDigest(of: "an-expiring-token"), access: access, expiresAt: end),
                AccessToken(digest: TokenDigest(of: "another-good-token"), access: access, expiresAt: nil),
            ]),
            allowedHosts: [],
            allowedOrigins: []
        )
        let start = ContinuousClock.now
        func answer(_ token: String, after seconds: Int) -> HTTPResponse.Status {
            let now = (Timestamp(milliseconds: 0) + .seconds(seconds), start + .seconds(seconds))
            switch gate.access(by: token, from: "192.0.2.1", now: now) {
            case .success: return .ok
            case .failure(let problem): return problem.status
            }
        }
        #expect(answer("an-expiring-token", after: 9) == .ok)
        for _ in 0..<3_600 { #expect(answer("an-expiring-token", after: 10) == .unauthorized) }
        #expect(answer("another-good-token", after: 10) == .ok)
        // The token was right there once: that does not let guesses pile up behind it.
        for number in 0..<FailedTries.burst { _ = answer("guess-\(number)", after: 11) }
        #expect(answer("an-expiring-token", after: 11) == .tooManyRequests)
    }

    @Test("the line about wrong tokens counts those of the address that it names, and beside them all")
    func lines() {
        let lines = LogLines()
        let gate = Gatekeeper(tokens: .of("0123456789abcdef"), allowedHosts: [], allowedOrigins: [], logger: lines.logger)
        let start = ContinuousClock.now
        func guess(_ number: Int, from address: String, after milliseconds: Int64) {
            _ = gate.access(by: "guess-\(number)", from: address, now: (Timestamp(milliseconds: 0), start + .milliseconds(milliseconds)))
        }
        guess(0, from: "192.0.2.1", after: 0)
        for number in 1...9 { guess(number, from: "192.0.2.1", after: 1) }
        guess(10, from: "192.0.2.2", after: 1_500)
        guess(11, from: "192.0.2.1", after: 3_000)
        guess(12, from: "192.0.2.1", after: 4_500)
        #expect(
            lines.all.map { line in ["from", "tries", "tries_of_all"].map { line[$0].map { "\($0)" } ?? "" } } == [
                ["192.0.2.1", "1", "1"], ["192.0.2.2", "1", "10"], ["192.0.2.1", "10", "1"], ["192.0.2.1", "1", "1"],
            ]
        )
    }

    @Test("a ticket lets its bearer read one job until it is over, and is told so then")
    func tickets() throws {
        let keys = WatchKeys([.random()])
        let job = JobID("job-1"), end = Timestamp(milliseconds: 10_000)
        let ticket = try #require(keys.ticket(for: job, until: end))
        let gate = Gatekeeper(tokens: .of("0123456789abcdef"), watchKeys: keys, allowedHosts: [], allowedOrigins: [])
        func answer(_ path: String, at seconds: Int, method: HTTPRequest.Method = .get) -> String {
            let query = "ticket=\(ticket)"
            let head = HTTPRequest(method: method, scheme: "http", authority: "localhost", path: "\(path)?\(query)")
            let now = (Timestamp(milliseconds: Int64(seconds) * 1_000), ContinuousClock.now)
            switch gate.judge(head, path: path, query: query, now: now) {
            case .admit(.known(let grant), _): return "\(grant.name) until \(grant.tenure.end?.milliseconds ?? 0)"
            case .admit, .preflight: return "something else"
            case .refuse(let problem, _): return "\(problem.code) \(problem.field ?? "")"
            }
        }
        for path in ["/v1/jobs/job-1", "/v1/jobs/job-1/result", "/v1/jobs/job-1/events"] {
            #expect(answer(path, at: 9) == "ticket until 10000")
            #expect(answer(path, at: 10) == "unauthorized ticket")
        }
        for path in ["/v1/jobs/job-2", "/v1/jobs/job-1/payload", "/v1/jobs", "/metrics"] {
            #expect(answer(path, at: 9) == "unauthorized ticket")
        }
        #expect(answer("/v1/jobs/job-1", at: 9, method: .delete) == "unauthorized ticket")
    }
}

extension AccessTable {
    /// Tokens that may do everything, called "token 0" and so on.
    static func of(_ tokens: String...) -> AccessTable {
        AccessTable(
            tokens.enumerated().map { number, token in
                AccessToken(
                    digest: TokenDigest(of: token),
                    access: Grant(name: "token \(number)", actions: Set(JobRoutes.Action.allCases)),
                    expiresAt: nil
                )
            }
        )
    }
}
