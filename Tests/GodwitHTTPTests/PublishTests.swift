import GodwitCore
import HTTPTestSupport
import Testing

@Suite("Publishing")
struct PublishTests {
    @Test("a body becomes a job: 202, its place, and its JSON")
    func publish() async throws {
        try await TestServer.run { server in
            let reply = try await server.post("/v1/queues/mail/jobs?name=welcome&priority=7&max-attempts=3", #"{"to": "a@b.c"}"#)
            #expect(reply.status == 202)
            #expect(reply["content-type"] == "application/json")
            let job = try reply.json
            let id = try #require(job["id"].string)
            #expect(reply["location"] == "/v1/jobs/\(id)")
            #expect(
                job.names == [
                    "id", "queue", "name", "state", "attempt", "max_attempts", "progress", "created_at", "run_at", "started_at",
                    "finished_at",
                    "error", "errors", "group", "transient", "deliveries", "reason", "deaths",
                ]
            )
            #expect(job["queue"].string == "mail")
            #expect(job["name"].string == "welcome")
            #expect(job["state"].string == "queued")
            #expect(job["attempt"].int == 0)
            #expect(job["max_attempts"].int == 3)
            for name in ["progress", "run_at", "started_at", "finished_at", "error"] { #expect(job[name].isNull, "\(name)") }
            #expect(job["errors"].count == 0)
            let created = try #require(job["created_at"].string)
            #expect(Timestamp(rfc3339: created) != nil && created.hasSuffix("Z") && created.utf8.count == 24)
            #expect(try await server.get("/v1/jobs/\(id)").body == reply.body, "reading the job says the same")
        }
    }

    @Test(
        "the payload is given back as it came, with its type",
        arguments: ["application/json", "application/x-www-form-urlencoded", nil] as [String?]
    )
    func payload(_ type: String?) async throws {
        try await TestServer.run { server in
            let body = #"{ "big": 123456789012345678901234567890.10, "s": "\u00fc" }"#
            let id = try #require(try await server.post("/v1/queues/q/jobs", body, type: type).json["id"].string)
            let payload = try await server.get("/v1/jobs/\(id)/payload")
            #expect(payload.status == 200)
            #expect(payload.text == body)
            #expect(payload["content-type"] == "application/json")
            #expect(payload["x-content-type-options"] == "nosniff")
            #expect(payload["content-security-policy"] == "default-src 'none'; sandbox")
        }
    }

    @Test("a delay and a time make a scheduled job")
    func scheduled() async throws {
        try await TestServer.run { server in
            let delayed = try await server.post("/v1/queues/q/jobs?delay=1h", "{}").json
            #expect(delayed["state"].string == "scheduled")
            #expect(delayed["run_at"].string != nil)
            let timed = try await server.post("/v1/queues/q/jobs?run-at=2035-01-01T00:00:00%2B02:00", "{}").json
            #expect(timed["state"].string == "scheduled")
            #expect(timed["run_at"].string == "2034-12-31T22:00:00.000Z")
            let past = try await server.post("/v1/queues/q/jobs?run-at=1999-01-01T00:00:00Z", "{}").json
            #expect(past["state"].string == "queued")
        }
    }

    @Test("what the store refuses is named as the query says it")
    func queryNames() async throws {
        try await TestServer.run { server in
            let late = try await server.post("/v1/queues/q/jobs?run-at=2199-01-01T00:00:00Z", "1")
            #expect(try late.status == 400 && late.json["field"].string == "run-at")
            let batch = try await server.post("/v1/queues/q/jobs/batch", #"[{"payload": 1, "run_at": "2199-01-01T00:00:00Z"}]"#)
            #expect(try batch.status == 400 && batch.json["field"].string == "[0].run_at")
        }
    }

    @Test("the same request under the same key is the first job, quoted or not; another request is 422")
    func idempotency() async throws {
        try await TestServer.run { server in
            func publish(_ key: String, _ body: String = "1", query: String = "", type: String = "application/json") async throws
                -> HTTPReply
            {
                try await server.post(
                    "/v1/queues/q/jobs\(query)",
                    body,
                    type: type,
                    headers: [("Idempotency-Key", key), ("Traceparent", "00-\(key.count)")]
                )
            }
            let first = try await publish("order-1")
            #expect(first.status == 202)
            #expect(first["idempotency-replayed"] == nil)
            let again = try await publish("\"order-1\"")
            #expect(again.status == 202)
            #expect(again["idempotency-replayed"] == "true")
            #expect(try again.json["id"].string == first.json["id"].string)
            #expect(again["location"] == first["location"])
            for other in [
                try await publish("order-1", "2"), try await publish("order-1", query: "?name=x"),
                try await publish("order-1", query: "?delay=1s"),
                try await publish("order-1", query: "?priority=1"), try await publish("order-1", type: "text/plain"),
            ] {
                #expect(other.status == 422)
                #expect(try other.json["code"].string == "key_conflict")
                #expect(other["content-type"] == "application/problem+json")
            }
            #expect(try await server.get("/v1/queues/q").json["counts"]["queued"].int == 1)
            #expect(
                try await server.post("/v1/queues/other/jobs", "2", headers: [("Idempotency-Key", "order-1")]).status == 202,
                "keys are a queue's own"
            )
        }
    }

    @Test("a key outlives its job: the same request again names the forgotten job")
    func forgottenKey() async throws {
        try await TestServer.run { server in
            let headers = [("Idempotency-Key", "k")]
            let id = try #require(try await server.post("/v1/queues/q/jobs?name=n", "1", headers: headers).json["id"].string)
            #expect(try await server.post("/v1/jobs/\(id)/cancel").status == 200)
            #expect(try await server.send("DELETE", "/v1/jobs/\(id)").status == 204)
            let again = try await server.post("/v1/queues/q/jobs?name=n", "1", headers: headers)
            #expect(again.status == 202)
            #expect(again["idempotency-replayed"] == "true")
            #expect(again["location"] == "/v1/jobs/\(id)")
            #expect(try again.json["id"].string == id)
            #expect(try again.json["name"].string == "n")
            #expect(try again.json["state"].isNull)
            #expect(try await server.get("/v1/queues/q").json["counts"]["queued"].int == 0)
        }
    }

    @Test("with Prefer: wait the answer comes when the job is final, or when the time is up")
    func wait() async throws {
        try await TestServer.run { server in
            async let waiting = server.post("/v1/queues/q/jobs", "{}", headers: [("Prefer", "wait=20")])
            let lease = try #require(try await server.lease(query: "?wait=10s")["lease"].string)
            #expect(try await server.post("/v1/leases/\(lease)/complete", "17").status == 200)
            let reply = try await waiting
            #expect(reply.status == 200)
            #expect(reply["preference-applied"] == "wait=20")
            #expect(try reply.json["state"].string == "succeeded")

            let unfinished = try await server.post("/v1/queues/q/jobs", "{}", headers: [("Prefer", "wait=0")])
            #expect(unfinished.status == 202)
            #expect(unfinished["preference-applied"] == "wait=0")
        }
    }

    @Test("Godwit headers travel to the worker")
    func headers() async throws {
        try await TestServer.run { server in
            let sent = [("ce-type", "order.made"), ("Godwit-Header-Tenant", "acme"), ("X-Other", "no")]
            #expect(try await server.post("/v1/queues/q/jobs", "{}", headers: sent).status == 202)
            let headers = try await server.lease()["headers"]
            #expect(Set(headers.names).isSuperset(of: ["ce-type", "tenant"]) && headers["x-other"].isMissing)
            #expect(headers["tenant"].string == "acme")
        }
    }

    @Test("a batch is published whole, in order, with each payload as it was written")
    func batch() async throws {
        try await TestServer.run { server in
            let reply = try await server.post(
                "/v1/queues/q/jobs/batch",
                #"[{"payload": {"n" : 1e400}, "name": "a", "key": "k1"}, {"payload": "text", "content_type": "text/plain", "priority": 0},"#
                    + #" {"payload_base64": "/wA=", "headers": {"A": "b"}}, {"payload": null, "delay": "1h", "max_attempts": 1}]"#
            )
            #expect(reply.status == 202)
            let jobs = try reply.json["jobs"].elements
            #expect(jobs.map { $0["state"].string } == ["queued", "queued", "queued", "scheduled"])
            #expect(jobs[0]["name"].string == "a")
            #expect(jobs[3]["max_attempts"].int == 1)
            let leases = try await server.post("/v1/queues/q/leases?max=10").json["leases"].elements
            #expect(leases.map { $0["job"]["id"].string } == jobs.prefix(3).map { $0["id"].string })
            #expect(leases[0]["payload"].raw == #"{"n" : 1e400}"#)
            #expect(leases[1]["payload"].string == "text")
            #expect(leases[1]["content_type"].string == "text/plain")
            #expect(leases[2]["payload_base64"].string == "/wA=")
            #expect(leases[2]["payload"].isMissing)
            #expect(leases[2]["headers"]["a"].string == "b")

            let again = try await server.post(
                "/v1/queues/q/jobs/batch",
                #"[{"payload": {"n" : 1e400}, "name": "a", "key": "k1"}, {"payload": 2}]"#
            )
            #expect(again.status == 202)
            #expect(try again.json["jobs"][0]["id"].string == jobs[0]["id"].string)
            #expect(try again.json["jobs"][0]["replayed"].bool == true)
            #expect(try again.json["jobs"][1]["replayed"].isMissing)
        }
    }

    @Test("of a batch that is refused nothing is there")
    func atomicBatch() async throws {
        try await TestServer.run { server in
            #expect(try await server.send("PUT", "/v1/queues/q", headers: [], body: #"{"max_jobs": 2}"#).status == 201)
            let never = try await server.post("/v1/queues/q/jobs/batch", #"[{"payload":1},{"payload":2},{"payload":3}]"#)
            #expect(never.status == 413, "no waiting would make room for it")
            #expect(try never.json["code"].string == "too_large")
            #expect(try await server.post("/v1/queues/q/jobs", "1", headers: [("Idempotency-Key", "k")]).status == 202)
            let full = try await server.post("/v1/queues/q/jobs/batch", #"[{"payload":1},{"payload":2}]"#)
            #expect(full.status == 503)
            #expect(try full.json["code"].string == "busy")
            #expect(full["retry-after"].flatMap { Int($0) } ?? 0 >= 1)
            #expect(try full.json["retry_after_ms"].int ?? 0 > 0)
            let conflict = try await server.post("/v1/queues/q/jobs/batch", #"[{"payload":1},{"payload":2,"key":"k"}]"#)
            #expect([422, 503].contains(conflict.status))
            #expect(try await server.get("/v1/queues/q").json["counts"]["queued"].int == 1)
        }
    }

    @Test("a key conflict in a batch names the job and leaves nothing")
    func batchConflict() async throws {
        try await TestServer.run { server in
            #expect(try await server.post("/v1/queues/q/jobs", "1", headers: [("Idempotency-Key", "k")]).status == 202)
            let conflict = try await server.post("/v1/queues/q/jobs/batch", #"[{"payload":1},{"payload":2,"key":"k"}]"#)
            #expect(conflict.status == 422)
            #expect(try conflict.json["code"].string == "key_conflict")
            #expect(try conflict.json["field"].string?.hasPrefix("[1]") == true)
            #expect(try await server.get("/v1/queues/q").json["counts"]["queued"].int == 1)
        }
    }

    @Test("a full queue says 503 and when to come back")
    func busy() async throws {
        try await TestServer.run { server in
            #expect(try await server.send("PUT", "/v1/queues/q", body: #"{"max_jobs": 1}"#).status == 201)
            _ = try await server.publish()
            let reply = try await server.post("/v1/queues/q/jobs", "{}")
            #expect(reply.status == 503)
            #expect(reply["content-type"] == "application/problem+json")
            #expect(reply["retry-after"] == "5")
            let problem = try reply.json
            #expect(problem.names == ["type", "title", "status", "detail", "code", "retry_after_ms"])
            #expect(problem["code"].string == "busy")
            #expect(problem["status"].int == 503)
            #expect(problem["title"].string == "Service Unavailable")
            #expect(problem["retry_after_ms"].int == 5_000)
        }
    }

    @Test("without auto-create an unknown queue is 404 to publishers and workers, until somebody makes it")
    func noAutoCreate() async throws {
        try await TestServer.run(createsQueues: false) { server in
            for path in ["/v1/queues/q/jobs", "/v1/queues/q/leases", "/v1/leases?queue=q"] {
                let reply = try await server.post(path, path.hasSuffix("jobs") ? "{}" : nil)
                #expect(reply.status == 404)
                #expect(try reply.json["code"].string == "queue_not_found")
            }
            #expect(try await server.send("PUT", "/v1/queues/q", body: "{}").status == 201)
            _ = try await server.publish()
        }
    }

    @Test("a key that was used for another request is the header's fault")
    func conflictField() async throws {
        try await TestServer.run { server in
            let headers = [("Idempotency-Key", "k")]
            #expect(try await server.post("/v1/queues/q/jobs", "1", headers: headers).status == 202)
            let other = try await server.post("/v1/queues/q/jobs", "2", headers: headers)
            #expect(other.status == 422)
            #expect(try other.json["field"].string == "Idempotency-Key")
            let batch = try await server.post("/v1/queues/q/jobs/batch", #"[{"payload":1},{"payload":2,"key":"k"}]"#)
            #expect(batch.status == 422)
            #expect(try batch.json["field"].string == "[1].key")
        }
    }

    @Test("who waits for a job that its queue does not keep hears that it is over")
    func waitWithoutRetention() async throws {
        try await TestServer.run { server in
            #expect(try await server.send("PUT", "/v1/queues/q", body: #"{"retention": "none"}"#).status == 201)
            async let waiting = server.post("/v1/queues/q/jobs", "1", headers: [("Prefer", "wait=60"), ("Idempotency-Key", "k")])
            let lease = try #require(try await server.lease("q", query: "?wait=10s")["lease"].string)
            #expect(try await server.post("/v1/leases/\(lease)/complete", "1").status == 200)
            for reply in [
                try await waiting,
                try await server.post("/v1/queues/q/jobs", "1", headers: [("Prefer", "wait=60"), ("Idempotency-Key", "k")]),
            ] {
                #expect(reply.status == 200)
                #expect(reply["preference-applied"] == "wait=60")
                #expect(try reply.json["id"].string != nil)
                #expect(try reply.json["state"].isNull)
            }
        }
    }
}
