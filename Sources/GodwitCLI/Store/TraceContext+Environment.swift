import GodwitCore
import GodwitHTTP
import HTTPTypes

/// A trace goes from program to program in the environment, too: `TRACEPARENT` and `TRACESTATE`, as OpenTelemetry says.
extension TraceContext {
    static let parentVariable = "TRACEPARENT", stateVariable = "TRACESTATE"

    /// The one that this program was started in.
    init?(environment: [String: String]) {
        guard let parent = environment[Self.parentVariable] else { return nil }
        self.init(parent: parent, state: environment[Self.stateVariable])
    }

    var environment: [String: String] {
        var environment = [Self.parentVariable: parent]
        environment[Self.stateVariable] = state
        return environment
    }
}

extension StoreRequest {
    /// What the request makes goes on with a trace.
    mutating func join(_ trace: TraceContext?) {
        for header in trace?.headers ?? [] {
            if let name = HTTPField.Name(header.name) { headers[name] = header.value }
        }
    }
}
