import GodwitCore
import HTTPTypes

extension TransactionOutcome {
    /// The outcome, if it can be this transaction's. A session answers a number that it knows with what became of the transaction that had it first.
    /// - Throws: ``Problem`` `key_conflict` where that was another one.
    func of(_ transaction: Transaction) throws(Problem) -> TransactionOutcome {
        guard case .committed(let results) = self else { return self }
        guard results.count == transaction.operations.count, zip(transaction.operations, results).allSatisfy({ $1.isResult(of: $0) }) else {
            throw Problem(
                .unprocessableContent,
                BrokerError.Code.keyConflict.rawValue,
                "this number of the session was used for another request: give each transaction a number of its own",
                field: SessionHeader.field
            )
        }
        return self
    }
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
