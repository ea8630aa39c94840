import GodwitCore
import GodwitJournal
import Synchronization

/// Kinds of blocking work beside the engine's loop.
enum WorkKind: String {
    case sync, files, checkpoint, mover
}

/// Whoever does blocking work for the engine's loop: one piece of each kind at a time, which says by itself that it has ended.
protocol Workers: AnyObject {
    /// The piece of this kind before must have ended.
    func run(_ kind: WorkKind, _ work: @escaping @Sendable () -> Void)
}

/// A thread for each kind of work that comes up.
final class WorkThreads: Workers {
    private var threads: [WorkKind: WorkThread] = [:]

    func run(_ kind: WorkKind, _ work: @escaping @Sendable () -> Void) {
        let thread = threads[kind] ?? WorkThread(name: "godwit-\(kind.rawValue)")
        threads[kind] = thread
        thread.run(work)
    }

    func stop() {
        for thread in threads.values { thread.stop() }
    }
}

/// Runs one blocking piece of the journal's work at a time on a thread of its own.
final class WorkThread: Sendable {
    private struct State {
        var work: (@Sendable () -> Void)?
        var isStopped = false
    }

    private let state = Mutex(State())
    private let signal = Signal()
    private let ended = Signal()

    /// Whether the system gave no thread: the work is done by whoever hands it over.
    private let isInline = Atomic(false)

    init(name: String) {
        do throws(SystemThread.StartFailure) {
            try SystemThread.start(name: name) { [self] in run() }
        } catch {
            isInline.store(true, ordering: .relaxed)
        }
    }

    /// Hands work over. The one before must have ended.
    func run(_ work: @escaping @Sendable () -> Void) {
        if isInline.load(ordering: .relaxed) { return work() }
        state.withLock { $0.work = work }
        signal.raise()
    }

    /// Ends the thread after what it is at, and waits for that.
    func stop() {
        if isInline.load(ordering: .relaxed) { return }
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
