import GodwitCore
import GodwitHTTP
import GodwitServer
import HTTPTestSupport
import Testing

@Suite("What connections may take of memory", .serialized)
struct ConnectionMemoryTests {
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
            for _ in 0..<40 { _ = try await server.publish("heavy", payload) }
            for _ in 0..<2 {
                let worker = try await server.connect()
                try await worker.stopReading()
                for _ in 0..<10 { try await worker.request("POST", "/v1/queues/heavy/leases", body: []) }
                silent.append(worker)
            }
            try await server.eventually { try await server.post("/v1/queues/heavy/leases").status == 503 }
            let refused = try await server.post("/v1/queues/heavy/leases")
            #expect(refused.status == 503)
            #expect(try refused.json["code"].string == "overloaded")
            #expect(refused["retry-after"] == "1")
            // What would be answered at length is refused before it is done.
            let jobs = Array(repeating: #"{"payload": 1}"#, count: 1_000).joined(separator: ",")
            #expect(try await server.post("/v1/queues/many/jobs/batch", "[\(jobs)]").status == 503)
            let enqueue = Array(repeating: #"{"operations": [{"enqueue": {"queue": "many", "payload": 1}}]}"#, count: 1_000).joined(
                separator: ","
            )
            #expect(try await server.post("/v1/commit", #"{"transactions": [\#(enqueue)]}"#).status == 503)
            #expect(try await server.broker.queue(QueueName("many"))?.counts.unfinished ?? 0 == 0)
            try await server.eventually {
                let heavy = try await server.broker.queue(QueueName("heavy"))
                return heavy.map { $0.totals.delivered >= $0.counts.running + 2 } ?? false
            }
            for connection in silent { try await connection.close() }
            try await server.eventually { try await server.get("/v1/jobs/\(id)/payload").status == 200 }
        }
    }
}
