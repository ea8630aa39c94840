import Foundation
import GodwitJournal
import Synchronization

/// Runs one blocking piece of the journal's work at a time on a thread of its own.
final class WorkThread: Sendable {
    private struct State {
        var work: (@Sendable () -> Void)?
        var isStopped = false
    }

    private let state = Mutex(State())
    private let signal = Signal()
    private let ended = Signal()

    init(name: String) {
        let thread = Thread { [self] in run() }
        thread.name = name
        thread.start()
    }

    /// Hands work over. The one before must have ended.
    func run(_ work: @escaping @Sendable () -> Void) {
        state.withLock { $0.work = work }
        signal.raise()
    }

    /// Ends the thread after what it is at, and waits for that.
    func stop() {
        state.withLock { $0.isStopped = true }
        signal.raise()
        ended.wait(milliseconds: nil)
    }

    private func run() {
        while true {
            let (work, isStopped) = state.withLock { state in
                defer { state.work = nil }
                return (state.work, state.isStopped)
            }
            if let work {
                work()
            } else if isStopped {
                return ended.raise()
            } else {
                signal.wait(milliseconds: nil)
            }
        }
    }
}
