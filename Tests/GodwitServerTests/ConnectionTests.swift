import GodwitCore
import GodwitHTTP
import GodwitServer
import HTTPTestSupport
import Testing

@Suite("Connections", .serialized)
struct ConnectionTests {
    @Test("the answers to HEAD have no body, whoever gives them, so that what follows is the next answer")
    func head() async throws {
        try await TestServer.run { server in
            let connection = try await server.connect()
            let refusals: [(path: String, headers: [(String, String)], status: Int)] = [
                ("/zz", [], 404), ("/v1/leases", [], 405), ("/v1/jobs/nothing", [], 404), ("/v1/jobs?x=1", [], 400),
                ("/v1/queues", [("Origin", "https://evil.example")], 403), ("/v1/queues", [("Host", "evil.example")], 403),
                ("/healthz", [], 200), ("/openapi.json", [], 200),
            ]
            for (path, headers, status) in refusals {
                try await connection.request("HEAD", path, headers: headers)
                let reply = try await connection.reply(to: "HEAD")
                #expect(reply.status == status, "\(path)")
                #expect(reply["content-length"] != nil)
            }
            try await connection.request("GET", "/healthz")
            #expect(try await connection.reply().text == "ok\n")
        }
    }

    @Test(
        "a client that disconnects in mid-body publishes nothing",
        arguments: ["Content-Length: 100", "Transfer-Encoding: chunked"],
        [true, false]
    )
    func midBody(_ framing: String, _ closesWhole: Bool) async throws {
        try await TestServer.run { server in
            let connection = try await server.connect()
            let part = framing.hasPrefix("T") ? "2\r\n17\r\n" : "17"
            try await connection.send("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\n\(framing)\r\n\r\n\(part)")
            if closesWhole {
                try await connection.close()
            } else {
                try await connection.closeOutput()
                #expect(try await connection.isClosedByServer(within: .seconds(10)))
            }
            try await server.eventually { try await server.get("/metrics").text.contains("godwit_http_connections 1\n") }
            #expect(try await server.broker.queues().allSatisfy { $0.counts.unfinished == 0 })
        }
    }

    @Test(
        "a slow loris is cut off, in its head and in its body, and others are served meanwhile",
        arguments: ["GET / HTTP/1.1\r\nX: 1", "POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n1"]
    )
    func slowLoris(_ beginning: String) async throws {
        var options = ServerOptions()
        options.requestTimeout = .milliseconds(300)
        try await TestServer.run(options) { server in
            let slow = try await server.connect()
            try await slow.send(beginning)
            #expect(try await server.post("/v1/queues/other/jobs", "1").status == 202)
            // It trickles, so that it is never idle.
            let trickle = Task {
                while !Task.isCancelled {
                    try await slow.send("1")
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            #expect(try await slow.isClosedByServer(within: .seconds(10)))
            trickle.cancel()
            _ = try? await trickle.value
            #expect(try await server.get("/metrics").text.contains("godwit_http_timeouts_total 1\n"))
            #expect(try await server.get("/v1/queues/q").status == 404)
        }
    }

    @Test("a connection that stands idle is closed; one that waits for an answer is not")
    func idle() async throws {
        var options = ServerOptions()
        options.idleTimeout = .milliseconds(200)
        options.requestTimeout = .milliseconds(200)
        try await TestServer.run(options) { server in
            let idle = try await server.connect()
            try await idle.request("GET", "/healthz")
            #expect(try await idle.reply().status == 200)
            let waiting = try await server.connect()
            try await waiting.request("POST", "/v1/queues/q/leases?wait=1s", body: [])
            #expect(try await idle.isClosedByServer(within: .seconds(10)))
            #expect(try await waiting.reply().status == 200)
        }
    }

    @Test("more connections than there may be are told so and closed")
    func crowd() async throws {
        var options = ServerOptions()
        options.maxConnections = 3
        try await TestServer.run(options) { server in
            var open: [HTTPConnection] = []
            for _ in 0..<3 {
                let connection = try await server.connect()
                try await connection.request("GET", "/healthz")
                #expect(try await connection.reply().status == 200)
                open.append(connection)
            }
            let one = try await server.connect()
            try await one.request("GET", "/healthz")
            let reply = try await one.reply()
            #expect(reply.status == 503)
            #expect(try reply.json["code"].string == "too_many_connections")
            #expect(reply["connection"] == "close")
            #expect(try await one.isClosedByServer(within: .seconds(10)))
            try await open[0].close()
            // As long as its place is taken it may be dropped, too.
            try await server.eventually { (try? await server.get("/healthz").status) == 200 }
        }
    }

    @Test("heads over the limits are refused")
    func headers() async throws {
        var options = ServerOptions()
        options.maxHeaderFieldBytes = 1_000
        options.maxHeaderFields = 20
        try await TestServer.run(options) { server in
            let long = [("X-Long", String(repeating: "x", count: 2_000))]
            for headers in [long, (0..<30).map { ("X-\($0)", "x") }] {
                let connection = try await server.connect()
                try await connection.request("GET", "/healthz", headers: headers)
                let reply = try await connection.reply()
                #expect(reply.status == 431)
                #expect(reply["content-type"] == "application/problem+json")
                #expect(try reply.json["code"].string == "head_too_large")
                #expect(reply["connection"] == "close")
                #expect(try await connection.isClosedByServer(within: .seconds(10)))
            }
        }
    }

    @Test(
        "what is no HTTP is refused, and the connection is closed",
        arguments: ["hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "\u{16}\u{3}\u{1}"]
    )
    func nonsense(_ text: String) async throws {
        try await TestServer.run { server in
            let connection = try await server.connect()
            try await connection.send(text)
            try await connection.closeOutput()
            #expect(try await connection.isClosedByServer(within: .seconds(10)))
            #expect(try await server.get("/healthz").status == 200)
        }
    }

    @Test(
        "what is wrong with the HTTP itself is said in a problem document, after the answers that are due",
        arguments: [
            ("hello\r\n\r\n", 501, "method_unknown"), ("GET / HTTP/9.9\r\n\r\n", 400, "bad_request"),
            ("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "bad_request"),
            ("FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "method_unknown"),
            (
                "POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
                "bad_request"
            ),
            ("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_request"),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400, "invalid_argument"),
            ("GET /v1/jobs HTTP/1.1\r\n\r\n", 400, "invalid_argument"),
            ("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"),
            ("GET http://evil.example/v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad_request"),
            ("CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad_request"),
        ]
    )
    func violations(_ text: String, _ status: Int, _ code: String) async throws {
        try await TestServer.run { server in
            let connection = try await server.connect()
            try await connection.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + text)
            #expect(try await connection.reply().text == "ok\n")
            let reply = try await connection.reply()
            #expect(reply.status == status)
            #expect(reply["content-type"] == "application/problem+json")
            #expect(try reply.json["code"].string == code)
            #expect(reply["connection"] == "close")
            #expect(try await connection.isClosedByServer(within: .seconds(10)))
            #expect(try await server.broker.queues().isEmpty)
        }
    }

    @Test("what stands behind a request whose answer is the connection's last is not carried out")
    func behindTheLast() async throws {
        let hidden = "POST /v1/queues/hidden/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
        try await TestServer.run { server in
            for text in [
                "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
                "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
                "POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ] {
                let connection = try await server.connect()
                try await connection.send(text + hidden)
                #expect(try await connection.reply()["connection"] == "close")
                #expect(try await connection.isClosedByServer(within: .seconds(10)))
            }
            #expect(try await server.broker.queues().isEmpty)
        }
    }

    /// The timer stands at the idle time's end when the request begins.
    @Test("a request on a connection that stood idle has the request time, not what is left of the idle time")
    func lateLoris() async throws {
        var options = ServerOptions()
        options.requestTimeout = .milliseconds(200)
        options.idleTimeout = .seconds(60)
        try await TestServer.run(options) { server in
            let slow = try await server.connect()
            try await slow.request("GET", "/healthz")
            #expect(try await slow.reply().status == 200)
            // Until the timer of the first request has set itself again.
            try await Task.sleep(for: .milliseconds(500))
            try await slow.send("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1")
            #expect(try await slow.isClosedByServer(within: .seconds(10)))
        }
    }

    @Test("a client that has closed its sending side gets its answer, but nothing waits for it, and it gets no jobs")
    func halfClosed() async throws {
        try await TestServer.run { server in
            let id = try await server.publish()
            func ask(_ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil) async throws -> HTTPReply {
                let connection = try await server.connect()
                try await connection.request(method, path, headers: headers, body: body)
                try await connection.closeOutput()
                return try await connection.reply()
            }
            #expect(try await ask("GET", "/v1/jobs/\(id)").json["state"].string == "queued")
            #expect(try await ask("GET", "/v1/jobs/\(id)", headers: [("Prefer", "wait=60")]).json["state"].string == "queued")
            #expect(try await ask("POST", "/v1/queues/other/jobs", headers: [("Prefer", "wait=60")], body: [0x31]).status == 202)
            #expect(try await ask("POST", "/v1/queues/empty/leases?wait=60s", body: []).text == #"{"leases":[]}"#)
        }
    }

    @Test("requests that are sent one behind the other are answered in their order")
    func pipelining() async throws {
        try await TestServer.run { server in
            let connection = try await server.connect()
            for index in 0..<20 {
                try await connection.request(
                    "POST",
                    "/v1/queues/q/jobs?name=n\(index)",
                    headers: [("Content-Type", "application/json")],
                    body: Array("\(index)".utf8)
                )
            }
            for index in 0..<20 { #expect(try await connection.reply().json["name"].string == "n\(index)") }
        }
    }

    @Test("jobs leased for a connection that was closed while it waited are released, uncounted")
    func lostWait() async throws {
        try await TestServer.run { server in
            let lost = try await server.connect()
            try await lost.request("POST", "/v1/queues/q/leases?wait=30s&lease=1h", body: [])
            try await server.eventually { try await !server.broker.queues().isEmpty }
            try await lost.close()
            try await server.eventually { try await server.get("/metrics").text.contains("godwit_http_connections 1\n") }
            let id = try await server.publish()
            let lease = try await server.lease(query: "?wait=10s")
            #expect(lease["job"]["id"].string == id)
            #expect(lease["job"]["attempt"].int == 1)
        }
    }

    /// The job and the end of the connection race: whoever wins, the job comes to the next worker, at its first attempt.
    @Test("jobs leased for a connection that closes at that moment are released, uncounted", arguments: 0..<20)
    func lostRace(_ round: Int) async throws {
        try await TestServer.run { server in
            let lost = try await server.connect()
            try await lost.request("POST", "/v1/queues/q/leases?wait=30s&lease=1h", body: [])
            try await server.eventually { try await !server.broker.queues().isEmpty }
            async let closing: Void = lost.close()
            let id = try await server.publish()
            try await closing
            // A lease that was written before the end was seen is the client's; it ends in its own time, which is not
            // waited for here.
            let next = try await server.post("/v1/queues/q/leases?wait=2s").json["leases"]
            if next.count == 1 {
                #expect(next[0]["job"]["id"].string == id)
                #expect(next[0]["job"]["attempt"].int == 1)
            } else {
                #expect(try await server.get("/v1/jobs/\(id)").json["state"].string == "running")
            }
        }
    }
}
