import GodwitCore
import GodwitJournal

/// Transient messages: what becomes of them is said before it is durable, for they end with the process.
///
/// They travel through the journal as all others do, so that memory holds no bodies, and are dropped by the record of the next opening. Since
/// replay sees a beginning of what was recorded and never a part from the middle, their records need no sync of their own.
extension EngineCore {
    // MARK: Numbers

    /// A transient message is to come.
    mutating func useTransients() throws(JournalError) {
        guard state.level >= .first else { return }
        reservations.areNeeded = true
        do { try reserveNumbers() } catch {
            // Without a reservation it waits for its own sync.
            guard error.changedNothing else { throw error }
        }
    }

    /// Reserves the next numbers well before those that are reserved are used up.
    mutating func reserveNumbers() throws(JournalError) {
        guard reservations.isDue(at: state.nextSequence) else { return }
        let end = state.nextSequence + Reservations.size
        try record(.reserved(end: end), for: .settle)
        reservations.note(end, at: state.change)
    }

    /// At a clean stop everything becomes durable: no number is skipped at the next opening.
    mutating func returnNumbers() throws(JournalError) {
        guard state.reserved > state.nextSequence else { return }
        try record(.reserved(end: state.nextSequence), for: .settle)
    }

    // MARK: What answers rest on

    /// Whether so much was recorded that is not durable yet that nothing more is said of it: the next opening passes over more changes.
    var isFarAhead: Bool { state.change - syncedChange > 1 << 22 }

    /// Whether what becomes of transient messages with numbers below this one may be said before it is durable.
    func mayConfirm(below sequence: UInt64) -> Bool { sequence <= reservations.end && !isFarAhead }

    /// Up to which change all must be durable before a job is shown.
    mutating func rest(of sequence: UInt64, _ job: EngineState.Job) -> UInt64 {
        guard job.isTransient, mayConfirm(below: sequence + 1) else { return job.change }
        mustWrite = true
        return 0
    }

    /// The same for a delivery: a first one rests on what came before it, another one on itself as well.
    @inline(__always)
    mutating func rest(ofDelivery sequence: UInt64, _ entry: Entry) -> UInt64 {
        if entry.pointee.flags.contains(.isTransient), mayConfirm(below: sequence + 1) {
            if entry.pointee.deliveries > 0 || !journal.isWritten(entry.pointee.message) { mustWrite = true }
            return 0
        }
        return entry.pointee.deliveries == 0 ? entry.pointee.change : .max
    }

    /// The same for the outcome of the transaction that was recorded last.
    func rest(of outcome: OutcomeView) -> UInt64 {
        if case .aborted = outcome { return state.change }
        return outcomeRest
    }

    /// The same for what the draft has come to.
    var restOfDraft: UInt64 { draft.isTransient && mayConfirm(below: draft.nextSequence) ? draft.transients.rest : state.change }

    /// What is not durable is read from where it was written all the same.
    mutating func writeIfShown() {
        guard mustWrite else { return }
        mustWrite = false
        guard failure == nil else { return }
        do { try journal.write() } catch {
            note(error)
            // What they point to cannot be read: that is the failure's doing, and no damage.
            if let failure { answers = answers.map { ($0.0, .refused(failure)) } }
        }
    }
}
