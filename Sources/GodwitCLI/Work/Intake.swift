import Dispatch
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Whether a worker takes jobs. SIGTSTP makes it quiet, SIGCONT has it take jobs again.
final class Intake: Sendable {
    private struct State {
        var isQuiet = false
        /// Nobody waits any more: the worker ends.
        var hasEnded = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    var isQuiet: Bool { state.withLock { $0.isQuiet && !$0.hasEnded } }

    /// - Returns: false when it was so before.
    @discardableResult
    func quiet() -> Bool {
        state.withLock { state in
            defer { state.isQuiet = true }
            return !state.isQuiet
        }
    }

    /// - Returns: false when it was so before.
    @discardableResult
    func resume() -> Bool {
        let (wasQuiet, waiting) = state.withLock { state in
            defer {
                state.isQuiet = false
                state.waiting = []
            }
            return (state.isQuiet, state.waiting)
        }
        for continuation in waiting { continuation.resume() }
        return wasQuiet
    }

    /// Lets go of whoever waits, now and later: there is nothing to wait for when the end was asked for.
    func end() {
        state.withLock { $0.hasEnded = true }
        resume()
    }

    /// Waits while the worker is quiet.
    func opened() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                guard state.isQuiet, !state.hasEnded else { return true }
                state.waiting.append(continuation)
                return false
            }
            if isOpen { continuation.resume() }
        }
    }

    /// Listens to the signals while `body` runs. UnixSignals knows neither of them.
    func onSignals<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        // A source alone does not keep Darwin from stopping the process; on Linux it does.
        #if canImport(Darwin)
        signal(SIGTSTP, SIG_IGN)
        #endif
        let queue = DispatchQueue(label: "godwit.signals")
        let stop = DispatchSource.makeSignalSource(signal: SIGTSTP, queue: queue)
        let go = DispatchSource.makeSignalSource(signal: SIGCONT, queue: queue)
        stop.setEventHandler { [self] in
            guard quiet() else { return }
            Output.message("godwit: quiet: no more jobs are taken, what runs goes on; SIGCONT takes jobs again, SIGTERM ends the worker")
        }
        go.setEventHandler { [self] in
            if resume() { Output.message("godwit: taking jobs again") }
        }
        stop.activate()
        go.activate()
        defer {
            stop.cancel()
            go.cancel()
        }
        return try await body()
    }
}
