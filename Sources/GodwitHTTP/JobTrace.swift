import GodwitCore
import HTTPTypes

/// The trace context that a request hands on to the jobs that it makes: headers for those that bring none of their own.
///
/// Where the program has a tracer it is the context of the request's span, else what came with the request goes on as it is.
struct JobTrace: Sendable {
    let headers: [Header]

    init(_ headers: [Header]) { self.headers = headers }

    /// What came with a request: one `traceparent` that is good, and the `tracestate` that belongs to it (W3C Trace Context).
    init(_ fields: HTTPFields) {
        let parents = fields[values: .traceparent]
        let states = fields[values: .tracestate]
        let state = states.isEmpty ? nil : states.joined(separator: ",")
        self.init(parents.count == 1 ? TraceContext(parent: parents[0], state: state)?.headers ?? [] : [])
    }

    func added(to own: [Header]) -> [Header] {
        func isTrace(_ name: String) -> Bool { name == TraceContext.parentName || headers.contains { $0.name == name } }
        if headers.isEmpty || own.contains(where: { isTrace($0.name) }) { return own }
        // A trace is no reason to refuse a job that is at a limit.
        func bytes(_ headers: [Header]) -> Int { headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count } }
        guard own.count + headers.count <= Limits.headers, bytes(own) + bytes(headers) <= Limits.headerBytes else { return own }
        return own + headers
    }

    func added(to transactions: [Transaction]) -> [Transaction] {
        headers.isEmpty ? transactions : transactions.map { Transaction(added(to: $0.operations)) }
    }

    func added(to operations: [GodwitCore.Operation]) -> [GodwitCore.Operation] {
        headers.isEmpty ? operations : operations.map(added)
    }

    func added(to message: NewMessage) -> NewMessage {
        if headers.isEmpty { return message }
        var message = message
        message.headers = added(to: message.headers)
        message.onFinal = message.onFinal.map { FollowUp(added(to: $0.operation), when: $0.when) }
        return message
    }

    /// What is enqueued, now or when something has ended, goes on with the trace.
    private func added(to operation: GodwitCore.Operation) -> GodwitCore.Operation {
        switch operation {
        case .enqueue(let message): return .enqueue(added(to: message))
        case .add(var addition):
            addition.then = added(to: addition.then)
            return .add(addition)
        default: return operation
        }
    }
}

extension HTTPField.Name {
    static let traceparent = HTTPField.Name("traceparent")!
    static let tracestate = HTTPField.Name("tracestate")!
}

extension Settlement {
    /// What it enqueues goes on with a trace.
    func traced(_ trace: JobTrace) -> Settlement {
        guard case .settle(let transaction) = self else { return self }
        return .settle(Transaction(trace.added(to: transaction.operations)))
    }
}
