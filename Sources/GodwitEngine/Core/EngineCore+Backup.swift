import GodwitJournal

extension EngineCore {
    /// Answers what a backup copies as soon as all of it is durable: everything that was confirmed by now is in it.
    mutating func backup(_ ticket: Ticket) throws(JournalError) {
        // What is decided but not written yet would not be in it.
        try journal.write()
        hold(ticket, .backup(try journal.snapshot()), until: state.change)
    }
}
