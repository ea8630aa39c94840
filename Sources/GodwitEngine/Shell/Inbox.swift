import GodwitJournal
import Synchronization

/// What reaches the engine's thread from others: swapped as a whole, so that many messages cost one wake-up.
final class Inbox: Sendable {
    /// A command with whoever waits for its answer.
    struct Message: Sendable {
        /// Chosen by a caller who may have to name its call again; 0 where the engine's thread gives out the ticket.
        var ticket: Ticket = 0
        var command: Command
        var reply: Reply?
    }

    /// What came in since the last look.
    struct Batch: Sendable {
        var messages: [Message] = []
        /// A sync that ended, and how.
        var sync: (JournalSync, JournalError?)?
        /// Work on the journal's files that ended, and how.
        var maintenance: JournalMaintenance.Result?
        /// A checkpoint that is written, and how that ended.
        var checkpoint: (CheckpointWork, JournalError?)?
        var scan: MoveScan.Result?
        var isClosing = false

        var isEmpty: Bool {
            messages.isEmpty && sync == nil && maintenance == nil && checkpoint == nil && scan == nil && !isClosing
        }
    }

    private struct State {
        var batch = Batch()
        var isClosed = false
    }

    private let state = Mutex(State())
    private let signal = Signal()

    /// Puts a message in; false when the engine was closed.
    func post(_ message: Message) -> Bool {
        let wasEmpty: Bool? = state.withLock { state in
            guard !state.isClosed else { return nil }
            defer { state.batch.messages.append(message) }
            return state.batch.isEmpty
        }
        if wasEmpty == true { signal.raise() }
        return wasEmpty != nil
    }

    func post(sync: JournalSync, failure: JournalError?) {
        state.withLock { $0.batch.sync = (sync, failure) }
        signal.raise()
    }

    func post(_ maintenance: JournalMaintenance.Result) {
        state.withLock { $0.batch.maintenance = maintenance }
        signal.raise()
    }

    func post(checkpoint: CheckpointWork, failure: JournalError?) {
        state.withLock { $0.batch.checkpoint = (checkpoint, failure) }
        signal.raise()
    }

    func post(_ scan: MoveScan.Result) {
        state.withLock { $0.batch.scan = scan }
        signal.raise()
    }

    /// Nothing is taken in any more; what is there will still be answered.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.batch.isClosing = true
        }
        signal.raise()
    }

    /// What is there now.
    func take() -> Batch {
        state.withLock { state in
            let batch = state.batch
            state.batch = Batch()
            return batch
        }
    }

    var isEmpty: Bool { state.withLock { $0.batch.isEmpty } }
    var isClosed: Bool { state.withLock(\.isClosed) }

    /// Blocks until something is there, or for so many milliseconds; nil waits for ever.
    func wait(milliseconds: Int64?) {
        guard isEmpty else { return }
        signal.wait(milliseconds: milliseconds)
    }
}
