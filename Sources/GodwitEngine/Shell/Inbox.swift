import GodwitJournal
import Synchronization

/// What reaches the engine's thread from others: swapped as a whole, so that many messages cost one wake-up.
final class Inbox: Sendable {
    /// What came in since the last look.
    struct Batch: Sendable {
        /// Tickets are chosen by callers who may have to name their calls again; 0 where the engine's thread gives them out.
        var commands: [(ticket: Ticket, command: Command)] = []
        /// Who waits for the command at the same place.
        var replies: [Reply?] = []
        /// A sync that ended, and how.
        var sync: (JournalSync, JournalError?)?
        /// Work on the journal's files that ended, and how.
        var maintenance: JournalMaintenance.Result?
        /// A checkpoint that is written, and how that ended.
        var checkpoint: (CheckpointWork, JournalError?)?
        var scan: MoveScan.Result?
        var isClosing = false

        var isEmpty: Bool {
            commands.isEmpty && sync == nil && maintenance == nil && checkpoint == nil && scan == nil && !isClosing
        }

        /// Makes it empty, its room kept, unless that is more than is often needed.
        mutating func clear() {
            let commands = commands.capacity <= Self.mostKept ? commands : []
            let replies = replies.capacity <= Self.mostKept ? replies : []
            self = Batch()
            self.commands = consume commands
            self.replies = consume replies
            self.commands.removeAll(keepingCapacity: true)
            self.replies.removeAll(keepingCapacity: true)
        }

        private static let mostKept = 1_024
    }

    private struct State {
        var batch = Batch()
        var isClosed = false
    }

    private let state = Mutex(State())
    private let signal = Signal()

    /// Puts a command in; false when the engine was closed.
    func post(_ command: Command, ticket: Ticket = 0, reply: Reply?) -> Bool {
        let wasEmpty: Bool? = state.withLock { state in
            guard !state.isClosed else { return nil }
            let wasEmpty = state.batch.isEmpty
            state.batch.commands.append((ticket, command))
            state.batch.replies.append(reply)
            return wasEmpty
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

    /// Changes an empty batch for what is there now: its room is used again.
    func exchange(_ batch: inout Batch) { state.withLock { swap(&$0.batch, &batch) } }

    var isEmpty: Bool { state.withLock { $0.batch.isEmpty } }
    var isClosed: Bool { state.withLock(\.isClosed) }

    /// Blocks until something is there, or for so many milliseconds; nil waits for ever.
    func wait(milliseconds: Int64?) {
        guard isEmpty else { return }
        signal.wait(milliseconds: milliseconds)
    }
}
