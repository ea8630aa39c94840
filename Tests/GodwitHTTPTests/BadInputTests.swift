import GodwitCore
import GodwitServer
import HTTPTestSupport
import Testing

@Suite("Bad input", .serialized)
struct BadInputTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var method: String
        var path: String
        var body: String?
        var type: String? = "application/json"
        var headers: [(String, String)] = []
        var status = 400
        var code = "invalid_argument"
        var field: String?
        var testDescription: String { "\(method) \(path) \(body ?? "")" }
    }

    static let cases: [Case] = [
        Case(method: "POST", path: "/v1/queues/a%20b/jobs", body: "{}", field: "queue"),
        Case(method: "POST", path: "/v1/queues/%C3%BC/jobs", body: "{}", field: "queue"),
        Case(method: "POST", path: "/v1/queues/a%2Fb/leases", field: "queue"),
        Case(method: "POST", path: "/v1/leases?queue=a%0Ab", field: "queue"),
        Case(method: "POST", path: "/v1/leases?queue=a%2Fb", field: "queue"),
        Case(method: "PUT", path: "/v1/queues/a!b", body: "{}", field: "queue"),
        Case(method: "PUT", path: "/v1/queues/\(String(repeating: "q", count: 201))", body: "{}", field: "queue"),
        Case(method: "GET", path: "/v1/queues/%ff", field: "queue"),
        Case(method: "GET", path: "/v1/queues/%0a", field: "queue"),
        Case(method: "GET", path: "/v1/queues/%zz", field: "queue"),

        Case(method: "POST", path: "/v1/queues/q/jobs?delay=5", body: "{}", field: "delay"),
        Case(method: "POST", path: "/v1/queues/q/jobs?delay=-5s", body: "{}", field: "delay"),
        Case(method: "POST", path: "/v1/queues/q/jobs?delay=1y", body: "{}", field: "delay"),
        Case(method: "POST", path: "/v1/queues/q/jobs?delay=99999d", body: "{}", field: "delay"),
        Case(method: "POST", path: "/v1/queues/q/jobs?expires=0s", body: "{}", field: "expires"),
        Case(method: "POST", path: "/v1/queues/q/jobs?timeout=x", body: "{}", field: "timeout"),
        Case(method: "POST", path: "/v1/queues/q/jobs?run-at=tomorrow", body: "{}", field: "run-at"),
        Case(method: "POST", path: "/v1/queues/q/jobs?run-at=2026-02-30T00:00:00Z", body: "{}", field: "run-at"),
        Case(method: "POST", path: "/v1/queues/q/jobs?run-at=2999-01-01T00:00:00Z&delay=5s", body: "{}", field: "run-at"),
        Case(method: "POST", path: "/v1/queues/q/jobs?priority=256", body: "{}", field: "priority"),
        Case(method: "POST", path: "/v1/queues/q/jobs?priority=-1", body: "{}", field: "priority"),
        Case(method: "POST", path: "/v1/queues/q/jobs?priority=high", body: "{}", field: "priority"),
        Case(method: "POST", path: "/v1/queues/q/jobs?max-attempts=0", body: "{}", field: "max-attempts"),
        Case(method: "POST", path: "/v1/queues/q/jobs?name=", body: "{}", field: "name"),
        Case(method: "POST", path: "/v1/queues/q/jobs?name=a&name=b", body: "{}", field: "name"),
        Case(method: "POST", path: "/v1/queues/q/jobs?dealy=5s", body: "{}", code: "unknown_option", field: "dealy"),
        Case(method: "POST", path: "/v1/queues/q/jobs?max_attempts=5", body: "{}", code: "unknown_option", field: "max_attempts"),
        Case(method: "POST", path: "/v1/queues/q/jobs", body: "{", code: "invalid_json", field: "body"),
        Case(method: "POST", path: "/v1/queues/q/jobs", body: "", code: "invalid_json", field: "body"),
        Case(method: "POST", path: "/v1/queues/q/jobs", body: "{}", headers: [("Idempotency-Key", "\"\"")], field: "Idempotency-Key"),
        Case(method: "POST", path: "/v1/queues/q/jobs", body: "{}", type: String(repeating: "t", count: 201), field: "Content-Type"),
        Case(
            method: "POST",
            path: "/v1/queues/q/jobs",
            body: "{}",
            headers: (0...Limits.headers).map { ("Godwit-Header-H\($0)", "v") },
            field: "headers"
        ),

        Case(
            method: "POST",
            path: "/v1/queues/q/jobs",
            body: "{}",
            headers: [("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
            field: "Idempotency-Key"
        ),
        Case(method: "POST", path: "/v1/queues/q/jobs", body: "{}", headers: [("Idempotency-Key", #""a"#)], field: "Idempotency-Key"),
        Case(method: "POST", path: "/v1/queues/q/jobs?name=a%0D%0Ab", body: "{}", field: "name"),
        Case(method: "POST", path: "/v1/queues/q/jobs?run-at=9999-12-31T23:59:59-23:59", body: "{}", field: "run-at"),

        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: #"[{"payload":1,"name":"a\u001b[31m"}]"#, field: "[0].name"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: #"[{"payload":1,"key":"a\nb"}]"#, field: "[0].key"),
        Case(
            method: "POST",
            path: "/v1/queues/q/jobs/batch",
            body: #"[{"payload":"a","content_type":"text/plain\r\nSet-Cookie: a=b"}]"#,
            field: "[0].content_type"
        ),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: #"[{"payload":1,"headers":{"a\r\nb":"c"}}]"#, field: "[0].headers"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: #"[{"payload":1,"headers":{"":"c"}}]"#, field: "[0].headers"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: #"[{"payload":1,"headers":{"a":"c\u0000d"}}]"#, field: "[0].headers.a"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: "{}", field: "body"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: "", field: "body"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: "[]", field: "body"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: "[{\"payload\":1},]", code: "invalid_json", field: "body"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: "[1]", field: "[0]"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: "[{\"payload\":1},{}]", field: "[1].payload"),
        Case(
            method: "POST",
            path: "/v1/queues/q/jobs/batch",
            body: #"[{"payload":1,"dealy":"5s"}]"#,
            code: "unknown_option",
            field: "[0].dealy"
        ),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: #"[{"payload":1,"delay":5}]"#, field: "[0].delay"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: #"[{"payload":1,"delay":"-5s"}]"#, field: "[0].delay"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: #"[{"payload":1,"payload":2}]"#, code: "invalid_json", field: "[0]"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: #"[{"payload_base64":"a"}]"#, field: "[0].payload_base64"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: #"[{"payload":1,"content_type":"text/plain"}]"#, field: "[0].payload"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: #"[{"payload":1,"headers":{"a":1}}]"#, field: "[0].headers.a"),
        Case(method: "POST", path: "/v1/queues/q/jobs/batch", body: "[1]", headers: [("Idempotency-Key", "k")], field: "Idempotency-Key"),
        Case(
            method: "POST",
            path: "/v1/queues/q/jobs/batch",
            body: "[" + Array(repeating: "{\"payload\":1}", count: 1_001).joined(separator: ",") + "]",
            field: "body"
        ),

        Case(method: "GET", path: "/v1/jobs/nothing", status: 404, code: "job_not_found", field: "job"),
        Case(method: "GET", path: "/v1/jobs/nothing/result", status: 404, code: "job_not_found", field: "job"),
        Case(method: "GET", path: "/v1/jobs/nothing/payload", status: 404, code: "job_not_found", field: "job"),
        Case(method: "POST", path: "/v1/jobs/nothing/cancel", status: 404, code: "job_not_found", field: "job"),
        Case(method: "POST", path: "/v1/jobs/nothing/retry", status: 404, code: "job_not_found", field: "job"),
        Case(method: "DELETE", path: "/v1/jobs/nothing", status: 404, code: "job_not_found", field: "job"),
        Case(method: "GET", path: "/v1/jobs/x?wait=5s", code: "unknown_option", field: "wait"),
        Case(method: "GET", path: "/v1/jobs?limit=0", field: "limit"),
        Case(method: "GET", path: "/v1/jobs?limit=1001", field: "limit"),
        Case(method: "GET", path: "/v1/jobs?state=done", field: "state"),
        Case(method: "GET", path: "/v1/jobs?cursor=nonsense", field: "cursor"),
        Case(method: "GET", path: "/v1/jobs?sort=up", code: "unknown_option", field: "sort"),

        Case(method: "POST", path: "/v1/leases", field: "queue"),
        Case(method: "POST", path: "/v1/queues/q/leases?max=0", field: "max"),
        Case(method: "POST", path: "/v1/queues/q/leases?max=1001", field: "max"),
        Case(method: "POST", path: "/v1/queues/q/leases?wait=soon", field: "wait"),
        Case(method: "POST", path: "/v1/queues/q/leases?lease=1ms", field: "lease"),
        Case(method: "POST", path: "/v1/queues/q/leases?lease=13h", field: "lease"),
        Case(method: "POST", path: "/v1/queues/q/leases?holder=", field: "holder"),
        Case(method: "POST", path: "/v1/queues/q/leases?holder=a%00b", field: "holder"),
        Case(method: "POST", path: "/v1/queues/q/leases?limit=5", code: "unknown_option", field: "limit"),
        Case(method: "POST", path: "/v1/leases/l/complete", body: "{", code: "invalid_json", field: "body"),
        Case(method: "POST", path: "/v1/leases/l/complete", body: "1", status: 409, code: "stale_lease", field: "lease"),
        Case(method: "POST", path: "/v1/leases/l/fail", field: "error"),
        Case(method: "POST", path: "/v1/leases/l/fail", body: "[]", field: "body"),
        Case(method: "POST", path: "/v1/leases/l/fail", body: "{}", field: "error"),
        Case(method: "POST", path: "/v1/leases/l/fail", body: #"{"error":"x","retry":"no"}"#, field: "retry"),
        Case(method: "POST", path: "/v1/leases/l/fail", body: #"{"error":"x","delay":"-1s"}"#, field: "delay"),
        Case(method: "POST", path: "/v1/leases/l/fail", body: #"{"error":"x","again":true}"#, code: "unknown_option", field: "again"),
        Case(method: "POST", path: "/v1/leases/l/progress", body: #"{"fraction":1.5}"#, field: "fraction"),
        Case(method: "POST", path: "/v1/leases/l/progress", body: #"{"fraction":"half"}"#, field: "fraction"),
        Case(method: "POST", path: "/v1/leases/l/extend?lease=1ms", field: "lease"),
        Case(method: "POST", path: "/v1/leases/batch", body: "{}", field: "body"),
        Case(method: "POST", path: "/v1/leases/batch", body: #"[{"lease":"a"}]"#, field: "[0]"),
        Case(
            method: "POST",
            path: "/v1/leases/batch",
            body: #"[{"lease":"a","complete":1,"enqueue":[{"queue":"a/b","payload":1}]}]"#,
            field: "[0].enqueue[0].queue"
        ),

        Case(method: "PUT", path: "/v1/queues/q", body: #"{"max_job": 5}"#, code: "unknown_setting", field: "max_job"),
        Case(method: "PUT", path: "/v1/queues/q", body: #"{"max_jobs": 0}"#, field: "max_jobs"),
        Case(method: "PUT", path: "/v1/queues/q", body: #"{"max_jobs": "7"}"#, field: "max_jobs"),
        Case(method: "PUT", path: "/v1/queues/q", body: #"{"lease": "-1s"}"#, field: "lease"),
        Case(method: "PUT", path: "/v1/queues/q", body: #"{"retention": "forever"}"#, field: "retention"),
        Case(method: "PUT", path: "/v1/queues/q", body: #"{"retention": {"days": 1}}"#, code: "unknown_setting", field: "retention.days"),
        Case(method: "PUT", path: "/v1/queues/q", body: #"{"retention": {"count": -1}}"#, field: "retention.count"),
        Case(method: "PUT", path: "/v1/queues/q", body: "[]", field: "body"),
        Case(method: "PUT", path: "/v1/queues/q", body: "{", code: "invalid_json", field: "body"),
        Case(method: "GET", path: "/v1/queues/nothing", status: 404, code: "queue_not_found", field: "queue"),
        Case(method: "POST", path: "/v1/queues/nothing/purge", status: 404, code: "queue_not_found", field: "queue"),
        Case(method: "POST", path: "/v1/queues/nothing/pause", status: 404, code: "queue_not_found", field: "queue"),
        Case(method: "DELETE", path: "/v1/queues/nothing?purge=maybe", field: "purge"),

        Case(method: "GET", path: "/nothing", status: 404, code: "not_found", field: "path"),
        Case(method: "GET", path: "/v2/jobs", status: 404, code: "not_found", field: "path"),
        Case(method: "GET", path: "/v1/jobs/a/b/c", status: 404, code: "not_found", field: "path"),
        Case(method: "GET", path: "/healthz?x=1", code: "unknown_option", field: "x"),
        Case(method: "PUT", path: "/v1/jobs", body: "{}", status: 405, code: "method_not_allowed", field: "method"),
        Case(method: "GET", path: "/v1/queues/q/leases", status: 405, code: "method_not_allowed", field: "method"),
        Case(method: "POST", path: "/metrics", status: 405, code: "method_not_allowed", field: "method"),
    ]

    @Test("bad input is a clear refusal: its status, its code and the field", arguments: cases)
    func refusals(_ bad: Case) async throws {
        try await TestServer.run { server in
            let typed = bad.body == nil ? [] : bad.type.map { [("Content-Type", $0)] } ?? []
            let reply = try await server.send(bad.method, bad.path, headers: typed + bad.headers, body: bad.body)
            #expect(reply.status == bad.status, "\(reply.text)")
            #expect(reply["content-type"] == "application/problem+json")
            let problem = try reply.json
            #expect(problem["code"].string == bad.code)
            #expect(problem["field"].string == bad.field)
            #expect(problem["status"].int == bad.status)
            #expect(problem["type"].string == "about:blank")
            #expect((problem["detail"].string ?? "").count > 10)
            #expect(try await server.broker.queues().isEmpty, "nothing came of it")
        }
    }
}
