import GodwitCore
import GodwitJournal

/// Sessions: transactions that are asked for again are answered as the first time.
extension EngineCore {
    /// Carries out a numbered transaction that is new; one that says that nothing came before it, and whose number was refused, came too late.
    mutating func commitNumbered(_ transaction: PreparedTransaction, _ session: SessionName, isRepeat: Bool) throws(JournalError)
        -> OutcomeView
    {
        // One that is wrong whatever the state is refused each time.
        guard let kinds = transaction.kinds else { return try commit(transaction, session) }
        if !isRepeat, let refusal = refusedNumbers.look(session.id, session.number) {
            guard refusal.kinds == kinds else { return .aborted(operation: 0, .sessionNumberInUse) }
            return .aborted(operation: refusal.operation, refusal.error)
        }
        let outcome = try commit(transaction, session)
        if case .aborted(let operation, let error) = outcome {
            let refusal = RefusedNumbers.Refusal(kinds: kinds, operation: operation, error: error)
            refusedNumbers.note(session.id, session.number, refusal, at: now.engine)
        }
        return outcome
    }

    /// What is to be answered for a numbered transaction without carrying it out; nil for one that is new.
    func knownOutcome(_ session: SessionName, isRepeat: Bool) -> OutcomeView? {
        switch state.sessions.look(session.id, session.number) {
        case .known(let outcome):
            guard let results = try? ResultView.decode(outcome.results) else { return .aborted(operation: 0, .forgottenOutcome) }
            return .many(results)
        case .dropped: return .aborted(operation: 0, .forgottenOutcome)
        case .new: return nil
        case .noSession where isRepeat: return .aborted(operation: 0, .forgottenOutcome)
        case .noSession:
            guard state.sessions.isFull else { return nil }
            return .aborted(operation: 0, .busy("the store has as many sessions as it takes: try again later", retryAfter: .seconds(10)))
        }
    }

    /// Ends a session that its client does not go on with.
    mutating func endSession(_ ticket: Ticket, _ name: String) throws(JournalError) {
        let id = Array(name.utf8)
        if state.sessions.has(id) { try record(.sessionsEnded([id]), for: .settle) }
        hold(ticket, .done, until: state.change)
    }

    /// Ends the sessions whose time is over.
    mutating func endSessions() throws(JournalError) {
        refusedNumbers.sweep(at: now.engine)
        guard state.sessions.count > 0, now.engine >= nextSessionSweep else { return }
        let ended = state.sessions.ended(at: now.engine)
        // As many ids as a record's header has room for.
        let batch = 500
        if !ended.isEmpty { try record(.sessionsEnded(Array(ended.prefix(batch))), for: .settle) }
        nextSessionSweep = ended.count > batch ? now.engine : now.engine + Self.sessionSweepInterval
        if ended.count > batch { hasMoreDue = true }
    }
}
