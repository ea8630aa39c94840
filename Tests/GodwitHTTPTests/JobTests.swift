import GodwitCore
import HTTPTestSupport
import Testing

@Suite("Jobs")
struct JobTests {
    @Test("a result is as the worker sent it; before the end 202, without one 204, after a failure 409")
    func results() async throws {
        try await TestServer.run { server in
            let id = try await server.publish()
            let early = try await server.get("/v1/jobs/\(id)/result")
            #expect(early.status == 202)
            #expect(early["retry-after"] == "1")
            #expect(try early.json["state"].string == "queued")
            let lease = try #require(try await server.lease()["lease"].string)
            let done = try await server.post("/v1/leases/\(lease)/complete", "<b>17</b>", type: "text/html")
            #expect(done.status == 200)
            #expect(try done.json["state"].string == "succeeded")
            let result = try await server.get("/v1/jobs/\(id)/result")
            #expect(result.status == 200)
            #expect(result.text == "<b>17</b>")
            #expect(result["content-type"] == "text/html")
            #expect(result["content-security-policy"] != nil)

            let empty = try await server.publish()
            let second = try #require(try await server.lease()["lease"].string)
            #expect(try await server.post("/v1/leases/\(second)/complete").status == 200)
            #expect(try await server.get("/v1/jobs/\(empty)/result").status == 204)

            let cancelled = try await server.publish()
            #expect(try await server.post("/v1/jobs/\(cancelled)/cancel").status == 200)
            let refused = try await server.get("/v1/jobs/\(cancelled)/result")
            #expect(refused.status == 409)
            #expect(try refused.json["code"].string == "wrong_state")
        }
    }

    @Test("a job that is cancelled where none is kept that ended is answered as it went")
    func cancelledForGood() async throws {
        try await TestServer.run { server in
            #expect(try await server.send("PUT", "/v1/queues/q", body: #"{"retention": "none"}"#).status == 201)
            let id = try await server.publish()
            let cancelled = try await server.post("/v1/jobs/\(id)/cancel")
            #expect(cancelled.status == 200)
            #expect(try cancelled.json["state"].string == "cancelled")
            #expect(try await server.post("/v1/jobs/\(id)/cancel").status == 410)
        }
    }

    @Test("a long poll ends when the job does")
    func longPoll() async throws {
        try await TestServer.run { server in
            let id = try await server.publish()
            async let waiting = server.get("/v1/jobs/\(id)", headers: [("Prefer", "wait=20")])
            async let result = server.get("/v1/jobs/\(id)/result", headers: [("Prefer", "wait=20")])
            let lease = try #require(try await server.lease()["lease"].string)
            #expect(try await server.post("/v1/leases/\(lease)/complete", "\"r\"").status == 200)
            let reply = try await waiting
            #expect(reply.status == 200)
            #expect(reply["preference-applied"] == "wait=20")
            #expect(try reply.json["state"].string == "succeeded")
            #expect(try reply.json["finished_at"].string != nil)
            #expect(try await result.text == "\"r\"")
        }
    }

    @Test("a long poll's time is up at last")
    func longPollTimeout() async throws {
        try await TestServer.run { server in
            let id = try await server.publish()
            let begin = ContinuousClock.now
            let reply = try await server.get("/v1/jobs/\(id)", headers: [("Prefer", "wait=1")])
            #expect(reply.status == 200)
            #expect(try reply.json["state"].string == "queued")
            #expect(begin.duration(to: .now) >= .milliseconds(990))
        }
    }

    @Test("cancel ends a job, running ones too; retry takes it back; forget needs its end")
    func lifecycle() async throws {
        try await TestServer.run { server in
            let id = try await server.publish()
            let lease = try #require(try await server.lease()["lease"].string)
            let tooEarly = try await server.send("DELETE", "/v1/jobs/\(id)")
            #expect(tooEarly.status == 409)
            #expect(try tooEarly.json["code"].string == "wrong_state")
            #expect(try await server.post("/v1/jobs/\(id)/retry").status == 409, "a running job is not retried")

            let cancelled = try await server.post("/v1/jobs/\(id)/cancel")
            #expect(cancelled.status == 200)
            #expect(try cancelled.json["state"].string == "cancelled")
            #expect(try cancelled.json["error"]["code"].string == "cancelled")
            let late = try await server.post("/v1/leases/\(lease)/complete", "1")
            #expect(late.status == 409)
            #expect(try late.json["code"].string == "stale_lease")
            let heartbeat = try await server.post("/v1/leases/\(lease)/extend")
            #expect(heartbeat.status == 200)
            #expect(try heartbeat.json["cancel_requested"].bool == true)
            #expect(try heartbeat.json["expires_at"].isNull)

            let retried = try await server.post("/v1/jobs/\(id)/retry")
            #expect(retried.status == 200)
            #expect(try retried.json["state"].string == "queued")
            #expect(try await server.post("/v1/jobs/\(id)/cancel").status == 200)
            #expect(try await server.send("DELETE", "/v1/jobs/\(id)").status == 204)
            let gone = try await server.get("/v1/jobs/\(id)")
            #expect(gone.status == 410)
            #expect(try gone.json["code"].string == "job_forgotten")
        }
    }

    @Test("a succeeded job cannot be retried")
    func noRetry() async throws {
        try await TestServer.run { server in
            let id = try await server.publish()
            let lease = try #require(try await server.lease()["lease"].string)
            #expect(try await server.post("/v1/leases/\(lease)/complete").status == 200)
            let reply = try await server.post("/v1/jobs/\(id)/retry")
            #expect(reply.status == 409)
            #expect(try reply.json["code"].string == "wrong_state")
        }
    }

    @Test("the list is newest first, filtered, and paged to its end")
    func list() async throws {
        try await TestServer.run { server in
            var ids: [String] = []
            for index in 0..<7 { ids.append(try await server.publish(index == 3 ? "other" : "q", "\(index)")) }
            var pages: [[String]] = []
            var path = "/v1/jobs?queue=q&limit=2"
            while true {
                let page = try await server.get(path).json
                pages.append(page["jobs"].elements.compactMap { $0["id"].string })
                #expect(pages.count < 20)
                guard let cursor = page["next_cursor"].string, pages.count < 20 else { break }
                path = "/v1/jobs?queue=q&limit=2&cursor=\(cursor)"
            }
            #expect(pages.allSatisfy { $0.count <= 2 })
            #expect(pages.flatMap { $0 } == ids.enumerated().filter { $0.offset != 3 }.map(\.element).reversed())
            #expect(try await server.post("/v1/jobs/\(ids[6])/cancel").status == 200)
            let cancelled = try await server.get("/v1/jobs?state=cancelled").json
            #expect(cancelled["jobs"].elements.map { $0["id"].string } == [ids[6]])
            let all = try await server.get("/v1/jobs").json
            #expect(all["jobs"].count == 7)
            #expect(all["next_cursor"].isNull)
        }
    }

    @Test("HEAD is answered where GET is, without a body")
    func head() async throws {
        try await TestServer.run { server in
            let id = try await server.publish()
            let reply = try await server.send("HEAD", "/v1/jobs/\(id)")
            #expect(reply.status == 200)
            #expect(reply.body.isEmpty)
            #expect(reply["content-length"].flatMap { Int($0) } ?? 0 > 0)
        }
    }
}
