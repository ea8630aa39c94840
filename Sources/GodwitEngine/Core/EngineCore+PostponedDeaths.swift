import DequeModule
import GodwitCore
import GodwitJournal

/// Deaths that time brings about and whose dead letters are large and have no room on the disk, or cannot be read just now. They stand aside,
/// so that nothing else stands behind them.
struct PostponedDeaths {
    /// Places of leases that are over.
    var leases = Deque<UInt32>()
    /// Leases that closed holders had.
    var releases = Deque<LeaseName>()
    /// Jobs whose time is over before they were started.
    var expiries = Deque<Timer>()
    /// Time since boot at which they are tried again; nil when that is now.
    var retry: Int64?
    /// Whether no other large dead letter has room before then either.
    var lackRoom = false
    /// Jobs whose messages the operator was told of that they cannot be read just now; and until when, in time since boot.
    private var told: Set<UInt64> = []
    private var toldUntil = Int64.min
    private static let mostTold = 1_000
    private static let toldFor: Int64 = 600_000

    var isEmpty: Bool { leases.isEmpty && releases.isEmpty && expiries.isEmpty }

    /// Whether the operator is to be told of a job: not every second again, and not of ever so many.
    mutating func tell(of sequence: UInt64, at boot: Int64) -> Bool {
        if boot >= toldUntil { (told, toldUntil) = ([], boot + Self.toldFor) }
        return told.count < Self.mostTold && told.insert(sequence).inserted
    }
}

extension EngineCore {
    /// When it is time, lets those that stand aside try again: so many a turn, those that have waited longest first.
    mutating func takeUpPostponed() throws(JournalError) {
        if let retry = postponed.retry {
            guard instant.boot >= retry else { return }
            postponed.retry = nil
            postponed.lackRoom = false
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
        waitForRoom()
        return false
    }

    private mutating func waitForRoom() {
        postponed.lackRoom = true
        tryLater()
    }

    /// Those that stand aside are tried again in a while; who comes to them later does not put that off.
    mutating func tryLater() { postponed.retry = postponed.retry ?? instant.boot + Self.noSpaceDelay }

    /// Records a death; answers whether its dead letter could be read and had room, unless nothing has any.
    mutating func recordDeath(_ changes: [Change], for purpose: Journal.Purpose) throws(JournalError) -> Bool {
        if draft.unread != nil {
            tryLater()
            return false
        }
        do throws(JournalError) { try record(changes, for: purpose) } catch {
            guard error == .noSpace, purpose == .settleWithPayload, !journal.refuses(.settle) else { throw error }
            waitForRoom()
            return false
        }
        letterBudget -= draft.letterBytes
        return true
    }
}
