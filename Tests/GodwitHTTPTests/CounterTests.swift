import GodwitCore
import HTTPTestSupport
import Testing

@testable import GodwitHTTP

@Suite("Counters and what follows")
struct CounterTests {
    @Test("steps are counted once each, and with the last one the jobs that follow are there")
    func count() async throws {
        try await TestServer.run { server in
            let then = #"[{"enqueue": {"queue": "reports", "payload": {"of": 42}, "name": "report"}}]"#
            let first = try await server.post("/v1/counters/import%2042", #"{"step": "a", "at": 2, "then": \#(then)}"#)
            #expect(first.status == 200)
            #expect(try first.json.names == ["key", "count", "at", "complete", "counted", "completed", "enqueued"])
            #expect(
                first.text == #"{"key":"import 42","count":1,"at":2,"complete":false,"counted":true,"completed":false,"enqueued":[]}"#
            )
            let again = try await server.post("/v1/counters/import%2042", #"{"step": "a", "at": 2}"#).json
            #expect(again["counted"].bool == false && again["count"].int == 1)
            let shown = try await server.get("/v1/counters/import%2042")
            #expect(shown.text == #"{"key":"import 42","count":1,"at":2,"complete":false}"#)
            async let full = server.get("/v1/counters/import%2042", headers: [("Prefer", "wait=30")])
            let last = try await server.post("/v1/counters/import%2042", #"{"step": "b", "at": 9, "n": 1}"#).json
            #expect(last["completed"].bool == true && last["at"].int == 2)
            #expect(try await full.json["complete"].bool == true)
            let id = try #require(last["enqueued"][0].string)
            #expect(try await server.get("/v1/jobs/\(id)/payload").text == #"{"of": 42}"#)
            #expect(try await server.get("/v1/jobs/\(id)").json["name"].string == "report")
            #expect(try await server.send("DELETE", "/v1/counters/import%2042").status == 204)
            for method in ["GET", "DELETE"] {
                let gone = try await server.send(method, "/v1/counters/import%2042")
                #expect(try gone.status == 404 && gone.json["code"].string == "counter_not_found")
                #expect(try gone.json["field"].string == "counter")
            }
        }
    }

    @Test("a step that is repeated in a session is answered as the first time")
    func session() async throws {
        try await TestServer.run { server in
            let body = #"{"step": "a", "at": 1, "then": [{"enqueue": {"queue": "q", "payload": 1}}]}"#
            let first = try await server.post("/v1/counters/c", body, headers: [("Godwit-Session", #""s"; n=1"#)])
            let again = try await server.post("/v1/counters/c", body, headers: [("Godwit-Session", #""s"; n=1; repeat"#)])
            #expect(first.status == 200 && again.body == first.body)
        }
    }

    @Test("what follows a job's end is published with it, one by one or in batches, and done after the ends that it names")
    func onFinal() async throws {
        try await TestServer.run { server in
            let batch = (1...3).map { number in
                """
                {"payload": \(number), "on_final": [
                    {"add": {"key": "all", "step": "\(number)", "at": 4, "then": [{"enqueue": {"queue": "after", "payload": "all"}}]}},
                    {"enqueue": {"queue": "after", "payload": "failed \(number)"}, "when": ["failed", "expired"]}
                ]}
                """
            }
            #expect(try await server.post("/v1/queues/q/jobs/batch", "[\(batch.joined(separator: ","))]").status == 202)
            let one = #"[{"add":{"key":"all","step":"4","at":4}},{"enqueue":{"queue":"after","payload":"cancelled"},"when":"cancelled"}]"#
            let id = try #require(
                try await server.post("/v1/queues/q/jobs?on-final=\(PercentCoding.encode(one))", "4").json["id"].string
            )
            #expect(try await server.get("/v1/jobs/\(id)/payload").text == "4")
            let leases = try await server.post("/v1/queues/q/leases?max=3", "").json["leases"].elements.compactMap { $0["lease"].string }
            let settles = [#""complete": null"#, #""fail": {"error": "no", "retry": false}"#, #""complete": 1"#]
            let items = zip(leases, settles).map { #"{"lease": "\#($0)", \#($1)}"# }
            #expect(try await server.post("/v1/leases/batch", "[\(items.joined(separator: ","))]").status == 200)
            #expect(try await server.post("/v1/jobs/\(id)/cancel", "").status == 200)
            let payloads = try await server.get("/v1/queues/after/browse").json["jobs"].elements.map { $0["payload"].string }
            // What a counter that is full brings about comes behind what the same end does.
            #expect(payloads == ["failed 2", "cancelled", "all"])
            #expect(try await server.get("/v1/counters/all").json["complete"].bool == true)
        }
    }

    @Test("what a completion enqueues can have what follows it, too")
    func nested() async throws {
        try await TestServer.run { server in
            #expect(try await server.post("/v1/queues/q/jobs", "1").status == 202)
            let lease = try #require(try await server.post("/v1/queues/q/leases", "").json["leases"][0]["lease"].string)
            let next = #"{"queue": "next", "payload": 2, "on_final": [{"enqueue": {"queue": "last", "payload": 3}}]}"#
            let done = try await server.post("/v1/leases/batch", #"[{"lease": "\#(lease)", "complete": null, "enqueue": [\#(next)]}]"#)
            let id = try #require(try done.json["results"][0]["enqueued"][0].string)
            #expect(try await server.post("/v1/jobs/\(id)/cancel", "").status == 200)
            #expect(try await server.get("/v1/queues/last/browse").json["jobs"][0]["payload"].int == 3)
        }
    }

    @Test(
        "what makes no sense is refused with its place",
        arguments: [
            (#"{"at": 1}"#, "step"), (#"{"step": "a"}"#, "at"), (#"{"step": "a", "at": 0}"#, "at"),
            (#"{"step": "a", "at": 1, "n": -1}"#, "n"), (#"{"step": "a", "at": 1, "x": 1}"#, "x"),
            (#"{"step": "", "at": 1}"#, "step"), (#"{"step": "a", "at": 1, "lifetime": "0s"}"#, "lifetime"),
            (#"{"step": "a", "at": 1, "then": {}}"#, "then"), (#"{"step": "a", "at": 1, "then": [{}]}"#, "then[0]"),
            (#"{"step": "a", "at": 1, "then": [{"cancel": "x", "add": {}}]}"#, "then[0]"),
            (#"{"step": "a", "at": 1, "then": [{"cancel": "x", "when": "failed"}]}"#, "then[0].when"),
            (#"{"step": "a", "at": 1, "then": [{"cancel": 7}]}"#, "then[0].cancel"),
            (#"{"step": "a", "at": 1, "then": [{"cancel": "x"}, {"enqueue": {"payload": 1}}]}"#, "then[1].enqueue.queue"),
            (#"{"step": "a", "at": 1, "then": [{"enqueue": {"queue": "a b", "payload": 1}}]}"#, "then[0].enqueue.queue"),
            (#"{"step": "a", "at": 1, "then": [{"add": {"step": "b", "at": 1}}]}"#, "then[0].add.key"),
            (
                #"{"step": "a", "at": 1, "then": [{"enqueue": {"queue": "q", "payload": 1, "on_final": [{"when": "queued"}]}}]}"#,
                "then[0].enqueue.on_final[0]"
            ),
            (
                #"{"step": "a", "at": 1, "then": [{"enqueue": {"queue": "q", "on_final": [{"cancel": "x", "when": "now"}]}}]}"#,
                "then[0].enqueue.payload"
            ),
        ]
    )
    func refused(body: String, field: String) async throws {
        try await TestServer.run { server in
            let reply = try await server.post("/v1/counters/c", body)
            #expect(reply.status == 400)
            #expect(try reply.json["field"].string == field)
            #expect(try await server.get("/v1/counters/c").status == 404)
        }
    }

    @Test("publishing names what is wrong with what follows, in a query, in a batch, and where the store itself refuses it")
    func publishing() async throws {
        try await TestServer.run { server in
            for (text, field) in [
                ("[", "on-final"), ("{}", "on-final"), (#"[{"when":"failed"}]"#, "on-final[0]"),
                (#"[{"cancel":"x","when":[]}]"#, "on-final[0].when"), (#"[{"cancel":"x","when":"queued"}]"#, "on-final[0].when"),
            ] {
                let reply = try await server.post("/v1/queues/q/jobs?on-final=\(PercentCoding.encode(text))", "1")
                #expect(reply.status == 400, "\(text)")
                #expect(try reply.json["field"].string == field)
            }
            let deep = (0..<9).reduce(#"{"cancel": "x"}"#) { inner, _ in
                #"{"enqueue": {"queue": "q", "payload": 1, "on_final": [\#(inner)]}}"#
            }
            let refused = try await server.post("/v1/queues/q/jobs/batch", #"[{"payload": 1}, {"payload": 1, "on_final": [\#(deep)]}]"#)
            #expect(refused.status == 400)
            #expect(try refused.json["field"].string == "[1].\(String(repeating: "on_final[0].enqueue.", count: 8))on_final")
            // What stands deeper than it may is not looked at.
            let nonsense = (0..<20).reduce(#"{"enqueue": 7}"#) { inner, _ in
                #"{"add": {"key": "c", "step": "s", "at": 1, "then": [\#(inner)]}}"#
            }
            let deeper = try await server.post("/v1/counters/c", #"{"step": "s", "at": 1, "then": [\#(nonsense)]}"#)
            #expect(try deeper.status == 400 && deeper.json["field"].string == "\(String(repeating: "then[0].add.", count: 8))then")
            let late = #"{"queue": "q", "payload": 1, "transient": true, "key": "k"}"#
            for (followUps, field) in [
                (#"[{"enqueue": \#(late)}]"#, "on_final[0].enqueue.key"),
                (
                    #"[{"cancel": "x"}, {"add": {"key": "c", "step": "s", "at": 1, "then": [{"enqueue": \#(late)}]}}]"#,
                    "on_final[1].add.then[0].enqueue.key"
                ),
            ] {
                let batch = try await server.post("/v1/queues/q/jobs/batch", #"[{"payload": 1, "on_final": \#(followUps)}]"#)
                #expect(try batch.status == 400 && batch.json["field"].string == "[0].\(field)")
                let one = try await server.post("/v1/queues/q/jobs?on-final=\(PercentCoding.encode(followUps))", "1")
                #expect(try one.status == 400 && one.json["field"].string == field.replacing("on_final", with: "on-final"))
            }
            let step = try await server.post("/v1/counters/c", #"{"step": "s", "at": 1, "then": [{"enqueue": \#(late)}]}"#)
            #expect(try step.status == 400 && step.json["field"].string == "then[0].enqueue.key")
            let key = [("Idempotency-Key", "k")]
            #expect(try await server.post("/v1/queues/q/jobs?on-final=[]", "1", headers: key).status == 202)
            let other = PercentCoding.encode(#"[{"cancel":"x"}]"#)
            let conflict = try await server.post("/v1/queues/q/jobs?on-final=\(other)", "1", headers: key)
            #expect(try conflict.status == 422 && conflict.json["field"].string == "Idempotency-Key")
        }
    }

    @Test("what follows is exported as a batch takes it")
    func export() async throws {
        try await TestServer.run { server in
            let followUps =
                #"[{"enqueue":{"queue":"n","payload":1,"delay":"5s","on_final":[{"cancel":"x"}]},"when":["succeeded","failed"]},"#
                + #"{"add":{"key":"c","step":"s","at":2,"n":0,"lifetime":"1h","then":[{"cancel":"y"}]}}]"#
            _ = try await server.post("/v1/queues/q/jobs?on-final=\(PercentCoding.encode(followUps))", "1")
            let lines = try await server.get("/v1/export").text.split(separator: "\n").map {
                JSONTree(try JSONValue(parsing: Bytes(String($0))))
            }
            let job = try #require(lines.first { $0["type"].string == "job" })["job"]
            #expect(job["on_final"].raw == followUps)
            #expect(try await server.post("/v1/queues/r/jobs/batch", "[\(job.raw ?? "")]").status == 202)
        }
    }
}
