import GodwitCore

/// The leases that a worker holds, and what is to be done about them when: a state machine that is told the time.
///
/// Leases are renewed three times within their length. One whose remaining time has passed without a renewal is lost, by this worker's own
/// monotonic clock: its job may run elsewhere by now. But while a broker in this very process owes an answer to a renewal, the answer decides:
/// it looks at what it was asked before it lets leases expire, so a slow disk costs nobody's lease. An attempt that is out of time is ended, and when it does not end within another
/// lease's length, its lease is no longer renewed, so that others can run the job.
struct LeaseTable {
    typealias Instant = ContinuousClock.Instant

    /// What ``turn(now:)`` asks for.
    struct Turn: Sendable {
        var ended: [(attempt: Attempt, ending: Attempt.Ending)] = []
        /// Leases to be renewed now, in one batch.
        var renewals: [Renewal] = []
        /// When the next turn is.
        var wakeAt: Instant
    }

    private struct Lease {
        let attempt: Attempt
        var expiresAt: Instant
        var timeoutAt: Instant?
        var isOutOfTime = false
        /// Progress that is to be sent, that is being sent, and whether somebody waits until it was.
        var hasProgress = false
        var isSendingProgress = false
        var isFlushing = false
    }

    /// Progress is sent at most this often.
    static let progressInterval: Duration = .milliseconds(100)
    /// A turn that comes later than planned by more than this tells of a process that was stopped, or a machine that slept.
    static let stall: Duration = .seconds(1)

    private let length: Duration
    private let isEmbedded: Bool
    private let interval: Duration
    private var leases: [LeaseToken: Lease] = [:]
    private var nextRenewal: Instant
    private var lastSent: Instant
    private var hasProgress = false
    /// Whether somebody waits for progress to be sent.
    private var isUrgent = false
    private var isSending = false
    private var lastTurn: Instant
    private var plannedTurn: Instant
    /// After a stall a renewal is tried before a lease is given up: a broker in the same process was stopped as long.
    private var noExpiryBefore: Instant

    /// - Parameter isEmbedded: Whether the broker lives in this process.
    init(length: Duration, isEmbedded: Bool, now: Instant) {
        self.length = length
        self.isEmbedded = isEmbedded
        interval = length * 3 / 10
        nextRenewal = now + interval
        lastSent = now
        lastTurn = now
        plannedTurn = nextRenewal
        noExpiryBefore = now
    }

    var isEmpty: Bool { leases.isEmpty }

    /// - Returns: whether the next turn must come earlier than it was planned.
    mutating func hold(_ attempt: Attempt, now: Instant) -> Bool {
        let expiresAt = now + attempt.delivery.remaining
        leases[attempt.token] = Lease(attempt: attempt, expiresAt: expiresAt)
        return moveTurn(to: expiresAt)
    }

    /// The attempt has begun and may take so long. (It may have been held for a while: every thread was blocked.)
    /// - Returns: whether the next turn must come earlier than it was planned.
    mutating func limit(_ token: LeaseToken, to timeout: Duration, now: Instant) -> Bool {
        guard leases[token] != nil else { return false }
        leases[token]?.timeoutAt = now + timeout
        return moveTurn(to: now + timeout)
    }

    mutating func drop(_ token: LeaseToken) { leases[token] = nil }

    /// - Returns: whether the next turn must come earlier than it was planned.
    mutating func noteProgress(of token: LeaseToken) -> Bool {
        guard leases[token] != nil else { return false }
        leases[token]?.hasProgress = true
        hasProgress = true
        return !isSending && moveTurn(to: lastSent + Self.progressInterval)
    }

    /// The attempt is to be settled: what it said of its progress last is sent at once, so that nothing older comes later.
    /// - Returns: whether there is something to wait for, until ``isFlushed(_:)``.
    mutating func flushProgress(of token: LeaseToken) -> Bool {
        guard let lease = leases[token], lease.hasProgress || lease.isSendingProgress else { return false }
        leases[token]?.isFlushing = true
        isUrgent = isUrgent || lease.hasProgress
        return true
    }

    func isFlushed(_ token: LeaseToken) -> Bool { leases[token].map { !$0.hasProgress && !$0.isSendingProgress } ?? true }

    mutating func turn(now: Instant) -> Turn {
        if now - plannedTurn > Self.stall {
            noExpiryBefore = now + Self.stall
            // Handlers stood still as well: as for the engine's leases, no more than this counts.
            for token in leases.keys { leases[token]?.timeoutAt? += now - lastTurn - Self.stall }
        }
        lastTurn = now
        var turn = Turn(wakeAt: now + interval)
        let awaitsAnswer = isEmbedded && isSending
        for (token, lease) in leases {
            if lease.expiresAt <= now, noExpiryBefore <= now, !awaitsAnswer {
                turn.ended.append((lease.attempt, .leaseLost))
                leases[token] = nil
                continue
            }
            if let timeoutAt = lease.timeoutAt, timeoutAt <= now, !lease.isOutOfTime {
                turn.ended.append((lease.attempt, .timeout))
                leases[token]?.isOutOfTime = true
            }
            if !awaitsAnswer { turn.wakeAt = min(turn.wakeAt, max(lease.expiresAt, noExpiryBefore)) }
            if let timeoutAt = lease.timeoutAt, timeoutAt > now { turn.wakeAt = min(turn.wakeAt, timeoutAt) }
        }
        // While a batch is in flight no other one is sent; its answer brings the next turn.
        if !isSending {
            let isDue = nextRenewal <= now
            if isDue || isUrgent || (hasProgress && lastSent + Self.progressInterval <= now) {
                turn.renewals = renewals(all: isDue, now: now)
                if isDue { nextRenewal = now + interval }
                isSending = !turn.renewals.isEmpty
                if isSending { lastSent = now }
            }
            turn.wakeAt = min(turn.wakeAt, nextRenewal)
            if hasProgress { turn.wakeAt = min(turn.wakeAt, lastSent + Self.progressInterval) }
        }
        plannedTurn = turn.wakeAt
        return turn
    }

    private mutating func renewals(all: Bool, now: Instant) -> [Renewal] {
        hasProgress = false
        isUrgent = false
        var renewals: [Renewal] = []
        for (token, lease) in leases where all || lease.hasProgress {
            if let timeoutAt = lease.timeoutAt, timeoutAt + length <= now { continue }
            leases[token]?.hasProgress = false
            leases[token]?.isSendingProgress = lease.hasProgress
            renewals.append(Renewal(token, progress: lease.hasProgress ? lease.attempt.takeProgress() : nil))
        }
        return renewals
    }

    /// What became of a batch of renewals that was sent at `sentAt`; nil outcomes for one that failed as a whole.
    /// - Returns: attempts whose lease is gone.
    mutating func answered(_ renewals: [Renewal], with outcomes: [RenewalOutcome]?, sentAt: Instant) -> [(Attempt, Attempt.Ending)] {
        isSending = false
        var ended: [(Attempt, Attempt.Ending)] = []
        for (index, renewal) in renewals.enumerated() {
            guard let lease = leases[renewal.token] else { continue }
            leases[renewal.token]?.isSendingProgress = false
            switch outcomes.flatMap({ index < $0.count ? $0[index] : nil }) {
            case .good(let remaining):
                leases[renewal.token]?.expiresAt = sentAt + remaining
            case .cancelRequested:
                ended.append((lease.attempt, .cancelled))
                leases[renewal.token] = nil
            case .stale:
                ended.append((lease.attempt, .leaseLost))
                leases[renewal.token] = nil
            case .unreachable, nil:
                // Sooner than the next beat: there are two more tries before the lease is over.
                nextRenewal = min(nextRenewal, sentAt + length / 10)
                guard let progress = renewal.progress, !lease.isFlushing else { continue }
                lease.attempt.putBack(progress)
                leases[renewal.token]?.hasProgress = true
            }
        }
        return ended
    }

    private mutating func moveTurn(to instant: Instant) -> Bool {
        guard instant < plannedTurn else { return false }
        plannedTurn = instant
        return true
    }
}
