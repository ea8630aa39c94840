import GodwitTesting
import Testing
import Tracing

@testable import Godwit

@Suite("Trace context", .timeLimit(.minutes(1)))
struct TracingTests {
    /// What an instrument of the W3C trace context does, without its parsing.
    private struct TraceParent: Instrument {
        enum Key: ServiceContextKey { typealias Value = String }

        func inject<Carrier, Inject: Injector>(_ context: ServiceContext, into carrier: inout Carrier, using injector: Inject)
        where Inject.Carrier == Carrier {
            if let value = context[Key.self] { injector.inject(value, forKey: "Traceparent", into: &carrier) }
        }

        func extract<Carrier, Extract: Extractor>(_ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract)
        where Extract.Carrier == Carrier {
            if let value = extractor.extract(key: "traceparent", from: carrier) { context[Key.self] = value }
        }
    }

    /// Once per process, as a program would.
    private static let bootstrapped: Void = InstrumentationSystem.bootstrap(TraceParent())

    @Test("the publisher's trace goes on in the handler, and in the jobs that it enqueues")
    func propagates() async throws {
        Self.bootstrapped
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        let jobs = try await TestJobs()
        let seen = Guarded<[String]>([])
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self) { _, context in
            context.enqueue(Note(text: "x"))
            seen.withLock { $0.append("\(context.headers["traceparent"] ?? "") \(ServiceContext.current?[TraceParent.Key.self] ?? "")") }
            return ""
        }
        worker.handle(Note.self) { _, _ in
            seen.withLock { $0.append(ServiceContext.current?[TraceParent.Key.self] ?? "") }
        }
        var context = ServiceContext.topLevel
        context[TraceParent.Key.self] = parent
        _ = try await ServiceContext.withValue(context) { try await jobs.client.enqueue(Greet(who: "you"), headers: ["Other": "1"]) }
        try await jobs.runDue(worker)
        #expect(seen.withLock { $0 } == ["\(parent) \(parent)", parent])
        await jobs.close()
    }

    @Test("a trace makes no other job of a repeated request")
    func keysIgnoreTraces() async throws {
        Self.bootstrapped
        let jobs = try await TestJobs()
        var ids: Set<JobID> = []
        for trace in ["a", "b"] {
            var context = ServiceContext.topLevel
            context[TraceParent.Key.self] = trace
            ids.insert(try await ServiceContext.withValue(context) { try await jobs.client.enqueue(Greet(who: "you"), key: "k").id })
        }
        #expect(ids.count == 1)
        await jobs.close()
    }
}
