import GodwitCore
import HTTPTestSupport
import Testing

@testable import GodwitHTTP

/// Without a tracer in the process: what came goes on as it is.
@Suite("The trace of a job")
struct JobTraceTests {
    private static let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    private static let other = "00-11111111111111111111111111111111-2222222222222222-00"
    private static let sent = [("Traceparent", parent), ("Tracestate", "a=b"), ("Tracestate", "c=d")]

    @Test("is the one that came with the request that made it", arguments: [true, false])
    func single(isBatch: Bool) async throws {
        try await TestServer.run { server in
            let (path, body) = isBatch ? ("/batch", #"[{"payload": 1}]"#) : ("", "1")
            #expect(try await server.post("/v1/queues/q/jobs" + path, body, headers: Self.sent).status == 202)
            let headers = try await server.lease()["headers"]
            #expect(headers["traceparent"].string == Self.parent)
            #expect(headers["tracestate"].string == "a=b,c=d")
        }
    }

    @Test("is its own where it brings one")
    func own() async throws {
        try await TestServer.run { server in
            let body =
                #"{"transactions": [{"operations": [{"enqueue": {"queue": "q", "payload": 1, "headers": {"traceparent": "OWN"}}}]},"#
                + #" {"operations": [{"enqueue": {"queue": "r", "payload": 1, "headers": {"x": "y"},"#
                + #" "on_final": [{"enqueue": {"queue": "s", "payload": 1}}]}}]}]}"#
            let reply = try await server.post("/v1/commit", body.replacing("OWN", with: Self.other), headers: Self.sent)
            #expect(reply.status == 200, "\(reply.text)")
            let own = try await server.lease("q")["headers"]
            #expect(own.names == ["traceparent"] && own["traceparent"].string == Self.other)
            let lease = try await server.lease("r")
            #expect(lease["headers"]["traceparent"].string == Self.parent && lease["headers"]["x"].string == "y")
            // What follows its end goes on with it, too.
            #expect(try await server.post("/v1/leases/\(lease["lease"].string ?? "")/complete").status == 200)
            #expect(try await server.lease("s")["headers"]["traceparent"].string == Self.parent)
        }
    }

    @Test("goes on with the jobs that are made with a completion, or when a counter is full")
    func followUps() async throws {
        try await TestServer.run { server in
            _ = try await server.publish()
            let token = try await server.lease()["lease"].string ?? ""
            let settle = #"[{"lease": "TOKEN", "complete": {}, "enqueue": [{"queue": "next", "payload": 1}]}]"#
            let settled = try await server.post("/v1/leases/batch", settle.replacing("TOKEN", with: token), headers: Self.sent)
            #expect(settled.status == 200, "\(settled.text)")
            #expect(try await server.lease("next")["headers"]["traceparent"].string == Self.parent)
            let step = #"{"step": "a", "at": 1, "then": [{"enqueue": {"queue": "joined", "payload": 1}}]}"#
            #expect(try await server.post("/v1/counters/c", step, headers: Self.sent).status == 200)
            #expect(try await server.lease("joined")["headers"]["traceparent"].string == Self.parent)
        }
    }

    @Test(
        "is none where what came is none",
        arguments: [
            [("Traceparent", "00-1")], [("Traceparent", parent.uppercased())], [("Tracestate", "a=b")],
            [("Traceparent", parent), ("Traceparent", parent)],
        ]
    )
    func invalid(_ sent: [(String, String)]) async throws {
        try await TestServer.run { server in
            let published = try await server.post("/v1/queues/q/jobs", "1", headers: sent)
            #expect(published.status == 202)
            #expect(try await server.lease()["headers"].names.isEmpty)
        }
    }

    @Test("is no reason to refuse a job that has as many headers as it may have")
    func limits() {
        let trace = JobTrace([Header(name: "traceparent", value: Self.parent), Header(name: "tracestate", value: "a=b")])
        let many = (0..<Limits.headers - 1).map { Header(name: "h\($0)", value: "") }
        #expect(trace.added(to: many) == many)
        #expect(trace.added(to: Array(many.dropLast())).count == Limits.headers)
        let long = [Header(name: "h", value: String(repeating: "x", count: Limits.headerBytes - 1))]
        #expect(trace.added(to: long) == long)
    }
}
