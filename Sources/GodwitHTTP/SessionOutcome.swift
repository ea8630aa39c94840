import GodwitCore

extension TransactionOutcome {
    /// The outcome, if it can be this transaction's; `keyConflict` if not. A session answers a number that it knows with what became of the
    /// transaction that had it first, which may have been another one.
    func of(_ transaction: Transaction) -> TransactionOutcome {
        if case .aborted(let operation, let error) = self {
            return error.code == .keyConflict && error.field == BrokerError.sessionNumberInUse.field
                ? .aborted(operation: operation, .numberInUse) : self
        }
        guard case .committed(let results) = self else { return self }
        guard results.count == transaction.operations.count, zip(transaction.operations, results).allSatisfy({ $1.isResult(of: $0) }) else {
            return .aborted(operation: 0, .numberInUse)
        }
        return self
    }
}

extension BrokerError {
    fileprivate static let numberInUse = BrokerError(
        .keyConflict,
        "this number of the session was used for another request: give each transaction a number of its own",
        field: SessionHeader.field
    )
}

extension OperationResult {
    fileprivate func isResult(of operation: Operation) -> Bool {
        switch operation {
        case .enqueue: jobID != nil
        case .add: if case .added = self { true } else { false }
        case .put: if case .put = self { true } else { false }
        case .delete: if case .deleted = self { true } else { false }
        case .complete, .fail, .release, .deadLetter, .cancel, .retry, .forget:
            switch self {
            case .state, .forgotten: true
            default: false
            }
        case .redrive: true
        }
    }
}
