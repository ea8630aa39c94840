import Dispatch
import Synchronization

/// Wakes one thread. A signal that is raised before the wait is not lost; many that are raised before it wake it once.
final class Signal: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    private let isRaised = Atomic(false)

    func raise() {
        if !isRaised.exchange(true, ordering: .acquiringAndReleasing) { semaphore.signal() }
    }

    /// Blocks until it is raised, or for so many milliseconds of the time that no clock setting moves; nil waits for ever.
    func wait(milliseconds: Int64?) {
        if let milliseconds {
            let timeout = DispatchTime.now() + .milliseconds(Int(clamping: min(milliseconds, 1_000_000_000)))
            // One that comes just now wakes the next wait.
            guard semaphore.wait(timeout: timeout) == .success else { return }
        } else {
            semaphore.wait()
        }
        isRaised.store(false, ordering: .releasing)
    }
}

/// An end that any number of tasks can wait for.
final class Ended: Sendable {
    private struct State {
        var isSet = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    func set() {
        let waiting = state.withLock { state in
            state.isSet = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isSet = state.withLock { state in
                if !state.isSet { state.waiting.append(continuation) }
                return state.isSet
            }
            if isSet { continuation.resume() }
        }
    }
}
