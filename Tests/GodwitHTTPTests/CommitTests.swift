import GodwitCore
import GodwitHTTP
import GodwitServer
import HTTPTestSupport
import Testing

@Suite("Commits in JSON")
struct CommitTests {
    @Test("a transaction settles and makes jobs in one, each transaction has its outcome")
    func transactions() async throws {
        try await TestServer.run { server in
            _ = try await server.publish("a")
            let lease = try #require(try await server.lease("a")["lease"].string)
            let body = """
                {"transactions": [
                  {"operations": [{"complete": {"lease": "\(lease)", "result": {"n":  1.50}}}, {"enqueue": {"queue": "b", "payload": [1]}}]},
                  {"operations": [{"enqueue": {"queue": "b", "payload": 2}}, {"complete": {"lease": "\(lease)"}}]},
                  {"operations": [{"enqueue": {"queue": "c", "payload": 3, "delay": "1h"}}]}]}
                """
            let reply = try await server.post("/v1/commit", body)
            #expect(reply.status == 200)
            #expect(reply["content-type"] == "application/json")
            let outcomes = try reply.json["outcomes"]
            #expect(outcomes.count == 3)
            #expect(outcomes[0]["status"].int == 200)
            #expect(outcomes[0]["results"][0]["state"].string == "succeeded")
            #expect(outcomes[0]["results"][1]["state"].string == "queued")
            #expect(outcomes[1]["status"].int == 409)
            #expect(outcomes[1]["operation"].int == 1)
            #expect(outcomes[1]["error"]["code"].string == "stale_lease")
            #expect(outcomes[1]["error"]["field"].string == "transactions[1].operations[1].complete.lease")
            #expect(outcomes[2]["results"][0]["state"].string == "scheduled")
            #expect(outcomes[2]["results"][0]["run_at"].string != nil)
            #expect(try await server.broker.queue(QueueName("b"))?.counts.queued == 1, "an aborted transaction does nothing")
            let job = try #require(outcomes[0]["results"][1]["id"].string)
            #expect(try await server.get("/v1/jobs/\(job)/payload").text == "[1]")
        }
    }

    @Test("every operation that the interface has a word for")
    func operations() async throws {
        try await TestServer.run { server in
            func commit(_ operation: String) async throws -> JSONTree {
                let reply = try await server.post("/v1/commit", "{\"transactions\": [{\"operations\": [\(operation)]}]}")
                guard reply.status == 200 else { throw TestFailure(reply.text) }
                return try reply.json["outcomes"][0]
            }
            func lease(_ payload: String = "1") async throws -> (lease: String, job: String) {
                let id = try await server.publish("q", payload)
                let lease = try await server.lease("q")
                return (try #require(lease["lease"].string), id)
            }
            let texts = try await lease()
            #expect(
                try await commit(#"{"complete": {"lease": "\#(texts.lease)", "result_text": "done"}}"#)["results"][0]["state"].string
                    == "succeeded"
            )
            let result = try await server.get("/v1/jobs/\(texts.job)/result")
            #expect(result.text == "done")
            #expect(result["content-type"] == Content.text)
            let bytes = try await lease()
            _ = try await commit(#"{"complete": {"lease": "\#(bytes.lease)", "result_base64": "/w==", "content_type": "image/x"}}"#)
            #expect(try await server.get("/v1/jobs/\(bytes.job)/result").body == [0xff])
            #expect(try await server.get("/v1/jobs/\(bytes.job)/result")["content-type"] == "image/x")
            let none = try await lease()
            _ = try await commit(#"{"complete": {"lease": "\#(none.lease)", "result": null}}"#)
            #expect(try await server.get("/v1/jobs/\(none.job)/result").status == 204)

            let failed = try await lease()
            let failure = #"{"lease": "\#(failed.lease)", "error": {"message": "no", "code": "x"}, "retry": false}"#
            let outcome = try await commit(#"{"fail": \#(failure)}"#)
            #expect(outcome["results"][0]["state"].string == "failed")
            #expect(try await commit(#"{"retry": "\#(failed.job)"}"#)["results"][0]["state"].string == "queued")
            #expect(try await commit(#"{"cancel": "\#(failed.job)"}"#)["results"][0]["state"].string == "cancelled")
            #expect(try await commit(#"{"forget": "\#(failed.job)"}"#)["results"][0]["forgotten"].bool == true)

            let letter = try await lease()
            _ = try await commit(#"{"dead_letter": {"lease": "\#(letter.lease)", "error": "bad", "to": "dead"}}"#)
            let dead = try #require(try await server.get("/v1/jobs?queue=dead").json["jobs"][0]["id"].string)
            let redriven = try await commit(#"{"redrive": "\#(dead)"}"#)["results"][0]
            #expect(redriven["state"].string == "queued")

            let back = try await server.lease("q")
            let token = try #require(back["lease"].string)
            let released = try await commit(#"{"release": {"lease": "\#(token)", "to": "back", "headers": {"seen": "1"}}}"#)
            #expect(released["results"][0]["state"].string == "queued")
            #expect(try await server.lease("q")["headers"]["seen"].string == "1")

            let then = #"[{"enqueue": {"queue": "z", "payload": 1}}]"#
            let added = try await commit(#"{"add": {"key": "c", "step": "1", "at": 1, "then": \#(then)}}"#)
            #expect(added["results"][0]["completed"].bool == true)
            #expect(added["results"][0]["enqueued"].count == 1)
            #expect(try await commit(#"{"delete": {"key": "c"}}"#)["results"][0]["deleted"].bool == true)
            #expect(try await server.get("/v1/counters/c").status == 404)

            let keyed = #"{"enqueue": {"queue": "k", "payload": 1, "key": "once"}}"#
            let first = try await commit(keyed)["results"][0], second = try await commit(keyed)["results"][0]
            #expect(first["id"].string == second["id"].string)
            #expect(second["replayed"].bool == true)
            let other = try await commit(#"{"enqueue": {"queue": "k", "payload": 2, "key": "once"}}"#)
            #expect(other["status"].int == 422)
            #expect(other["error"]["field"].string == "transactions[0].operations[0].enqueue.key")
        }
    }

    @Test(
        "what makes no sense is refused by its place, and nothing is done",
        arguments: [
            (#"[]"#, "body"), (#"{}"#, "transactions"), (#"{"transactions": 1}"#, "transactions"),
            (#"{"transactions": []}"#, "transactions"),
            (#"{"transactions": [{"operations": []}], "x": 1}"#, "x"), (#"{"transactions": [1]}"#, "transactions[0]"),
            (#"{"transactions": [{}]}"#, "transactions[0].operations"),
            (#"{"transactions": [{"operations": []}]}"#, "transactions[0].operations"),
            (#"{"transactions": [{"operations": [{}]}]}"#, "transactions[0].operations[0]"),
            (#"{"transactions": [{"operations": [{"put": {}}]}]}"#, "transactions[0].operations[0]"),
            (#"{"transactions": [{"operations": [{"cancel": "a", "retry": "b"}]}]}"#, "transactions[0].operations[0]"),
            (#"{"transactions": [{"operations": [{"cancel": ""}]}]}"#, "transactions[0].operations[0].cancel"),
            (#"{"transactions": [{"operations": [{"complete": {}}]}]}"#, "transactions[0].operations[0].complete.lease"),
            (
                #"{"transactions": [{"operations": [{"complete": {"lease": "x", "result_text": "a", "result": 1}}]}]}"#,
                "transactions[0].operations[0].complete.result_text"
            ),
            (
                #"{"transactions": [{"operations": [{"complete": {"lease": "x", "content_type": "text/plain"}}]}]}"#,
                "transactions[0].operations[0].complete.content_type"
            ),
            (
                #"{"transactions": [{"operations": [{"complete": {"lease": "x", "result": 1, "retry": true}}]}]}"#,
                "transactions[0].operations[0].complete.retry"
            ),
            (#"{"transactions": [{"operations": [{"fail": {"lease": "x"}}]}]}"#, "transactions[0].operations[0].fail.error"),
            (
                #"{"transactions": [{"operations": [{"release": {"lease": "x", "to": "up"}}]}]}"#,
                "transactions[0].operations[0].release.to"
            ),
            (
                #"{"transactions": [{"operations": [{"enqueue": {"queue": "q", "payload": 1}}, {"enqueue": {"queue": "q", "payload": 1, "delay": "-1s"}}]}]}"#,
                "transactions[0].operations[1].enqueue.delay"
            ),
            (
                #"{"transactions": [{"operations": [{"enqueue": {"queue": "é", "payload": 1}}]}]}"#,
                "transactions[0].operations[0].enqueue.queue"
            ),
            (#"{"transactions": [{"operations": [{"enqueue": {"payload": 1}}]}]}"#, "transactions[0].operations[0].enqueue.queue"),
            (
                #"{"transactions": [{"operations": [{"dead_letter": {"lease": "x", "error": "y", "to": "é"}}]}]}"#,
                "transactions[0].operations[0].dead_letter.to"
            ),
            (#"{"transactions": [{"operations": [{"add": {"key": "k", "at": 1}}]}]}"#, "transactions[0].operations[0].add.step"),
            (#"{"transactions": [{"operations": [{"delete": {}}]}]}"#, "transactions[0].operations[0].delete.key"),
        ]
    )
    func badInput(body: String, field: String) async throws {
        try await TestServer.run { server in
            let reply = try await server.post("/v1/commit", body)
            #expect(reply.status == 400, "\(reply.text)")
            #expect(try reply.json["field"].string == field, "\(reply.text)")
            #expect(try await server.broker.queues().isEmpty)
        }
    }

    @Test("no more than 1,000 transactions, and 1,000 operations in each; what is as many is taken")
    func counts() async throws {
        try await TestServer.run { server in
            func transactions(_ count: Int, of operations: Int) -> String {
                let operation = #"{"enqueue": {"queue": "q", "payload": 1}}"#
                let transaction = "{\"operations\": [\(Array(repeating: operation, count: operations).joined(separator: ","))]}"
                return "{\"transactions\": [\(Array(repeating: transaction, count: count).joined(separator: ","))]}"
            }
            let many = try await server.post("/v1/commit", transactions(1_001, of: 1))
            #expect(many.status == 400)
            #expect(try many.json["field"].string == "transactions")
            let long = try await server.post("/v1/commit", transactions(1, of: 1_001))
            #expect(long.status == 400)
            #expect(try long.json["field"].string == "transactions[0].operations")
            #expect(try await server.broker.queues().isEmpty)
            #expect(try await server.post("/v1/commit", transactions(1_000, of: 1)).json["outcomes"].count == 1_000)
            #expect(try await server.post("/v1/commit", transactions(1, of: 1_000)).json["outcomes"][0]["results"].count == 1_000)
            #expect(try await server.broker.queue(QueueName("q"))?.counts.queued == 2_000)
        }
    }

    @Test("a session numbers the transactions: the same request again does nothing twice")
    func session() async throws {
        try await TestServer.run { server in
            let transactions = (1...2).map { #"{"operations": [{"enqueue": {"queue": "q", "payload": \#($0)}}]}"# }
            let body = #"{"transactions": [\#(transactions.joined(separator: ","))]}"#
            let first = try await server.post("/v1/commit", body, headers: [("Godwit-Session", "\"s\"; n=1")])
            let again = try await server.post("/v1/commit", body, headers: [("Godwit-Session", "\"s\"; n=1; repeat")])
            for index in 0..<2 {
                let one = try first.json["outcomes"][index]["results"][0]["id"].string
                let other = try again.json["outcomes"][index]["results"][0]["id"].string
                #expect(one != nil && one == other)
            }
            #expect(try await server.broker.queue(QueueName("q"))?.counts.queued == 2)
            let lost = try await server.post("/v1/commit", body, headers: [("Godwit-Session", "\"other\"; n=7; repeat")])
            #expect(try lost.json["outcomes"][0]["status"].int == 503)
            #expect(try lost.json["outcomes"][0]["error"]["code"].string == "outcome_unknown")
            let keyed = try await server.post("/v1/commit", body, headers: [("Idempotency-Key", "k")])
            #expect(keyed.status == 400)
            #expect(try keyed.json["field"].string == "Idempotency-Key")
        }
    }

    @Test("a number that had another transaction is a conflict of its own, and the others have their outcomes")
    func numbersInUse() async throws {
        try await TestServer.run { server in
            func commit(_ operations: String..., n: Int) async throws -> JSONTree {
                let transactions = operations.map { "{\"operations\": [\($0)]}" }.joined(separator: ",")
                let headers = [("Godwit-Session", "s; n=\(n); repeat")]
                let reply = try await server.post("/v1/commit", "{\"transactions\": [\(transactions)]}", headers: headers)
                #expect(reply.status == 200)
                return try reply.json["outcomes"]
            }
            let job = #"{"enqueue": {"queue": "q", "payload": 1}}"#
            _ = try await server.post("/v1/queues/q/jobs", "1", headers: [("Godwit-Session", "s; n=1")])
            let id = try await server.publish("q")
            // The first number is known; the one behind it is not, and nothing is said of it but that.
            let outcomes = try await commit(#"{"cancel": "\#(id)"}"#, job, n: 1)
            #expect(outcomes[0]["status"].int == 422)
            #expect(outcomes[0]["error"]["code"].string == "key_conflict")
            #expect(outcomes[0]["error"]["field"].string == "Godwit-Session")
            #expect(try await server.get("/v1/jobs/\(id)").json["state"].string == "queued")
            let same = try await commit(job, n: 1)
            #expect(same[0]["results"][0]["id"].string != nil)
            let tokens = [try await server.lease()["lease"].string ?? "", try await server.lease()["lease"].string ?? ""]
            let batch = #"[{"lease": "\#(tokens[0])", "complete": 1}, {"lease": "\#(tokens[1])", "extend": true}]"#
            let settled = try await server.post("/v1/leases/batch", batch, headers: [("Godwit-Session", "s; n=1; repeat")])
            #expect(settled.status == 200)
            #expect(try settled.json["results"][0]["status"].int == 422)
            #expect(try settled.json["results"][0]["error"]["code"].string == "key_conflict")
            #expect(try settled.json["results"][0]["error"]["field"].string == "Godwit-Session")
            #expect(try settled.json["results"][1]["status"].int == 200, "it was renewed")
        }
    }

    @Test("a result or a payload over the limit of one is refused in a commit, too")
    func limits() async throws {
        var options = TestServer.small
        options.limits.jobBytes = 1_000
        try await TestServer.run(options) { server in
            let text = "\"" + String(repeating: "x", count: 1_001) + "\""
            for (operation, field) in [
                ("{\"enqueue\": {\"queue\": \"q\", \"payload\": \(text)}}", "enqueue.payload"),
                ("{\"complete\": {\"lease\": \"x\", \"result\": \(text)}}", "complete.result"),
                ("{\"complete\": {\"lease\": \"x\", \"result_text\": \(text)}}", "complete.result_text"),
            ] {
                let refused = try await server.post("/v1/commit", "{\"transactions\": [{\"operations\": [\(operation)]}]}")
                #expect(refused.status == 413)
                #expect(try refused.json["field"].string == "transactions[0].operations[0].\(field)")
            }
            let operation = "{\"enqueue\": {\"queue\": \"q\", \"payload\": 1}}"
            let body = "{\"transactions\": [{\"operations\": [\(Array(repeating: operation, count: 500).joined(separator: ","))]}]}"
            #expect(try await server.post("/v1/commit", body).status == 413, "the body has a limit of its own")
        }
    }
}

extension TestServer {
    /// Options of a server that takes little.
    static var small: ServerOptions {
        var options = ServerOptions()
        options.limits.batchBytes = 16_000
        return options
    }
}
