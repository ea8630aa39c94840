import DequeModule
import GodwitCore
import GodwitJournal

/// Deaths that time brings about and whose large dead letters have no room on the disk. They stand aside, so that nothing that brings less
/// stands behind them.
struct PostponedDeaths {
    /// Places of leases that are over.
    var leases = Deque<UInt32>()
    /// Leases that closed holders had.
    var releases = Deque<LeaseName>()
    /// Jobs whose time is over before they were started.
    var expiries = Deque<Timer>()
    /// Time since boot at which room for a large dead letter is looked for again; nil while there may be some.
    var retry: Int64?

    var isEmpty: Bool { leases.isEmpty && releases.isEmpty && expiries.isEmpty }
    var lackRoom: Bool { retry != nil }
}

extension EngineCore {
    /// When it is time, lets those that wait for room try again: so many a turn, those that have waited longest first.
    mutating func takeUpPostponed() throws(JournalError) {
        if let retry = postponed.retry {
            guard instant.boot >= retry else { return }
            postponed.retry = nil
        }
        for _ in 0..<min(postponed.leases.count, Self.dueLimit) {
            let place = postponed.leases.removeFirst()
            if state.leases.isOut(place) { state.setTimer(place) }
        }
        for _ in 0..<min(postponed.expiries.count, Self.dueLimit) {
            let timer = postponed.expiries.removeFirst()
            state.expiries.insert(timer.time, timer.subject)
        }
        for _ in 0..<min(postponed.releases.count, Self.dueLimit) where letterBudget > 0 {
            let lease = postponed.releases.removeFirst()
            guard let (entry, _) = state.lease(lease.sequence, lease.fencing) else { continue }
            do { if try !giveBack(lease.sequence, entry) { postponed.releases.append(lease) } } catch {
                postponed.releases.prepend(lease)
                throw error
            }
        }
    }

    /// Whether a large dead letter may have room; when one had none, none has until room is looked for again, and what brings less goes on.
    mutating func hasRoom(for purpose: Journal.Purpose) -> Bool {
        guard purpose == .settleWithPayload else { return true }
        if postponed.lackRoom { return false }
        guard journal.refuses(purpose), !journal.refuses(.settle) else { return true }
        postponed.retry = instant.boot + Self.noSpaceDelay
        return false
    }

    /// Records a death; answers whether it had room, unless nothing has any.
    mutating func recordDeath(_ changes: [Change], for purpose: Journal.Purpose) throws(JournalError) -> Bool {
        do throws(JournalError) { try record(changes, for: purpose) } catch {
            guard error == .noSpace, purpose == .settleWithPayload, !journal.refuses(.settle) else { throw error }
            postponed.retry = instant.boot + Self.noSpaceDelay
            return false
        }
        letterBudget -= draft.letterBytes
        return true
    }
}
