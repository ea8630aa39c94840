import GodwitCore

/// What is refused of a commit before the broker sees it: what this client may not do, what is too large for this server, and new work while it
/// stops. Each transaction is judged alone: those of others in the same request go on.
struct Admission {
    let permissions: Permissions
    let isDraining: Bool
    /// Bytes of a payload or a result.
    let jobBytes: Int

    /// Why a transaction is not carried out; nil when it is.
    func refusal(of transaction: Transaction) -> TransactionOutcome? {
        if let forbidden = permissions.forbidden(in: transaction, making: .publish) {
            return .aborted(operation: forbidden, .forbidden)
        }
        for (index, operation) in transaction.operations.enumerated() where !fits(operation) {
            return .aborted(operation: index, BrokerError(Problem.tooLarge(field(operation), limit: jobBytes)))
        }
        if isDraining, !transaction.operations.contains(where: \.isSettle),
            let publish = transaction.operations.firstIndex(where: \.isPublish)
        {
            return .aborted(operation: publish, Self.draining)
        }
        return nil
    }

    private static let draining = BrokerError.busy(Problem.draining.detail, retryAfter: .seconds(1))

    private func field(_ operation: GodwitCore.Operation) -> String { if case .complete = operation { "result" } else { "payload" } }

    /// Whether all payloads and the result of an operation, and of what follows, are within the limit.
    private func fits(_ operation: GodwitCore.Operation) -> Bool {
        switch operation {
        case .enqueue(let message):
            message.payload.bytes.count <= jobBytes && message.onFinal.allSatisfy { fits($0.operation) }
        case .complete(_, let result): (result?.bytes.count ?? 0) <= jobBytes
        case .add(let addition): addition.then.allSatisfy { fits($0) }
        default: true
        }
    }
}

extension BrokerError {
    fileprivate init(_ problem: Problem) {
        self.init(Code(rawValue: problem.code), problem.detail, field: problem.field, retryAfter: problem.retryAfter)
    }
}
