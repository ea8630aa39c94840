import GodwitCore
import GodwitTesting
import InMemoryTracing
import Testing
import Tracing

@testable import Godwit

@Suite("Traces in one process", .timeLimit(.minutes(1)))
struct EmbeddedTests {
    private func parent(of span: InMemorySpanContext?) -> FinishedInMemorySpan? {
        W3CTracer.shared.spans(of: span?.traceID ?? "").first { $0.spanID == span?.parentSpanID }
    }

    @Test("the publisher's trace goes on in the handler, and in the jobs that it enqueues", arguments: [false, true])
    func propagates(inBatch: Bool) async throws {
        _ = W3CTracer.shared
        let jobs = try await TestJobs()
        let seen = Seen()
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self) { _, context in
            context.enqueue(Note(text: "x"))
            seen.note()
        }
        worker.handle(Note.self) { _, _ in seen.note() }
        let request = try await withSpan("request") { _ in
            if inBatch {
                try await jobs.client.enqueue(contentsOf: [Greet(who: "you")])
            } else {
                try await jobs.client.enqueue(Greet(who: "you"), headers: ["Other": "1"])
            }
            return Seen.current
        }
        try await jobs.runDue(worker)
        let spans = seen.spans
        #expect(spans.map { $0?.traceID } == [request?.traceID, request?.traceID])
        // The job's span is the child of the producer's, which is the request's child.
        let producer = try #require(parent(of: spans[0]))
        #expect(producer.operationName == "enqueue greet")
        #expect(producer.kind == .producer)
        #expect(producer.attributes.get("messaging.operation.name")?.text == "enqueue")
        #expect(producer.parentSpanID == request?.spanID)
        #expect(spans[1]?.parentSpanID == spans[0]?.spanID)
        await jobs.close()
    }

    @Test("a job without a trace is no child of the span that the worker was started in")
    func startsAnew() async throws {
        _ = W3CTracer.shared
        let jobs = try await TestJobs()
        let seen = Seen()
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Note.self) { _, _ in seen.note() }
        let message = NewMessage(queue: try QueueName("notes"), payload: Content(#"{"text":"x"}"#), name: "note")
        _ = try await jobs.client.broker.commit(Transaction(.enqueue(message)))
        let running = worker
        let start = try await withSpan("start") { _ in
            try await jobs.runDue(running)
            return Seen.current
        }
        let span = try #require(seen.spans.first ?? nil)
        #expect(span.parentSpanID == nil)
        #expect(span.traceID != start?.traceID)
        await jobs.close()
    }

    @Test("a trace makes no other job of a repeated request")
    func keysIgnoreTraces() async throws {
        _ = W3CTracer.shared
        let jobs = try await TestJobs()
        var ids: Set<JobID> = []
        for _ in 0..<2 {
            ids.insert(try await withSpan("request") { _ in try await jobs.client.enqueue(Greet(who: "you"), key: "k").id })
        }
        #expect(ids.count == 1)
        await jobs.close()
    }
}

extension SpanAttribute {
    /// As a trace would show it.
    var text: String? {
        switch self {
        case .string(let text): text
        case .int32(let number): "\(number)"
        case .int64(let number): "\(number)"
        default: nil
        }
    }
}
