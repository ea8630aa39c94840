import Godwit
import GodwitCore
import GodwitEngine
import Synchronization

/// The engine's manual clock, as clients and schedules see it.
final class TestClock: JobClock {
    private struct Sleeper {
        let id: Int
        let deadline: Duration
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var sleepers: [Sleeper] = []
        /// Those cancelled before they slept.
        var cancelled: Set<Int> = []
        var lastID = 0
    }

    let manual: ManualClock
    private let state = Mutex(State())

    init(_ manual: ManualClock) { self.manual = manual }

    var now: Timestamp { Timestamp(milliseconds: manual.now().wall) }
    var uptime: Duration { .milliseconds(manual.now().boot) }

    func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        guard duration > .zero else { return }
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        // Cancelled when it had woken up: there is nobody to be told.
        defer { state.withLock { _ = $0.cancelled.remove(id) } }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    state.sleepers.append(Sleeper(id: id, deadline: uptime + duration, continuation: continuation))
                    return false
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let sleeper: Sleeper? = state.withLock { state in
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Moves the time in steps of at most a minute: nobody holds a lease between two of a test's actions, so no finer turns are needed.
    func advance(by duration: Duration) async {
        let end = uptime + duration
        while true {
            let step = min(end - uptime, .seconds(60))
            // The last second of a step is one that engines follow.
            let followed = min(step, .seconds(1))
            manual.leap(by: step - followed)
            await manual.advance(by: followed)
            wakeSleepers()
            guard uptime < end else { return }
        }
    }

    private func wakeSleepers() {
        let now = uptime
        let rested = state.withLock { state in
            defer { state.sleepers.removeAll { $0.deadline <= now } }
            return state.sleepers.filter { $0.deadline <= now }
        }
        for sleeper in rested { sleeper.continuation.resume() }
    }
}
