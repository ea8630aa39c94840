import GodwitCore
import GodwitJournal

extension EngineCore {
    /// Answers what a backup copies as soon as all of it is durable: everything that was confirmed by now is in it.
    mutating func backup(_ ticket: Ticket) throws(JournalError) {
        // What is decided but not written yet would not be in it.
        try journal.write()
        let moment: JournalSnapshot
        do { moment = try journal.snapshot() } catch {
            guard journal.failure == nil else { throw error }
            // Only looking failed, for want of a descriptor, say: the journal is as sound as before.
            return hold(ticket, .refused(BrokerError(error)), until: state.change)
        }
        hold(ticket, .backup(moment), until: state.change)
    }
}
