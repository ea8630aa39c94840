import DequeModule
import GodwitCore

/// The numbered transactions of sessions that were refused lately: of each session the newest, and no longer than it takes for no request to be on
/// its way any more. None outlives the process.
///
/// A client whose connection broke asks again on another one. When that is refused it has its answer, and may ask under another number; the first
/// request may still come out of some network's buffer, and must not be carried out then. It is told from a repetition by its flag, which says that
/// nothing came before it.
struct RefusedNumbers: Sendable {
    struct Refusal: Sendable {
        /// What the transaction was to do: another one under its number is somebody's mistake.
        let kinds: UInt64
        let operation: Int
        let error: BrokerError

        init(kinds: UInt64, operation: Int, error: BrokerError) {
            self.kinds = kinds
            self.operation = operation
            // What caused it may be large, and is not told again.
            self.error = BrokerError(error.code, error.message, field: error.field, retryAfter: error.retryAfter)
        }
    }

    fileprivate struct Session {
        var refusals: [UInt64: Refusal] = [:]
        /// The numbers in `refusals` in the order in which they were refused.
        var order = Deque<UInt64>()
        /// Engine time of its latest refusal.
        var lastUsed: Int64 = 0
    }

    /// How many are kept of all sessions. When there are as many, a session that is refused more keeps its share of them alone.
    private let most: Int
    private var sessions: [[UInt8]: Session] = [:]
    private var count = 0
    /// Engine time.
    private var nextSweep: Int64 = 0

    init(most: Int = 100_000) { self.most = most }

    func look(_ id: [UInt8], _ number: UInt64) -> Refusal? { sessions.isEmpty ? nil : sessions[id]?.refusals[number] }

    mutating func note(_ id: [UInt8], _ number: UInt64, _ refusal: Refusal, at now: Int64) {
        // The refusal stands all the same: only a late request of one that has no place here is not recognised.
        guard sessions[id] != nil || sessions.count < Limits.sessions else { return }
        let share = count < most ? Limits.sessionOutcomes : min(most / max(sessions.count, 1), Limits.sessionOutcomes)
        count += sessions[id, default: Session()].note(number, refusal, at: now, keeping: share)
    }

    /// Forgets the sessions that were not refused anything for so long that no request can be on its way any more.
    mutating func sweep(at now: Int64) {
        guard !sessions.isEmpty, now >= nextSweep else { return }
        nextSweep = now.addingClamped(Limits.sessionLife.inMilliseconds / 10)
        for (id, session) in sessions where session.lastUsed.addingClamped(Limits.sessionLife.inMilliseconds) <= now {
            count -= session.refusals.count
            sessions[id] = nil
        }
    }
}

extension RefusedNumbers.Session {
    /// - Returns: how many more are kept than before.
    fileprivate mutating func note(_ number: UInt64, _ refusal: RefusedNumbers.Refusal, at now: Int64, keeping most: Int) -> Int {
        let before = refusals.count
        lastUsed = now
        if refusals.updateValue(refusal, forKey: number) == nil { order.append(number) }
        while order.count > max(most, 1) { refusals[order.removeFirst()] = nil }
        return refusals.count - before
    }
}
