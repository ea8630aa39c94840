import GodwitCore
import GodwitJournal

/// What becomes of settles for which a disk that is nearly full has no room, or which need what it does not give back just now.
extension EngineCore {
    /// How long one who settles with much in his hands is asked to wait: whatever else ends may have made room by then.
    private static let settleDelay: Duration = .seconds(2)

    /// Lets the holders keep what a transaction settles until there is room for what it brings along.
    /// - Returns: the answer; nil when nothing is settled, or not even a settle without payload has room.
    mutating func postpone(_ transaction: PreparedTransaction, _ error: JournalError) -> BrokerError? {
        guard error == .noSpace, draft.hasSettled, draft.purpose == .settleWithPayload else { return nil }
        keepLeases(of: transaction)
        return .busy(
            "the disk is nearly full, and what comes with a settle has room for \(Draft.smallPayload) bytes: its lease goes on, send it again",
            retryAfter: Self.settleDelay
        )
    }

    /// Lets the holders keep what a transaction settles.
    mutating func keepLeases(of transaction: PreparedTransaction) {
        switch transaction {
        case .one(let operation): keepLease(of: operation)
        case .many(let operations): for operation in operations { keepLease(of: operation) }
        case .refused: break
        }
    }

    /// Gives a lease its term again, and at least the time for some more tries. The attempt is over: it cannot take too long any more.
    private mutating func keepLease(of operation: PreparedOperation) {
        guard let name = operation.lease, let (_, place) = state.lease(name.sequence, name.fencing) else { return }
        let end = state.leaseNow + max(state.leases[place].term, 5 * Self.settleDelay.inMilliseconds)
        state.leases[place].deadline = max(state.leases[place].deadline, end)
        state.leases[place].attemptDeadline = max(state.leases[place].attemptDeadline, end)
        state.setTimer(place)
    }
}

extension PreparedOperation {
    /// The lease that it settles.
    fileprivate var lease: LeaseName? {
        switch self {
        case .complete(let lease, _), .fail(let lease, _, _), .release(let lease, _), .deadLetter(let lease, _, _): lease
        default: nil
        }
    }
}
