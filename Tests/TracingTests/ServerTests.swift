import Godwit
import GodwitCore
import GodwitServer
import HTTPTestSupport
import InMemoryTracing
import Testing
import Tracing

/// From a publisher through a server to a worker: one trace, and each span the child of the right one.
@Suite("Traces through a server", .timeLimit(.minutes(2)))
struct ServerTests {
    private static let caller = "b7ad6b7169203331"

    /// A trace that nobody else has, as a caller would write it down.
    private func traceparent(_ trace: Int) -> (id: String, text: String) {
        let id = "0af7651916cd43dd8448eb21" + String(0x1000_0000 + trace, radix: 16)
        return (id, "00-\(id)-\(Self.caller)-01")
    }

    private func span(_ name: String, of trace: String) -> FinishedInMemorySpan? {
        W3CTracer.shared.spans(of: trace).first { $0.operationName == name }
    }

    private func serve(_ body: @Sendable @escaping (TestServer, JobClient) async throws -> Void) async throws {
        _ = W3CTracer.shared
        try await TestServer.run { server in
            let client = try await JobClient.open(server.address.url, logger: TestServer.logger)
            do { try await body(server, client) } catch {
                await client.close()
                throw error
            }
            await client.close()
        }
    }

    /// Runs jobs of one kind until one has run, and answers the span that it ran in.
    private func run<J: Job>(_ type: J.Type, _ client: JobClient, _ server: TestServer) async throws -> InMemorySpanContext?
    where J.Output == Void {
        let seen = Seen()
        var worker = Worker(client, concurrency: 1)
        worker.handle(J.self) { _, _ in seen.note() }
        let running = worker
        let work = Task { try await running.run() }
        try await server.eventually { !seen.spans.isEmpty }
        work.cancel()
        try await work.value
        return seen.spans[0]
    }

    @Test("a request's traceparent reaches the worker, by way of the server's span", arguments: [false, true])
    func request(isCommit: Bool) async throws {
        let (trace, traceparent) = traceparent(isCommit ? 1 : 2)
        try await serve { server, client in
            let reply =
                isCommit
                ? try await server.post(
                    "/v1/commit",
                    #"{"transactions": [{"operations": [{"enqueue": {"queue": "notes", "name": "note", "payload": {"text": "x"}}}]}]}"#,
                    headers: [("traceparent", traceparent)]
                ) : try await server.post("/v1/queues/notes/jobs?name=note", #"{"text": "x"}"#, headers: [("traceparent", traceparent)])
            #expect(reply.status == (isCommit ? 200 : 202), "\(reply.text)")
            let ran = try await run(Note.self, client, server)
            let served = try #require(span(isCommit ? "POST /v1/commit" : "POST /v1/queues/{queue}/jobs", of: trace))
            #expect(served.kind == .server && served.parentSpanID == Self.caller)
            #expect(ran?.traceID == trace && ran?.parentSpanID == served.spanID)
            #expect(served.attributes.get("http.request.method")?.text == "POST")
            #expect(served.attributes.get("http.response.status_code")?.text == (isCommit ? "200" : "202"))
            #expect(served.attributes.get("messaging.system")?.text == "godwit")
            #expect(served.attributes.get("messaging.operation.type")?.text == "send")
            #expect(served.status == nil)
            if isCommit {
                #expect(served.attributes.get("messaging.operation.name")?.text == "commit")
                #expect(served.attributes.get("messaging.batch.message_count")?.text == "1")
            } else {
                #expect(served.attributes.get("messaging.operation.name")?.text == "publish")
                #expect(served.attributes.get("messaging.destination.name")?.text == "notes")
                #expect(served.attributes.get("messaging.message.id")?.text == (try reply.json["id"].string))
                #expect(served.attributes.get("url.path")?.text == "/v1/queues/notes/jobs")
                #expect(served.attributes.get("http.route")?.text == "/v1/queues/{queue}/jobs")
            }
            let processed = try #require(span("run note", of: trace))
            #expect(processed.kind == .consumer && processed.spanID == ran?.spanID)
        }
    }

    @Test("a Swift client's span is the parent of the server's and of the worker's")
    func swiftClient() async throws {
        try await serve { server, client in
            let request = try await withSpan("request") { _ in
                try await client.enqueue(Greet(who: "you"))
                return Seen.current
            }
            let trace = try #require(request?.traceID)
            let ran = try await run(Greet.self, client, server)
            let producer = try #require(span("enqueue greet", of: trace))
            let served = try #require(span("POST /v1/commit", of: trace))
            #expect(producer.parentSpanID == request?.spanID)
            #expect(served.parentSpanID == producer.spanID && served.links.isEmpty)
            #expect(ran?.traceID == trace && ran?.parentSpanID == producer.spanID)
        }
    }

    @Test("jobs of several traces in one request keep theirs, and the request links to them; so does the lease that gives them out")
    func links() async throws {
        let traces = (3...4).map(traceparent), (request, parent) = traceparent(5)
        try await serve { server, client in
            let jobs = traces.map {
                #"{"operations": [{"enqueue": {"queue": "q", "payload": 1, "headers": {"traceparent": "\#($0.text)"}}}]}"#
            }
            let body = #"{"transactions": ["# + jobs.joined(separator: ",") + "]}"
            #expect(try await server.post("/v1/commit", body, headers: [("traceparent", parent)]).status == 200)
            let leases = try await server.post("/v1/queues/q/leases?max=2", headers: [("traceparent", parent)]).json["leases"]
            #expect(leases.elements.map { $0["headers"]["traceparent"].string } == traces.map(\.text))
            let lease = leases[0]["lease"].string ?? ""
            #expect(try await server.post("/v1/leases/\(lease)/complete", headers: [("traceparent", parent)]).status == 200)
            let settled = try #require(span("POST /v1/leases/{lease}/complete", of: request))
            #expect(settled.attributes.get("messaging.operation.type")?.text == "settle")
            #expect(settled.attributes.get("url.path")?.text == "/v1/leases/{lease}/complete")
            for name in ["POST /v1/commit", "POST /v1/queues/{queue}/leases"] {
                let served = try #require(span(name, of: request))
                #expect(served.links.map { $0.context.inMemorySpanContext?.traceID } == traces.map(\.id))
                #expect(served.parentSpanID == Self.caller)
            }
        }
    }

    @Test("a traceparent that is none begins a new trace")
    func invalid() async throws {
        try await serve { server, client in
            let sent = [("traceparent", "00-\(String(repeating: "0", count: 32))-\(Self.caller)-01")]
            #expect(try await server.post("/v1/queues/notes/jobs?name=note", #"{"text": "x"}"#, headers: sent).status == 202)
            let ran = try #require(try await run(Note.self, client, server))
            let served = try #require(span("POST /v1/queues/{queue}/jobs", of: ran.traceID))
            #expect(served.parentSpanID == nil && ran.parentSpanID == served.spanID)
        }
    }

    @Test("what the server could not do is an error of its span, what the client did wrong is not")
    func errors() async throws {
        let (trace, traceparent) = traceparent(6)
        try await serve { server, _ in
            let sent = [("traceparent", traceparent)]
            let wrongSent = sent + [("Host", "[::1]:8080")]
            #expect(try await server.get("/v1/jobs/nothing", headers: wrongSent).status == 404)
            await server.broker.close()
            #expect(try await server.post("/v1/queues/q/jobs", "1", headers: sent).status == 503)
            let wrong = try #require(span("GET /v1/jobs/{job}", of: trace))
            #expect(wrong.status == nil && wrong.attributes.get("http.response.status_code")?.text == "404")
            #expect(wrong.attributes.get("messaging.system") == nil)
            #expect(wrong.attributes.get("server.address")?.text == "::1" && wrong.attributes.get("server.port")?.text == "8080")
            let failed = try #require(span("POST /v1/queues/{queue}/jobs", of: trace))
            #expect(failed.status?.code == .error && failed.attributes.get("error.type")?.text == "503")
        }
    }
}
