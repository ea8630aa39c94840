import GodwitCore
import HTTPTestSupport
import Testing

@Suite("Queues")
struct QueueTests {
    @Test("PUT makes a queue and replaces its settings whole")
    func put() async throws {
        try await TestServer.run { server in
            let made = try await server.send("PUT", "/v1/queues/mail", body: #"{"max_jobs": 7, "lease": "1m", "retention": {"count": 5}}"#)
            #expect(made.status == 201)
            let queue = try made.json
            #expect(queue.names == ["name", "paused", "settings", "counts", "bytes", "keys", "oldest_queued_at"])
            #expect(queue["settings"]["max_jobs"].int == 7)
            #expect(queue["settings"]["lease"].string == "1m")
            #expect(queue["settings"]["retention"].raw == #"{"succeeded":"1d","failed":"7d","count":5}"#)
            #expect(queue["counts"].names == ["scheduled", "queued", "running", "retrying", "succeeded", "failed", "cancelled", "expired"])
            let replaced = try await server.send("PUT", "/v1/queues/mail", body: #"{"max_attempts": 2}"#)
            #expect(replaced.status == 200)
            #expect(try replaced.json["settings"]["max_jobs"].int == 1_000_000)
            #expect(try replaced.json["settings"]["max_attempts"].int == 2)
            #expect(
                try await server.send("PUT", "/v1/queues/mail", body: try replaced.json["settings"].raw).status == 200,
                "what GET shows, PUT takes"
            )
        }
    }

    @Test("bounds in time, overflow, deliveries and dead letters are settings; null unsets them")
    func boundsAndDeadLetters() async throws {
        try await TestServer.run { server in
            let settings = #"{"max_wait": "30s", "overflow": "drop_oldest", "ttl": "1h", "max_deliveries": 5, "dead_letter_queue": "dead"}"#
            let made = try await server.send("PUT", "/v1/queues/q", body: settings)
            let shown = try made.json["settings"]
            #expect(shown["max_wait"].string == "30s" && shown["overflow"].string == "drop_oldest" && shown["ttl"].string == "1h")
            #expect(shown["max_deliveries"].int == 5 && shown["dead_letter_queue"].string == "dead")
            #expect(try await server.send("PUT", "/v1/queues/q", body: shown.raw).status == 200, "what GET shows, PUT takes")
            let unset = try await server.send(
                "PATCH",
                "/v1/queues/q",
                body: #"{"max_wait": null, "overflow": null, "ttl": null, "max_deliveries": null, "dead_letter_queue": null}"#
            ).json["settings"]
            #expect(unset["overflow"].string == "reject")
            for name in ["max_wait", "ttl", "max_deliveries", "dead_letter_queue"] { #expect(unset[name].raw == "null", "\(name)") }
            for (name, value) in [
                ("max_wait", #""0s""#), ("ttl", #""-1s""#), ("overflow", #""drop""#), ("max_deliveries", "0"), ("dead_letter_queue", "7"),
                ("dead_letter_queue", #""q""#), ("dead_letter_queue", #""a b""#),
            ] {
                let refused = try await server.send("PATCH", "/v1/queues/q", body: #"{"\#(name)": \#(value)}"#)
                #expect(refused.status == 400, "\(name)")
                #expect(try refused.json["field"].string == name)
            }
        }
    }

    @Test("waiting jobs are browsed with their payloads, page by page")
    func browse() async throws {
        try await TestServer.run { server in
            for index in 0..<3 { _ = try await server.publish("q", "\(index)", query: "?group=g") }
            let first = try await server.get("/v1/queues/q/browse?limit=2").json
            #expect(first["jobs"].elements.map { $0["payload"].raw } == ["0", "1"])
            #expect(first["jobs"][0]["job"]["state"].string == "queued" && first["jobs"][0]["job"]["group"].string == "g")
            #expect(first["jobs"][0]["headers"].names == [])
            let cursor = try #require(first["next_cursor"].string)
            let last = try await server.get("/v1/queues/q/browse?limit=2&cursor=\(cursor)").json
            #expect(last["jobs"].elements.map { $0["payload"].raw } == ["2"] && last["next_cursor"].raw == "null")
            #expect(try await server.get("/v1/queues/none/browse").status == 404)
            #expect(try await server.get("/v1/queues/q/browse?limit=0").json["field"].string == "limit")
        }
    }

    @Test("dead letters are redriven, one or by filter")
    func redrive() async throws {
        try await TestServer.run { server in
            _ = try await server.send("PUT", "/v1/queues/q", body: #"{"dead_letter_queue": "dead"}"#)
            for name in ["a", "b", "a"] {
                _ = try await server.publish("q", "1", query: "?name=\(name)")
                let token = try await server.post("/v1/queues/q/leases").json["leases"][0]["lease"].string ?? ""
                _ = try await server.post("/v1/leases/\(token)/fail", #"{"error": "x", "retry": false}"#)
            }
            let listed = try await server.get("/v1/jobs?queue=q&reason=rejected&name=a&oldest=true").json["jobs"]
            #expect(listed.count == 2)
            #expect(try await server.post("/v1/jobs/\(listed[0]["id"].string ?? "")/redrive").status == 409, "its dead letter is elsewhere")
            let page = try await server.post("/v1/queues/dead/redrive?name=a&reason=rejected").json
            #expect(page["redriven"].int == 2 && page["next_cursor"].raw == "null")
            let letter = try await server.get("/v1/jobs?queue=dead").json["jobs"][0]
            let one = try await server.post("/v1/jobs/\(letter["id"].string ?? "")/redrive")
            #expect(try one.json["queue"].string == "q" && one["location"] == "/v1/jobs/\(one.json["id"].string ?? "")")
            #expect(try await server.get("/v1/queues/q").json["counts"]["queued"].int == 3)
            for (path, field) in [
                ("/v1/queues/dead/redrive?reason=x", "reason"), ("/v1/queues/dead/redrive?limit=0", "limit"),
                ("/v1/queues/dead/redrive?cursor=x", "cursor"),
            ] {
                let refused = try await server.post(path)
                #expect(refused.status == 400)
                #expect(try refused.json["field"].string == field)
            }
            #expect(try await server.get("/v1/jobs?oldest=maybe").json["field"].string == "oldest")
        }
    }

    @Test("a claim makes a job unique, a group keeps its order")
    func claimsAndGroups() async throws {
        try await TestServer.run { server in
            let first = try await server.post("/v1/queues/q/jobs?claim=c&group=g", "1")
            let second = try await server.post("/v1/queues/q/jobs?claim=c&group=g", "2")
            #expect(try first.json["id"].string == second.json["id"].string)
            #expect(second["idempotency-replayed"] == "true")
            _ = try await server.post("/v1/queues/q/jobs/batch", #"[{"payload": 3, "group": "g", "claim": "d"}]"#)
            let leases = try await server.post("/v1/queues/q/leases?max=10").json["leases"]
            #expect(leases.elements.map { $0["payload"].raw } == ["1"])
            let token = leases[0]["lease"].string ?? ""
            let refused = try await server.post("/v1/leases/\(token)/release", #"{"to": "front"}"#)
            #expect(try refused.json["field"].string == "to")
            _ = try await server.post("/v1/leases/\(token)/release", #"{"to": "back", "headers": {"X": "y"}}"#)
            let next = try await server.post("/v1/queues/q/leases?max=10").json["leases"]
            #expect(next.elements.map { $0["payload"].raw } == ["3"])
            _ = try await server.post("/v1/leases/batch", #"[{"lease": "\#(next[0]["lease"].string ?? "")", "release": {"to": "back"}}]"#)
            let last = try await server.post("/v1/queues/q/leases?max=10").json["leases"][0]
            #expect(last["payload"].raw == "1" && last["headers"]["x"].string == "y")
            #expect(try await server.post("/v1/queues/q/jobs?group=", "1").json["field"].string == "group")
        }
    }

    @Test("a transient job says so, in a batch and as a follow-up too, and has no key, group or claim")
    func transient() async throws {
        try await TestServer.run { server in
            let job = try await server.post("/v1/queues/q/jobs?transient=true", "1")
            #expect(try job.status == 202 && job.json["transient"].raw == "true")
            #expect(try await server.post("/v1/queues/q/jobs?transient=false", "1").json["transient"].raw == "false")
            let batch = try await server.post("/v1/queues/q/jobs/batch", #"[{"payload": 3, "transient": true}, {"payload": 4}]"#)
            #expect(try batch.json["jobs"].elements.map { $0["transient"].raw } == ["true", "false"])
            let lease = try await server.post("/v1/queues/q/leases").json["leases"][0]
            _ = try await server.post(
                "/v1/leases/batch",
                #"[{"lease": "\#(lease["lease"].string ?? "")", "complete": 1, "enqueue": [{"queue": "next", "payload": 5, "transient": true}]}]"#
            )
            #expect(try await server.get("/v1/jobs?queue=next").json["jobs"][0]["transient"].raw == "true")
            #expect(try await server.post("/v1/queues/q/jobs?transient=yes", "1").json["field"].string == "transient")
            #expect(try await server.post("/v1/queues/q/jobs?transient=true&claim=c", "1").json["field"].string == "claim")
            #expect(try await server.post("/v1/queues/q/jobs?transient=true&group=g", "1").json["field"].string == "group")
            let keyed = try await server.post(
                "/v1/queues/q/jobs/batch",
                #"[{"payload": 3}, {"payload": 3, "transient": true, "key": "k"}]"#
            )
            #expect(try keyed.status == 400 && keyed.json["field"].string == "[1].key")
        }
    }

    @Test("PATCH merges, as RFC 7396 says")
    func patch() async throws {
        try await TestServer.run { server in
            func patch(_ body: String) async throws -> JSONTree {
                let reply = try await server.send(
                    "PATCH",
                    "/v1/queues/q",
                    headers: [("Content-Type", "application/merge-patch+json")],
                    body: body
                )
                #expect(reply.status == 200, "\(reply.text)")
                return try reply.json["settings"]
            }
            #expect(try await server.send("PATCH", "/v1/queues/q", body: "{}").status == 404)
            #expect(try await server.send("PUT", "/v1/queues/q", body: #"{"max_jobs": 7, "max_attempts": 3}"#).status == 201)
            var settings = try await patch(#"{"lease": "5s", "retention": {"succeeded": "1h"}}"#)
            #expect(settings["max_jobs"].int == 7)
            #expect(settings["lease"].string == "5s")
            #expect(settings["retention"].raw == #"{"succeeded":"1h","failed":"7d","count":1000000}"#)
            settings = try await patch(#"{"retention": {"failed": "2d", "succeeded": null}, "max_jobs": null}"#)
            #expect(settings["retention"].raw == #"{"succeeded":"1d","failed":"2d","count":1000000}"#)
            #expect(settings["max_jobs"].int == 1_000_000)
            #expect(settings["max_attempts"].int == 3)
            settings = try await patch(#"{"retention": "none"}"#)
            #expect(settings["retention"].string == "none")
            settings = try await patch(#"{"retention": {"count": 9}}"#)
            #expect(settings["retention"].raw == #"{"succeeded":"1d","failed":"7d","count":9}"#)
            settings = try await patch(#"{"retention": null, "dedup_window": "2h", "dedup_max": 10, "max_bytes": 1000}"#)
            #expect(settings["retention"]["count"].int == 1_000_000)
            #expect(settings["dedup_window"].string == "2h")
            #expect(settings["dedup_max"].int == 10)
            #expect(settings["max_bytes"].int == 1_000)
        }
    }

    @Test("patches at the same time all take effect")
    func concurrentPatches() async throws {
        try await TestServer.run { server in
            #expect(try await server.send("PUT", "/v1/queues/q", body: "{}").status == 201)
            let patches = [#"{"max_jobs":11}"#, #"{"max_bytes":12}"#, #"{"max_attempts":13}"#, #"{"dedup_max":14}"#, #"{"lease":"15s"}"#]
            try await withThrowingTaskGroup(of: Int.self) { group in
                for patch in patches { group.addTask { try await server.send("PATCH", "/v1/queues/q", body: patch).status } }
                for try await status in group { #expect(status == 200) }
            }
            let settings = try await server.get("/v1/queues/q").json["settings"]
            #expect(settings["max_jobs"].int == 11)
            #expect(settings["max_bytes"].int == 12)
            #expect(settings["max_attempts"].int == 13)
            #expect(settings["dedup_max"].int == 14)
            #expect(settings["lease"].string == "15s")
        }
    }

    @Test("the list has all queues, by name, with what is in them")
    func list() async throws {
        try await TestServer.run { server in
            _ = try await server.publish("b")
            _ = try await server.publish("a", "{}", query: "?delay=1h")
            let queues = try await server.get("/v1/queues").json["queues"].elements
            #expect(queues.map { $0["name"].string } == ["a", "b"])
            #expect(queues[0]["counts"]["scheduled"].int == 1)
            #expect(queues[1]["counts"]["queued"].int == 1)
            #expect(queues[1]["bytes"].int ?? 0 > 0)
            #expect(queues[1]["oldest_queued_at"].string != nil)
        }
    }

    @Test("a paused queue takes jobs and gives none, until it is resumed")
    func pause() async throws {
        try await TestServer.run { server in
            _ = try await server.publish()
            let paused = try await server.post("/v1/queues/q/pause")
            #expect(paused.status == 200)
            #expect(try paused.json["paused"].bool == true)
            _ = try await server.publish()
            #expect(try await server.post("/v1/queues/q/leases?max=5").json["leases"].count == 0)
            #expect(try await server.post("/v1/queues/q/resume").json["paused"].bool == false)
            #expect(try await server.post("/v1/queues/q/leases?max=5").json["leases"].count == 2)
        }
    }

    @Test("a purge ends what waits; what runs goes on")
    func purge() async throws {
        try await TestServer.run { server in
            let running = try await server.publish()
            let lease = try #require(try await server.lease()["lease"].string)
            let waiting = try await server.publish()
            _ = try await server.publish("q", "{}", query: "?delay=1h")
            let purged = try await server.post("/v1/queues/q/purge")
            #expect(purged.status == 200)
            #expect(purged.text == #"{"purged":2}"#)
            let job = try await server.get("/v1/jobs/\(waiting)").json
            #expect(job["state"].string == "cancelled")
            #expect(job["error"]["code"].string == "purged")
            #expect(try await server.get("/v1/jobs/\(running)").json["state"].string == "running")
            #expect(try await server.post("/v1/leases/\(lease)/complete", "1").status == 200)
        }
    }

    @Test("a queue with unfinished jobs is deleted only with them")
    func delete() async throws {
        try await TestServer.run { server in
            let id = try await server.publish()
            let refused = try await server.send("DELETE", "/v1/queues/q")
            #expect(refused.status == 409)
            #expect(try refused.json["code"].string == "queue_not_empty")
            #expect(try await server.send("DELETE", "/v1/queues/q?purge=true").status == 204)
            #expect(try await server.get("/v1/queues/q").status == 404)
            #expect([404, 410].contains(try await server.get("/v1/jobs/\(id)").status))
            #expect(try await server.send("DELETE", "/v1/queues/q").status == 404)
        }
    }

    @Test("path items are percent-decoded: a queue that Swift named is reached by HTTP")
    func names() async throws {
        try await TestServer.run { server in
            let name = try QueueName("grüße an/alle")
            _ = try await server.broker.configure(name, QueueSettings(), expecting: .anything)
            let path = "/v1/queues/gr%C3%BC%C3%9Fe%20an%2Falle"
            #expect(try await server.get(path).json["name"].string == "grüße an/alle")
            #expect(try await server.post("\(path)/jobs", "{}").status == 202)
            #expect(try await server.post("\(path)/leases").json["leases"].count == 1)
            #expect(try await server.send("PUT", "/v1/queues/A.b_c:d@e-9%2e", body: "{}").status == 201)
        }
    }
}
