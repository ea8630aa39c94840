import GodwitCore
import HTTPTestSupport
import Testing

@Suite("Leases")
struct LeaseTests {
    @Test("a lease carries the job, and its settling ends it once")
    func leaseAndComplete() async throws {
        try await TestServer.run { server in
            let id = try await server.publish("q", #"{"a": [1, 2.50]}"#, query: "?timeout=30s")
            let reply = try await server.post("/v1/queues/q/leases?max=10&lease=1m&holder=worker-7")
            #expect(reply.status == 200)
            let lease = try reply.json["leases"][0]
            #expect(try reply.json["leases"].count == 1)
            #expect(lease["job"]["id"].string == id)
            #expect(lease["job"]["state"].string == "running")
            #expect(lease["job"]["attempt"].int == 1)
            #expect(lease["job"]["started_at"].string != nil)
            #expect(lease["content_type"].string == "application/json")
            #expect(lease["payload"].raw == #"{"a": [1, 2.50]}"#)
            #expect(lease["timeout"].string == "30s")
            let token = try #require(lease["lease"].string)
            #expect(try await server.post("/v1/leases/\(token)/complete", "1").status == 200)
            for verb in ["complete", "release", "extend", "fail", "dead-letter", "progress"] {
                let body = ["fail": #"{"error": "x"}"#, "dead-letter": #"{"error": "x"}"#, "progress": #"{"fraction": 1}"#][verb]
                let stale = try await server.post("/v1/leases/\(token)/\(verb)", body)
                #expect(stale.status == 409, "\(verb)")
                #expect(try stale.json["code"].string == "stale_lease")
            }
        }
    }

    @Test("a worker sets a job aside, and the dead letter says where it comes from")
    func deadLetter() async throws {
        try await TestServer.run { server in
            func lease(_ queue: String) async throws -> JSONTree { try await server.post("/v1/queues/\(queue)/leases").json["leases"][0] }
            let id = try await server.publish("q", "1")
            var token = try #require(try await lease("q")["lease"].string)
            for (body, field) in [(#"{}"#, "error"), (#"{"error": "x", "to": "a b"}"#, "to"), (#"{"error": "x", "to": "q"}"#, "to")] {
                let refused = try await server.post("/v1/leases/\(token)/dead-letter", body)
                #expect(refused.status == 400)
                #expect(try refused.json["field"].string == field)
            }
            let settled = try await server.post(
                "/v1/leases/\(token)/dead-letter",
                #"{"error": {"message": "odd", "code": "x"}, "to": "dead"}"#
            )
            #expect(try settled.json["state"].string == "failed")
            let job = try await server.get("/v1/jobs/\(id)").json
            #expect(job["reason"].string == "rejected" && job["error"]["code"].string == "x" && job["deliveries"].int == 1)
            let letter = try await lease("dead")
            #expect(letter["job"]["deaths"][0]["queue"].string == "q" && letter["job"]["deaths"][0]["job"].string == id)
            #expect(letter["payload"].raw == "1")
            _ = try await server.publish("q", "2")
            token = try #require(try await lease("q")["lease"].string)
            let batch = try await server.post(
                "/v1/leases/batch",
                #"[{"lease": "\#(token)", "dead_letter": {"error": "odd", "to": "dead"}}]"#
            )
            #expect(try batch.json["results"][0]["state"].string == "failed")
            #expect(try await lease("dead")["payload"].raw == "2")
        }
    }

    @Test("a request of a session that is sent again is answered as the first time")
    func sessions() async throws {
        try await TestServer.run { server in
            func post(_ path: String, _ body: String, _ session: String) async throws -> HTTPReply {
                try await server.send("POST", path, headers: [("Godwit-Session", session)], body: body)
            }
            let first = try await post("/v1/queues/q/jobs", "1", #""s"; n=1"#)
            let again = try await post("/v1/queues/q/jobs", "1", "s;n=1;repeat")
            #expect(try first.json["id"].string == again.json["id"].string && again.status == 202)
            let token = try await server.post("/v1/queues/q/leases").json["leases"][0]["lease"].string ?? ""
            for _ in 0..<2 {
                let settled = try await post("/v1/leases/\(token)/complete", "7", #""s"; n=2; ack=1; repeat=?1"#)
                #expect(try settled.status == 200 && settled.json["state"].string == "succeeded")
            }
            for (path, body) in [
                ("/v1/queues/q/jobs", "1"), ("/v1/queues/q/jobs/batch", #"[{"payload": 1}]"#),
                ("/v1/counters/c", #"{"step": "a", "at": 1}"#),
            ] {
                let another = try await post(path, body, "s; n=2; ack=1")
                #expect(try another.status == 422 && another.json["code"].string == "key_conflict", "\(path)")
            }
            let unknown = try await post("/v1/queues/q/jobs", "1", "s; n=1; repeat")
            #expect(try unknown.status == 503 && unknown.json["code"].string == "outcome_unknown")
            #expect(try await server.get("/v1/queues/q").json["counts"]["queued"].int == 0)
            for bad in ["", "s", "s; n=0", "s; n=x", "s; n=1; ack=1", "s; n=1; again", #""s; n=1"#] {
                let refused = try await post("/v1/queues/q/jobs", "1", bad)
                #expect(refused.status == 400, "\(bad)")
                #expect(try refused.json["field"].string == "Godwit-Session")
            }
        }
    }

    @Test("an answer has no more than 16 MiB of payloads, whatever came before: the rest is for the next one", .timeLimit(.minutes(1)))
    func answerBytes() async throws {
        try await TestServer.run { server in
            let queue = try QueueName("q")
            let small = (0..<64).map { _ in Operation.enqueue(NewMessage(queue: queue, payload: Content("1"))) }
            let payload = Content(Bytes([UInt8](repeating: 0x78, count: 1 << 20)), type: "text/plain")
            _ = try await server.broker.commit([Transaction(small)])
            for _ in 0..<20 { _ = try await server.broker.commit([Transaction(.enqueue(NewMessage(queue: queue, payload: payload)))]) }
            var counts: [Int] = []
            while counts.last != 0 {
                let leases = try await server.post("/v1/queues/q/leases?max=1000").json["leases"]
                let bytes = leases.elements.reduce(0) { $0 + ($1["payload"].raw?.utf8.count ?? 0) }
                #expect(bytes < (16 << 20) + 4_096)
                counts.append(leases.count)
            }
            #expect(counts == [64 + 15, 5, 0])
        }
    }

    @Test("a wait ends with the first job, or with nothing when the time is up")
    func wait() async throws {
        try await TestServer.run { server in
            #expect(try await server.post("/v1/queues/q/leases?wait=50ms").text == #"{"leases":[]}"#)
            #expect(try await server.post("/v1/queues/q/leases").text == #"{"leases":[]}"#)
            async let waiting = server.post("/v1/queues/q/leases?wait=20s")
            let id = try await server.publish()
            #expect(try await waiting.json["leases"][0]["job"]["id"].string == id)
        }
    }

    @Test("several queues are taken from, all of the first before any of the second")
    func severalQueues() async throws {
        try await TestServer.run { server in
            let low = try await server.publish("low")
            let high = try await server.publish("high")
            let leases = try await server.post("/v1/leases?queue=high&queue=low&max=5").json["leases"].elements
            #expect(leases.map { $0["job"]["id"].string } == [high, low])
        }
    }

    @Test("a failure is retried as the worker says")
    func failures() async throws {
        try await TestServer.run { server in
            let id = try await server.publish("q", "1", query: "?max-attempts=3")
            var lease = try #require(try await server.lease()["lease"].string)
            let failed = try await server.post(
                "/v1/leases/\(lease)/fail",
                #"{"error": {"message": "no \"luck\"", "code": "luck"}, "delay": "0s"}"#
            )
            #expect(failed.status == 200)
            let lease2 = try await server.lease(query: "?wait=10s")
            #expect(lease2["job"]["attempt"].int == 2)
            #expect(lease2["job"]["errors"].count == 1)
            lease = try #require(lease2["lease"].string)
            let second = try await server.post("/v1/leases/\(lease)/fail", #"{"error": "again", "delay": "1h"}"#)
            #expect(try second.json["state"].string == "retrying")
            let waiting = try await server.get("/v1/jobs/\(id)").json
            #expect(waiting["error"]["message"].string == "again")
            #expect(waiting["errors"][0]["code"].string == "luck")
            #expect(waiting["errors"][0]["message"].string == "no \"luck\"")
            #expect(waiting["errors"][0]["attempt"].int == 1)
            #expect(try await server.post("/v1/jobs/\(id)/retry").status == 200, "a retrying job runs now")
            lease = try #require(try await server.lease()["lease"].string)
            let last = try await server.post("/v1/leases/\(lease)/fail", #"{"error": "enough", "retry": false}"#)
            #expect(try last.json["state"].string == "failed")
            let result = try await server.get("/v1/jobs/\(id)/result")
            #expect(result.status == 409)
            #expect(try result.json["detail"].string?.contains("enough") == true)
        }
    }

    @Test("a release gives the job back to its place, and the attempt never was")
    func release() async throws {
        try await TestServer.run { server in
            let id = try await server.publish("q", "1")
            _ = try await server.publish("q", "2")
            let lease = try #require(try await server.lease()["lease"].string)
            let reply = try await server.post("/v1/leases/\(lease)/release")
            #expect(reply.status == 200)
            #expect(try reply.json["state"].string == "queued")
            let again = try await server.lease()
            #expect(again["job"]["id"].string == id)
            #expect(again["job"]["attempt"].int == 1)
        }
    }

    @Test("extend and progress keep a lease and say until when")
    func heartbeats() async throws {
        try await TestServer.run { server in
            let id = try await server.publish()
            let lease = try #require(try await server.lease(query: "?lease=10s")["lease"].string)
            let extended = try await server.post("/v1/leases/\(lease)/extend?lease=2h").json
            #expect(extended.names == ["expires_at", "cancel_requested"])
            #expect(extended["cancel_requested"].bool == false)
            let until = try #require(extended["expires_at"].string.flatMap { Timestamp(rfc3339: $0) })
            let created = try #require(try await server.get("/v1/jobs/\(id)").json["created_at"].string.flatMap { Timestamp(rfc3339: $0) })
            #expect((.seconds(7_100) ... .seconds(7_300)).contains(until - created))
            let progress = try await server.post("/v1/leases/\(lease)/progress", #"{"fraction": 0.25, "note": "a"}"#).json
            #expect(progress["expires_at"].string != nil)
            try await server.eventually { try await server.get("/v1/jobs/\(id)").json["progress"]["fraction"].double == 0.25 }
            #expect(try await server.get("/v1/jobs/\(id)").json["progress"]["note"].string == "a")
        }
    }

    @Test("a lease that nobody renews expires, and the job goes to another worker")
    func expiry() async throws {
        try await TestServer.run { server in
            let id = try await server.publish()
            let dead = try #require(try await server.lease(query: "?lease=100ms")["lease"].string)
            let next = try await server.lease(query: "?wait=10s")
            #expect(next["job"]["id"].string == id)
            #expect(next["job"]["attempt"].int == 2)
            #expect(next["job"]["errors"][0]["code"].string == "lease_expired")
            #expect(try await server.post("/v1/leases/\(dead)/complete", "1").status == 409)
        }
    }

    @Test("deleting a holder releases all that it holds, and nothing else")
    func holders() async throws {
        try await TestServer.run { server in
            for index in 0..<3 { _ = try await server.publish("q", "\(index)") }
            _ = try await server.post("/v1/queues/q/leases?max=2&holder=gone%20one")
            let kept = try #require(try await server.lease(query: "?holder=other")["lease"].string)
            #expect(try await server.send("DELETE", "/v1/holders/gone%20one").status == 204)
            #expect(try await server.get("/v1/queues/q").json["counts"]["queued"].int == 2)
            #expect(try await server.post("/v1/leases/\(kept)/complete", "1").status == 200)
            #expect(try await server.send("DELETE", "/v1/holders/nobody").status == 204)
        }
    }

    @Test("a batch settles and renews many leases, each for itself")
    func batch() async throws {
        try await TestServer.run { server in
            for index in 0..<6 { _ = try await server.publish("q", "\(index)", query: "?max-attempts=1") }
            let leases = try await server.post("/v1/queues/q/leases?max=6").json["leases"].elements.compactMap { $0["lease"].string }
            #expect(leases.count == 6)
            let reply = try await server.post(
                "/v1/leases/batch",
                """
                [{"lease": "\(leases[0])", "complete": {"r": 1.10}, 
                  "enqueue": [{"queue": "next", "payload": "x", "name": "n"}, {"queue": "q2", "payload": 2}]},
                 {"lease": "\(leases[1])", "fail": {"error": "bad"}}, {"lease": "\(leases[2])", "release": true},
                 {"lease": "\(leases[3])", "extend": "1m"}, {"lease": "\(leases[4])", "progress": {"fraction": 1}},
                 {"lease": "never-given", "complete": null}, {"lease": "\(leases[5])", "complete": null}]
                """
            )
            #expect(reply.status == 200)
            let results = try reply.json["results"].elements
            #expect(
                results.map { $0["lease"].string } == [leases[0], leases[1], leases[2], leases[3], leases[4], "never-given", leases[5]]
            )
            #expect(results.map { $0["status"].int } == [200, 200, 200, 200, 200, 409, 200])
            #expect(results.map { $0["state"].string } == ["succeeded", "failed", "queued", nil, nil, nil, "succeeded"])
            #expect(results[0]["enqueued"].count == 2)
            #expect(results[3]["expires_at"].string != nil)
            #expect(results[4]["cancel_requested"].bool == false)
            #expect(results[5]["error"]["code"].string == "stale_lease")
            #expect(results[5]["error"]["field"].string == "[5].lease")
            let followUp = try await server.lease("next")
            #expect(followUp["job"]["id"].string == results[0]["enqueued"][0].string)
            #expect(followUp["payload"].string == "x")
            let listed = try await server.get("/v1/jobs?queue=q&state=succeeded").json["jobs"]
            #expect(listed.count == 2)
        }
    }

    @Test("a completion whose follow-up is refused is refused whole")
    func atomicFollowUps() async throws {
        try await TestServer.run { server in
            #expect(try await server.post("/v1/queues/next/jobs", "1", headers: [("Idempotency-Key", "k")]).status == 202)
            let id = try await server.publish()
            let lease = try #require(try await server.lease()["lease"].string)
            let reply = try await server.post(
                "/v1/leases/batch",
                #"[{"lease": "\#(lease)", "complete": 1, "enqueue": [{"queue": "q", "payload": 1}, {"queue": "next", "payload": 2, "key": "k"}]}]"#
            )
            #expect(try reply.json["results"][0]["error"]["code"].string == "key_conflict")
            #expect(try reply.json["results"][0]["error"]["field"].string == "[0].enqueue[1].key")
            #expect(try reply.json["results"][0]["status"].int == 422)
            #expect(try await server.get("/v1/jobs/\(id)").json["state"].string == "running")
            #expect(try await server.post("/v1/leases/\(lease)/complete", "1").status == 200)
        }
    }

    @Test("a full queue takes what its own workers enqueue")
    func fullQueueFollowUps() async throws {
        try await TestServer.run { server in
            #expect(try await server.send("PUT", "/v1/queues/q", body: #"{"max_jobs": 1}"#).status == 201)
            _ = try await server.publish()
            let lease = try #require(try await server.lease()["lease"].string)
            let reply = try await server.post(
                "/v1/leases/batch",
                #"[{"lease": "\#(lease)", "complete": null, "enqueue": [{"queue": "q", "payload": 1}, {"queue": "q", "payload": 2}]}]"#
            )
            #expect(try reply.json["results"][0]["status"].int == 200)
            #expect(try await server.get("/v1/queues/q").json["counts"]["queued"].int == 2)
        }
    }
}
