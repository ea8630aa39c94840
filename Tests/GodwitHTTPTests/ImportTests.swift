import GodwitCore
import HTTPTestSupport
import Testing

@testable import GodwitHTTP

@Suite("Imports")
struct ImportTests {
    private func job(_ past: String, state: String = "queued") -> String {
        #"{"type": "job", "queue": "q", "id": "x", "state": "\#(state)", "job": {"payload": 1}, "past": \#(past)}"#
    }

    @Test(
        "what is wrong with what a job has behind it is named by its place in the line, whoever refuses it",
        arguments: [
            (#"{"created_at": "1960-01-01T00:00:00Z"}"#, "past.created_at"),
            (#"{"created_at": "2026-01-01T00:00:00Z", "attempt": 5000}"#, "past.attempt"),
            (#"{"created_at": "2026-01-01T00:00:00Z", "deliveries": 9000000000000}"#, "past.deliveries"),
            (#"{"created_at": "2026-01-01T00:00:00Z", "attempt": -1}"#, "past.attempt"),
            (#"{"created_at": "2026-01-01T00:00:00Z", "started_at": "1960-01-01T00:00:00Z"}"#, "past.started_at"),
            (#"{"created_at": "2026-01-01T00:00:00Z", "errors": [{"message": "no", "at": "1960-01-01T00:00:00Z"}]}"#, "past.errors"),
            (
                #"{"created_at": "2026-01-01T00:00:00Z", "deaths": [{"queue": "p", "reason": "rejected", "job": "j", "#
                    + #""first_at": "1960-01-01T00:00:00Z", "last_at": "2026-01-01T00:00:00Z"}]}"#,
                "past.deaths"
            ),
        ]
    )
    func past(past: String, field: String) async throws {
        try await TestServer.run { server in
            let refused = try await server.post("/v1/import", "\n" + job(past), type: "application/jsonl")
            #expect(refused.status == 400)
            #expect(try refused.json["field"].string == "[1].\(field)")
        }
    }

    @Test("what is wrong with an imported job's end is named by its place in the line")
    func end() async throws {
        try await TestServer.run { server in
            let past = #"{"created_at": "2026-01-01T00:00:00Z", "finished_at": "1960-01-01T00:00:00Z"}"#
            let refused = try await server.post("/v1/import", job(past, state: "succeeded"), type: "application/jsonl")
            #expect(try refused.status == 400 && refused.json["field"].string == "[0].past.finished_at")
        }
    }

    /// What an export of a store made before engines knew the rule can hold.
    private static let oldLine =
        #"{"type": "job", "queue": "q", "id": "x", "state": "queued", "job": {"payload": 1, "name": "a\nb", "key": "user\t42", "#
        + #""group": "g\u0001", "claim": "c\r", "headers": {"note": "a\nb", "my header": "x"}, "on_final": "#
        + #"[{"add": {"key": "files\n1", "step": "file\n1", "at": 1, "then": [{"cancel": "x"}]}}, "#
        + #"{"enqueue": {"queue": "n", "payload": 1, "key": "n\n"}}]}, "past": {"created_at": "2026-01-01T00:00:00Z"}}"#

    @Test("what an older store let through comes over as it is")
    func oldTexts() async throws {
        try await TestServer.run { server in
            let taken = try await server.post("/v1/import", Self.oldLine, type: "application/jsonl")
            #expect(try taken.status == 200 && taken.json["jobs"].int == 1, "\(taken.text)")
            let export = try await server.get("/v1/export").text
            let job = try #require(export.split(separator: "\n").first { $0.contains(#""type":"job""#) })
            for part in [
                #""name":"a\nb""#, #""key":"user\t42""#, #""group":"g\u0001""#, #""claim":"c\r""#, #""note":"a\nb""#, #""my header":"x""#,
                #""key":"files\n1""#, #""step":"file\n1""#, #""key":"n\n""#,
            ] { #expect(job.contains(part), "\(part)") }
            // What has such a name can be shown and deleted.
            let id = try #require(try await server.get("/v1/jobs?queue=q").json["jobs"][0]["id"].string)
            #expect(try await server.post("/v1/jobs/\(id)/cancel").status == 200)
            #expect(try await server.get("/v1/counters/files%0A1").json["count"].int == 1)
            #expect(try await server.send("DELETE", "/v1/counters/files%0A1").status == 204)
            let refused = try await server.post("/v1/counters/files%0A1", #"{"step": "s", "at": 1}"#)
            #expect(try refused.status == 400 && refused.json["field"].string == "counter")
        }
    }

    @Test("a payload that is no JSON for every reader comes over with its type")
    func deepPayload() async throws {
        let deep = String(repeating: "[", count: 120) + String(repeating: "]", count: 120)
        try await TestServer.run { server in
            for type in [Content.json, "application/vnd.x+json"] {
                let message = NewMessage(queue: try QueueName("q"), payload: Content(Bytes(deep), type: type))
                _ = try await server.broker.commit(.enqueue(message))
            }
            let export = try await server.get("/v1/export").text
            try await TestServer.run { other in
                let taken = try await other.post("/v1/import", export, type: "application/jsonl")
                #expect(try taken.status == 200 && taken.json["jobs"].int == 2, "\(taken.text)")
                let jobs = try await other.get("/v1/queues/q/browse").json["jobs"].elements
                #expect(jobs.map { $0["content_type"].string } == [Content.json, "application/vnd.x+json"])
                for job in jobs {
                    let id = JobID(job["job"]["id"].string ?? "")
                    #expect(try await other.broker.payload(of: id).bytes.text == deep)
                }
            }
        }
    }

    @Test("an import has at least a line")
    func empty() async throws {
        try await TestServer.run { server in
            let refused = try await server.post("/v1/import?id=x", "", type: "application/jsonl")
            #expect(try refused.status == 400 && refused.json["field"].string == "body")
        }
    }

    @Test("a queue that was paused is paused in the same moment in which it is made")
    func paused() async throws {
        try await TestServer.run { server in
            let line = #"{"type": "queue", "name": "q", "paused": true, "settings": {"max_jobs": 7}}"#
            #expect(try await server.post("/v1/import", line, type: "application/jsonl").json["queues"].int == 1)
            #expect(try await server.get("/v1/queues/q").json["paused"].bool == true)
            // One that is there stays as it is.
            _ = try await server.post("/v1/queues/q/resume")
            #expect(try await server.post("/v1/import", line, type: "application/jsonl").json["queues_there_already"].int == 1)
            #expect(try await server.get("/v1/queues/q").json["paused"].bool == false)
        }
    }

    @Test("lines that a caller has passed over are told to whoever repeats the import")
    func passedOver() async throws {
        try await TestServer.run { server in
            let job = #"{"type": "job", "queue": "q", "state": "queued", "job": {"payload": 1}}"#
            func take(_ query: String, _ lines: String) async throws -> JSONTree {
                let reply = try await server.post("/v1/import?id=x&\(query)", lines, type: "application/jsonl")
                #expect(reply.status == 200, "\(reply.text)")
                return try reply.json
            }
            #expect(try await take("line=1&passed-over=1", "\(job)\n\n\(job)")["lines_passed_over"].int == 1)
            #expect(try await take("line=4&passed-over=2", "\n\(job)\n\n")["lines_passed_over"].int == 3)
            let again = try await take("line=1", "\(job)\nnonsense\n\(job)")
            #expect(again["lines_passed_over"].int == 3 && again["lines_there_already"].int == 3 && again["line"].int == 6)
            let refused = try await server.post("/v1/import?id=x&passed-over=2", job, type: "application/jsonl")
            #expect(try refused.status == 400 && refused.json["field"].string == "passed-over")
        }
    }

    @Test(
        "an import's mark that somebody else wrote, whatever it says, ends nothing",
        arguments: ["0 9223372036854775807", "-9223372036854775808", "x"]
    )
    func strangeMark(_ mark: String) async throws {
        try await TestServer.run { server in
            let key = RecordKey("godwit.import/x")
            _ = try await server.broker.commit(.put(key, value: Bytes(Array(mark.utf8)), expecting: .absent, lifetime: nil))
            let job = #"{"type": "job", "queue": "q", "state": "queued", "job": {"payload": 1}}"#
            let reply = try await server.post("/v1/import?id=x&passed-over=1", "\(job)\n\n", type: "application/jsonl")
            #expect(reply.status == 200, "\(reply.text)")
        }
    }

    @Test("a body's lines are read where they are")
    func lines() {
        let body = Bytes("one\ntwo\n\nfour")
        let lines = ImportController.lines(of: body)
        #expect(lines.map(\.text) == ["one", "two", "", "four"])
        body.withUnsafeBytes { whole in
            for line in lines where !line.isEmpty {
                line.withUnsafeBytes { part in
                    #expect(part.baseAddress.map { whole.baseAddress! <= $0 && $0 < whole.baseAddress! + whole.count } == true)
                }
            }
        }
        #expect(ImportController.lines(of: Bytes("a\n")).map(\.text) == ["a"])
        #expect(ImportController.lines(of: Bytes()).isEmpty)
    }
}
