import GodwitCore
package import Tracing

/// Carries the trace context (`traceparent` and whatever else the instrument bootstrapped by the program uses) in a job's headers.
package enum TraceHeaders {
    private struct Carrier: Injector, Extractor {
        func inject(_ value: String, forKey key: String, into headers: inout [String: String]) { headers[key.lowercased()] = value }
        func extract(key: String, from headers: [String: String]) -> String? { headers[key.lowercased()] }
    }

    /// Whether the program has bootstrapped any tracer or other instrument. Without one spans and contexts are work for nobody: more than
    /// all the rest that enqueuing and running a job cost in this process.
    package static var areUsed: Bool { !(InstrumentationSystem.instrument is NoOpInstrument) }

    /// Adds the current task's context.
    static func inject(into headers: inout [String: String]) {
        guard let context = ServiceContext.current else { return }
        inject(context, into: &headers)
    }

    package static func inject(_ context: ServiceContext, into headers: inout [String: String]) {
        InstrumentationSystem.instrument.inject(context, into: &headers, using: Carrier())
    }

    /// The context that the publisher was in; the one in which the worker was started is nobody's parent.
    package static func context(from headers: [String: String]) -> ServiceContext {
        var context = ServiceContext.topLevel
        InstrumentationSystem.instrument.extract(headers, into: &context, using: Carrier())
        return context
    }
}
