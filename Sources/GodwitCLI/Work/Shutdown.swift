import Foundation
import Synchronization
import UnixSignals

/// The wish to end: the first SIGTERM or SIGINT asks for a graceful end, the second for one at once.
final class Shutdown: Sendable {
    private struct State {
        var isRequested = false
        var isUrgent = false
        var next = 0
        var onRequest: [Int: @Sendable () -> Void] = [:]
        var onUrgent: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())
    /// Whether new work is begun before the end.
    let intake = Intake()

    var isRequested: Bool { state.withLock { $0.isRequested } }

    /// Asks for a graceful end; once more, for one at once.
    func request() {
        let actions: [@Sendable () -> Void] = state.withLock { state in
            guard state.isRequested else {
                state.isRequested = true
                defer { state.onRequest = [:] }
                return Array(state.onRequest.values)
            }
            state.isUrgent = true
            defer { state.onUrgent = nil }
            return state.onUrgent.map { [$0] } ?? []
        }
        intake.end()
        actions.forEach { $0() }
    }

    /// What to do when somebody cannot wait.
    func whenUrgent(_ action: @escaping @Sendable () -> Void) {
        let isUrgent = state.withLock { state in
            if !state.isUrgent { state.onUrgent = action }
            return state.isUrgent
        }
        if isUrgent { action() }
    }

    /// Ends the process when somebody cannot wait: a reader of standard output that reads no more holds up a write for ever.
    func endsWhenUrgent(saying message: String) {
        whenUrgent {
            Output.endProgress()
            Output.report(CommandFailure.failed(message, code: "interrupted"), asJSON: false)
            _exit(CommandFailure.Exit.failed.rawValue)
        }
    }

    /// Runs an operation that is cancelled when a graceful end is asked for; nil then.
    func interrupting<Value: Sendable>(_ operation: @escaping @Sendable () async throws -> Value) async throws -> Value? {
        guard !isRequested else { return nil }
        let task = Task { try await operation() }
        let id = state.withLock { state -> Int? in
            guard !state.isRequested else { return nil }
            state.next += 1
            state.onRequest[state.next] = { task.cancel() }
            return state.next
        }
        if id == nil { task.cancel() }
        defer {
            if let id { state.withLock { $0.onRequest[id] = nil } }
        }
        do {
            return try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
        } catch is CancellationError where isRequested {
            return nil
        }
    }

    /// Turns the process's signals into requests while `body` runs.
    func onSignals<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let listener = Task { for await _ in signals { request() } }
        defer { listener.cancel() }
        return try await body()
    }
}
