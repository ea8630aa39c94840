import GodwitCore
import GodwitServer
import HTTPTestSupport
import Testing

@testable import GodwitPage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

@Suite("Who looks at the page", .serialized)
struct SessionTests {
    private static let token = "a-token;of,\"odd\"=characters%41"

    private static var options: ServerOptions {
        var options = ServerOptions()
        options.token = token
        return options
    }

    private static let bearer = ("Authorization", "Bearer \(token)")

    @Test("a live page ends at once when the token that it is looked at with is taken away")
    func revoked() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "godwit-tokens-\(UUID()).json")
        defer { try? FileManager.default.removeItem(at: file) }
        func write(_ token: String) throws {
            try Data(#"{"tokens": [{"name": "ops", "token": "\#(token)", "scopes": ["admin"]}]}"#.utf8).write(to: file)
        }
        try write("0123456789abcdef")
        var options = ServerOptions()
        options.port = 0
        options.tokenTable = file.path(percentEncoded: false)
        let broker = try await TestServer.engine()
        let server = GodwitServer(broker: broker, options: options, logger: TestServer.logger)
        let running = Task { try await server.run() }
        let client = TestServer(broker: broker, address: try await server.address)
        let bearer = ("Authorization", "Bearer 0123456789abcdef")
        let job = try #require(try await client.post("/v1/queues/mail/jobs", "{}", headers: [bearer]).json["id"].string)
        let connection = try await client.connect()
        try await connection.request("GET", "/page/job?id=\(job)", headers: [("Accept", "text/event-stream"), bearer])
        _ = try await connection.head()
        _ = try await connection.chunk()
        // By now it waits for the job to change.
        try await Task.sleep(for: .milliseconds(500))
        try write("another-0123456789")
        try await server.reload()
        let last = String(decoding: try #require(try await connection.chunk(within: .seconds(5))), as: UTF8.self)
        #expect(last == "event: over\ndata: reload\n\n")
        running.cancel()
        _ = await running.result
        await broker.close()
    }

    @Test("without a token everything leads to the form, nothing is done, and only what the form needs is served")
    func stranger() async throws {
        try await TestServer.run(Self.options) { server in
            _ = try await server.post("/v1/queues/mail/jobs", "{}", headers: [Self.bearer])
            #expect(try await server.get("/page")["location"] == "/page/login")
            let deep = try await server.get("/page/jobs?state=failed&queue=a%20b")
            #expect(deep.status == 303)
            #expect(deep["location"] == "/page/login?next=%2Fpage%2Fjobs%3Fstate%3Dfailed%26queue%3Da%2520b")
            let form = try await server.get(try #require(deep["location"]))
            #expect(form.status == 200)
            #expect(form.text.contains("name=\"next\" value=\"/page/jobs?state=failed&amp;queue=a%20b\""))
            #expect(!form.shows("Queues"))
            for asset in OperatorsPage.assets { #expect(try await server.get("/\(asset.path)").status == 200) }
            for path in OperatorsPage.views.map(\.path) {
                #expect(try await server.get("/\(path)").status == 303, "\(path)")
                let live = try await server.get("/\(path)", headers: [("Accept", "text/event-stream")])
                #expect(live.text == "event: over\ndata: reload\n\n", "\(path)")
            }
            let cookie = try await server.logIn(Self.token)
            #expect(try await server.press("/page/do", "do=purge&queue=mail")["location"] == "/page/login")
            for path in ["/v1/queues", "/metrics", "/openapi.json", "/page/../v1/queues", "//v1/queues"] {
                let reply = try await server.get(path, headers: [cookie])
                #expect(reply.status == 401 || reply.status == 404, "\(path): the cookie is for the page alone")
            }
            #expect(try await server.get("/v1/queues/mail", headers: [Self.bearer]).json["counts"]["queued"].int == 1)
        }
    }

    @Test("the token is typed once; a cookie that no script and no other site can use stands for it, until somebody logs out")
    func logIn() async throws {
        try await TestServer.run(Self.options) { server in
            let form = "next=%2Fpage%2Fjobs&token=a-token%3Bof%2C%22odd%22%3Dcharacters%2541"
            let reply = try await server.press("/page/login", form)
            #expect(reply.status == 303)
            #expect(reply["location"] == "/page/jobs")
            let set = try #require(reply["set-cookie"])
            #expect(set.hasSuffix("; Path=/page; HttpOnly; SameSite=Strict"))
            // Nothing of the token is in it: other ports of this host get it as well.
            #expect(!set.contains("token"))
            let cookie = ("Cookie", "other=1; \(set.prefix { $0 != ";" })")
            #expect(cookie.1 != (try await server.logIn(Self.token)).1)
            let secure = try await server.press("/page/login", form, origin: "https://localhost")
            #expect(secure["set-cookie"]?.hasSuffix("; SameSite=Strict; Secure") == true)

            let page = try await server.get("/page", headers: [cookie])
            #expect(page.status == 200)
            #expect(page.shows("Log out"))
            #expect(try await server.get("/page/login?next=%2Fpage%2Fworkers", headers: [cookie])["location"] == "/page/workers")
            // Programs may look as well.
            #expect(try await server.get("/page", headers: [Self.bearer]).status == 200)
            _ = try await server.post("/v1/queues/mail/jobs", "{}", headers: [Self.bearer])
            #expect(try await server.pressAndLook("do=purge&queue=mail", headers: [cookie]).shows("Purged: 1 job "))
            #expect(try await server.press("/page/do", "do=purge&queue=mail", origin: "http://evil", headers: [cookie]).status == 403)

            let out = try await server.press("/page/logout", "", headers: [cookie])
            #expect(out["location"] == "/page/login")
            #expect(out["set-cookie"] == "\(PageCookie.Kind.session.rawValue)=; Path=/page; HttpOnly; SameSite=Strict; Max-Age=0")
            // Whoever kept it has nothing.
            #expect(try await server.get("/page", headers: [cookie])["location"] == "/page/login")
        }
    }

    @Test("a wrong token is refused, and too many of them are not even looked at")
    func wrong() async throws {
        try await TestServer.run(Self.options) { server in
            let reply = try await server.press("/page/login", "token=wrong&next=%2Fpage%2Fjobs")
            #expect(reply.status == 401)
            #expect(reply["set-cookie"] == nil)
            #expect(reply.shows("This server knows no such token."))
            #expect(reply.text.contains("value=\"/page/jobs\""))
            #expect(!reply.text.contains("wrong"))
            // A cookie that is good no more is taken back, so that it is not tried again and again.
            let stale = try await server.get("/page", headers: [("Cookie", "\(PageCookie.Kind.session.rawValue)=stale")])
            #expect(stale["location"] == "/page/login")
            #expect(stale["set-cookie"]?.contains("Max-Age=0") == true)
            let cookie = try await server.logIn(Self.token)
            var status = 401, tries = 0
            while status == 401, tries < 200 {
                status = try await server.press("/page/login", "token=wrong-\(tries)").status
                tries += 1
            }
            #expect(status == 429)
            // Nobody is logged out by another's guesses.
            #expect(try await server.get("/page", headers: [cookie]).status == 200)
        }
    }

    @Test("two servers on one host log nobody out of each other: their cookies have the port in their names")
    func ports() async throws {
        try await TestServer.run(Self.options) { server in
            let form = "token=a-token%3Bof%2C%22odd%22%3Dcharacters%2541"
            func logIn(_ authority: String) async throws -> HTTPReply {
                try await server.press("/page/login", form, origin: "http://\(authority)", headers: [("Host", authority)])
            }
            let (one, other) = (try await logIn("localhost:8080"), try await logIn("localhost:8081"))
            let names = try [one, other].map { try #require($0["set-cookie"]).prefix { $0 != "=" } }
            #expect(names == ["godwit-page-8080", "godwit-page-8081"])
            // The browser sends both to both.
            let both = try [one, other].map { try #require($0["set-cookie"]).prefix { $0 != ";" } }.joined(separator: "; ")
            for port in [8080, 8081] {
                let page = try await server.get("/page", headers: [("Cookie", both), ("Host", "localhost:\(port)")])
                #expect(page.status == 200, "\(port)")
            }
            #expect(try await server.get("/page", headers: [("Cookie", both), ("Host", "localhost:8082")]).status == 303)
        }
    }

    @Test("a session that is not used for half a day ends")
    func idleSession() {
        let sessions = PageSessions(), start = ContinuousClock.now
        let word = sessions.begin("token", now: start)
        #expect(sessions.token(of: word, now: start + .seconds(12 * 3_600 - 1)) == "token")
        #expect(sessions.token(of: word, now: start + .seconds(24 * 3_600 - 2)) == "token")
        #expect(sessions.token(of: word, now: start + .seconds(36 * 3_600)) == nil)
        #expect(sessions.token(of: word, now: start) == nil)
    }

    @Test(
        "whoever logs in is led to a page of this server, whatever the address said",
        arguments: ["https://evil.example", "//evil.example", "/\\evil", "/pagevil", "/page/%0d%0aX", "javascript:alert(1)", ""]
    )
    func elsewhere(next: String) async throws {
        try await TestServer.run(Self.options) { server in
            let encoded = next.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            let form = "next=\(encoded)&token=a-token%3Bof%2C%22odd%22%3Dcharacters%2541"
            let location = try await server.press("/page/login", form)["location"]
            #expect(location == (next.hasPrefix("/page/") ? next : "/page"))
        }
    }

    @Test("a link on another site leads here without the cookie: the page asks the browser to come again from here")
    func fromElsewhere() async throws {
        try await TestServer.run(Self.options) { server in
            let site = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")]
            let reply = try await server.get("/page/job?id=a", headers: site)
            #expect(reply.status == 200)
            #expect(reply["refresh"] == "0; url=/page/job?id=a")
            #expect(try await server.get("/page/job?id=a", headers: [("Sec-Fetch-Site", "same-origin")]).status == 303)
        }
    }

    @Test("a token sees and does on the page what its scopes and queues allow, and nothing else")
    func scopes() async throws {
        let tokens = """
            {"name": "mail", "token": "operator-of-mail-queues", "scopes": ["admin"], "queues": ["mail*"]},
            {"name": "web", "token": "publisher-of-all-queues", "scopes": ["publish"]}
            """
        try await withTokenFile(tokens, Self.options) { options in
            try await TestServer.run(options) { server in
                func publish(_ queue: String) async throws -> String {
                    let reply = try await server.post("/v1/queues/\(queue)/jobs", #"{"secret":"payload"}"#, headers: [Self.bearer])
                    return try #require(try reply.json["id"].string)
                }
                let (mail, other) = (try await publish("mail.in"), try await publish("reports"))
                let mailer = [try await server.logIn("operator-of-mail-queues")]
                let web = [try await server.logIn("publisher-of-all-queues")]

                let queues = try await server.get("/page", headers: mailer)
                #expect(queues.shows("mail.in"))
                #expect(!queues.shows("reports"))
                #expect(queues.shows("1 of 1 queue that your token may see"))
                #expect(try await server.get("/page/queue?name=reports", headers: mailer).status == 403)
                #expect(try await server.get("/page/jobs?queue=reports", headers: mailer).status == 403)
                let jobs = try await server.get("/page/jobs", headers: mailer)
                #expect(jobs.text.contains(mail))
                #expect(!jobs.text.contains(other))
                #expect(try await server.get("/page/job?id=\(other)", headers: mailer).status == 404)
                #expect(try await server.press("/page/do", "do=purge&queue=reports", headers: mailer).status == 403)
                #expect(try await server.press("/page/do", "do=cancel&job=\(other)", headers: mailer).status == 404)
                #expect(try await server.press("/page/do", "do=cancel&job=\(mail)", headers: mailer).status == 303)

                #expect(try await server.get("/page", headers: web).shows("Your token does not let you see queues"))
                #expect(try await server.get("/page/jobs", headers: web).shows("No such job."))
                let followed = try await server.get("/page/job?id=\(other)", headers: web)
                #expect(followed.status == 200)
                #expect(!followed.text.contains("payload"))
                #expect(!followed.shows("Cancel the job"))
                #expect(try await server.press("/page/do", "do=cancel&job=\(other)", headers: web).status == 403)
                #expect(try await server.get("/v1/queues/reports", headers: [Self.bearer]).json["counts"]["queued"].int == 1)
            }
        }
    }
}
