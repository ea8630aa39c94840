import Dispatch
import GodwitCore
import Synchronization

/// Runs tasks on one thread of its own, so that they go on while every thread of the cooperative pool is blocked.
///
/// It has its own ``sleep(until:)``: `Task.sleep` wakes up on the cooperative pool. The thread lives until ``stop()``.
final class ThreadExecutor: TaskExecutor {
    private struct Sleeper {
        let deadline: ContinuousClock.Instant
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var jobs: [UnownedJob] = []
        var sleepers: [Sleeper] = []
        /// A ``wake()`` that nobody slept through yet.
        var isWoken = false
        var isStopping = false
    }

    private let state = Mutex(State())
    private let signal = DispatchSemaphore(value: 0)

    /// - Throws: `unavailable` when the system gives no thread.
    init(named name: String) throws(BrokerError) {
        do throws(SystemThread.StartFailure) {
            try SystemThread.start(name: name) { [self] in work() }
        } catch {
            throw BrokerError(.unavailable, "the worker cannot run: \(error)", cause: error)
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLock { $0.jobs.append(job) }
        signal.signal()
    }

    /// Returns at the deadline, or as soon as somebody calls ``wake()``; at once when somebody did since the last sleep.
    func sleep(until deadline: ContinuousClock.Instant) async {
        await withCheckedContinuation { continuation in
            let isAwake = state.withLock { state in
                if state.isWoken {
                    state.isWoken = false
                    return true
                }
                state.sleepers.append(Sleeper(deadline: deadline, continuation: continuation))
                return false
            }
            if isAwake { continuation.resume() } else { signal.signal() }
        }
    }

    /// Ends the sleeps under way, or else the next one.
    func wake() {
        let sleepers = state.withLock { state in
            defer { state.sleepers = [] }
            state.isWoken = state.sleepers.isEmpty
            return state.sleepers
        }
        for sleeper in sleepers { sleeper.continuation.resume() }
    }

    /// Returns after a while.
    /// - Throws: `CancellationError` as soon as the task is cancelled.
    func sleep(for duration: Duration) async throws {
        let deadline = ContinuousClock.now + duration
        await withTaskCancellationHandler {
            while !Task.isCancelled, .now < deadline { await sleep(until: deadline) }
        } onCancel: {
            wake()
        }
        try Task.checkCancellation()
    }

    /// Ends the thread as soon as it has nothing to do; call it when no task on this executor is left.
    func stop() {
        state.withLock { $0.isStopping = true }
        signal.signal()
    }

    private func work() {
        while true {
            let now = ContinuousClock.now
            let (jobs, rested, next, isOver) = state.withLock { state in
                let jobs = state.jobs
                state.jobs = []
                let rested = state.sleepers.filter { $0.deadline <= now }
                if !rested.isEmpty { state.sleepers.removeAll { $0.deadline <= now } }
                let isIdle = jobs.isEmpty && rested.isEmpty
                return (jobs, rested, state.sleepers.map(\.deadline).min(), isIdle && state.isStopping)
            }
            if isOver { return }
            for job in jobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
            for sleeper in rested { sleeper.continuation.resume() }
            guard jobs.isEmpty, rested.isEmpty else { continue }
            guard let next else {
                signal.wait()
                continue
            }
            let nanoseconds = max(0, min((next - now) / .nanoseconds(1), 3.6e12))
            _ = signal.wait(timeout: .now() + .nanoseconds(Int(nanoseconds) + 1))
        }
    }
}

/// The machine's time, whose sleeps end on a thread of its own, whatever blocks the cooperative pool.
struct ThreadClock: JobClock {
    let thread: ThreadExecutor

    var now: Timestamp { SystemJobClock().now }
    var uptime: Duration { SystemJobClock().uptime }
    func sleep(for duration: Duration) async throws { try await thread.sleep(for: duration) }
}
