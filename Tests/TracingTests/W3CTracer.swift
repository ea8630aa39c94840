import GodwitCore
import InMemoryTracing
import Instrumentation
import Synchronization
import Tracing

/// A tracer in memory that speaks W3C Trace Context, as those do that programs use.
struct W3CTracer: Tracer {
    /// Bootstrapped once in this process, as a program would.
    static let shared: W3CTracer = {
        let tracer = W3CTracer()
        InstrumentationSystem.bootstrap(tracer)
        return tracer
    }()

    private let spans: InMemoryTracer

    private init() {
        let random = Mutex(SystemRandomNumberGenerator())
        @Sendable func hexadecimal(_ digits: Int) -> String {
            random.withLock { random in
                (0..<digits).map { _ in String(UInt8.random(in: 1...15, using: &random), radix: 16) }.joined()
            }
        }
        spans = InMemoryTracer(idGenerator: .init(nextTraceID: { hexadecimal(32) }, nextSpanID: { hexadecimal(16) }))
    }

    /// All spans of a trace that have ended.
    func spans(of trace: String) -> [FinishedInMemorySpan] { spans.finishedSpans.filter { $0.traceID == trace } }

    func startSpan<Instant: TracerInstant>(
        _ operationName: String,
        context: @autoclosure () -> ServiceContext,
        ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant,
        function: String,
        file fileID: String,
        line: UInt
    ) -> InMemorySpan {
        spans.startSpan(
            operationName,
            context: context(),
            ofKind: kind,
            at: instant(),
            function: function,
            file: fileID,
            line: line
        )
    }

    func forceFlush() {}

    func inject<Carrier, Inject: Injector>(_ context: ServiceContext, into carrier: inout Carrier, using injector: Inject)
    where Inject.Carrier == Carrier {
        guard let span = context.inMemorySpanContext else { return }
        injector.inject("00-\(span.traceID)-\(span.spanID)-01", forKey: "traceparent", into: &carrier)
    }

    func extract<Carrier, Extract: Extractor>(_ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract)
    where Extract.Carrier == Carrier {
        guard let parent = extractor.extract(key: "traceparent", from: carrier), TraceContext(parent: parent) != nil else { return }
        let parts = parent.split(separator: "-")
        context.inMemorySpanContext = InMemorySpanContext(traceID: String(parts[1]), spanID: String(parts[2]), parentSpanID: nil)
    }
}
