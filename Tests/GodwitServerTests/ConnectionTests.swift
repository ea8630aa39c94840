import GodwitCore
import GodwitHTTP
import GodwitServer
import HTTPTestSupport
import Testing

@Suite("Connections", .serialized)
struct ConnectionTests {
    @Test("a body over the limit is 413, which a client that is still sending can read")
    func tooLarge() async throws {
        var options = ServerOptions()
        options.limits.jobBytes = 1_000
        try await TestServer.run(options) { server in
            let exact = try await server.post("/v1/queues/q/jobs", "\"" + String(repeating: "x", count: 998) + "\"")
            #expect(exact.status == 202)
            let connection = try await server.connect()
            try await connection.send("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n")
            // All of it is sent before the answer is read, as simple clients do.
            let part = [UInt8](repeating: 0x78, count: 1_000_000)
            for _ in 0..<9 { try await connection.send(part) }
            let reply = try await connection.reply()
            #expect(reply.status == 413)
            #expect(try reply.json["code"].string == "too_large")
            #expect(try reply.json["field"].string == "body")
            #expect(reply["connection"] == "close")
            #expect(try await connection.isClosedByServer(within: .seconds(10)))
            #expect(try await server.get("/v1/queues/q").json["counts"]["queued"].int == 1)
        }
    }

    @Test("a chunked body over the limit is 413 too")
    func chunkedTooLarge() async throws {
        var options = ServerOptions()
        options.limits.jobBytes = 1_000
        try await TestServer.run(options) { server in
            let connection = try await server.connect()
            try await connection.send("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = "3e8\r\n" + String(repeating: "x", count: 1_000) + "\r\n"
            for _ in 0..<50 { try await connection.send(chunk) }
            try await connection.send("0\r\n\r\n")
            #expect(try await connection.reply().status == 413)
        }
    }

    @Test("a client that sends on and on is cut off")
    func endless() async throws {
        var options = ServerOptions()
        options.limits.jobBytes = 1_000
        options.limits.drainBytes = 100_000
        try await TestServer.run(options) { server in
            let connection = try await server.connect()
            try await connection.send("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
            let part = [UInt8](repeating: 0x78, count: 100_000)
            // How much fits into the buffers of the network is not ours to say.
            for _ in 0..<1_000 {
                do { try await connection.send(part) } catch { break }
            }
            #expect(try await connection.isClosedByServer(within: .seconds(10)))
        }
    }

    @Test("all bodies together have a limit; when they are done with there is room again")
    func allBodies() async throws {
        var options = ServerOptions()
        options.limits.allBodiesBytes = 1_000
        try await TestServer.run(options) { server in
            let slow = try await server.connect()
            try await slow.send(
                "POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 601\r\n\r\n"
            )
            try await slow.send([UInt8](repeating: 0x78, count: 600))
            try await server.eventually {
                let reply = try await server.post("/v1/queues/other/jobs", String(repeating: "1", count: 500))
                guard reply.status == 503 else { return false }
                #expect(try reply.json["code"].string == "overloaded")
                #expect(reply["retry-after"] == "1")
                return true
            }
            #expect(try await server.post("/v1/queues/q/jobs", "1").status == 202)
            try await slow.send("x")
            #expect(try await slow.reply().status == 202)
            try await server.eventually {
                try await server.post("/v1/queues/other/jobs", String(repeating: "1", count: 900)).status == 202
            }
        }
    }

    @Test("who waits for a job no longer takes room from other bodies, and workers have some of their own")
    func roomForWorkers() async throws {
        var options = ServerOptions()
        options.limits.allBodiesBytes = 1_000
        try await TestServer.run(options) { server in
            let payload = Array(String(repeating: "1", count: 900).utf8)
            let waiting = try await server.connect()
            try await waiting.request("POST", "/v1/queues/q/jobs", headers: [("Prefer", "wait=60")], body: payload)
            try await server.eventually { try await server.get("/v1/queues/q").status == 200 }
            #expect(try await server.post("/v1/queues/q/jobs", String(repeating: "1", count: 900)).status == 202)
            let lease = try #require(try await server.lease()["lease"].string)
            let slow = try await server.connect()
            try await slow.send(
                "POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n"
            )
            try await slow.send([UInt8](repeating: 0x78, count: 999))
            try await server.eventually { try await server.post("/v1/queues/q/jobs", "12").status == 503 }
            #expect(try await server.post("/v1/leases/\(lease)/progress", #"{"fraction": 0.5}"#).status == 200)
            #expect(try await server.post("/v1/leases/\(lease)/complete", "[1,2,3]").status == 200)
            #expect(try await waiting.reply().json["state"].string == "succeeded")
        }
    }

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

    @Test("a batch has a limit of its own, and a client that asks first is refused before it sends")
    func expectContinue() async throws {
        var options = ServerOptions()
        options.limits.jobBytes = 1_000
        options.limits.batchBytes = 2_000
        try await TestServer.run(options) { server in
            let batch =
                "[{\"payload\":\"" + String(repeating: "x", count: 900) + "\"},{\"payload\":\"" + String(repeating: "x", count: 900)
                + "\"}]"
            #expect(try await server.post("/v1/queues/q/jobs/batch", batch).status == 202)
            let refused = try await server.connect()
            try await refused.send(
                "POST /v1/queues/q/jobs/batch HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2001\r\n\r\n"
            )
            #expect(try await refused.reply().status == 413)

            let asked = try await server.connect()
            try await asked.send(
                "POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                    + "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
            )
            #expect(try await asked.reply().status == 100)
            try await asked.send("hello")
            #expect(try await asked.reply().status == 202)
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

    @Test("answers that nobody takes have a bound together; work goes on when readers fill it, and leases that have no room are given back")
    func answerBytes() async throws {
        var options = ServerOptions()
        options.maxAnswerBytes = 3 << 20
        options.limits.jobBytes = 2 << 20
        try await TestServer.run(options) { server in
            let payload = "\"" + String(repeating: "x", count: 2_000_000) + "\""
            let id = try #require(try await server.post("/v1/queues/q/jobs", payload).json["id"].string)
            var silent: [HTTPConnection] = []
            for _ in 0..<4 {
                let connection = try await server.connect()
                try await connection.stopReading()
                // The network takes the first few.
                for _ in 0..<20 { try await connection.request("GET", "/v1/jobs/\(id)/payload") }
                silent.append(connection)
            }
            try await server.eventually { try await server.get("/v1/jobs/\(id)/payload").status == 503 }
            let token = try #require(try await server.lease()["lease"].string)
            #expect(try await server.post("/v1/leases/\(token)/complete").status == 200)
            for _ in 0..<40 { _ = try await server.publish("work", payload) }
            for _ in 0..<2 {
                let worker = try await server.connect()
                try await worker.stopReading()
                for _ in 0..<10 { try await worker.request("POST", "/v1/queues/work/leases", body: []) }
                silent.append(worker)
            }
            try await server.eventually { try await server.post("/v1/queues/work/leases").status == 503 }
            let refused = try await server.post("/v1/queues/work/leases")
            #expect(refused.status == 503)
            #expect(try refused.json["code"].string == "overloaded")
            #expect(refused["retry-after"] == "1")
            try await server.eventually {
                let work = try await server.broker.queue(QueueName("work"))
                return work.map { $0.totals.delivered >= $0.counts.running + 2 } ?? false
            }
            for connection in silent { try await connection.close() }
            try await server.eventually { try await server.get("/v1/jobs/\(id)/payload").status == 200 }
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
