import GodwitCore

/// What is refused of a commit before the broker sees it: what this client may not do, what is too large for this server, and new work while it
/// stops. Each transaction is judged alone: those of others in the same request go on.
struct Admission {
    let permissions: Permissions
    /// Of those who make jobs and count steps before anything is settled.
    let action: JobRoutes.Action
    let isDraining: Bool
    /// Bytes of a payload or a result.
    let jobBytes: Int

    /// Asks for all that the transactions need.
    init(
        of transactions: [Transaction],
        making action: JobRoutes.Action,
        _ exchange: Exchange,
        _ environment: RouteEnvironment
    ) async throws {
        var permissions = exchange.permissions
        try await permissions.prepare(for: transactions, making: action, at: environment.broker)
        self.permissions = permissions
        self.action = action
        isDraining = environment.draining?.isSet == true
        jobBytes = exchange.limits.jobBytes
    }

    /// Whether nothing at all may be done: who may do nothing of it is told so as everywhere.
    func forbidsAll(of transactions: [Transaction]) -> Bool {
        !transactions.isEmpty && transactions.allSatisfy { permissions.forbidden(in: $0, making: action) != nil }
    }

    /// By the transactions' indices.
    func refusals(of transactions: [Transaction]) -> [Int: TransactionOutcome] {
        var refusals: [Int: TransactionOutcome] = [:]
        for (index, transaction) in transactions.enumerated() {
            if let refusal = refusal(of: transaction) { refusals[index] = refusal }
        }
        return refusals
    }

    /// Why a transaction is not carried out; nil when it is.
    private func refusal(of transaction: Transaction) -> TransactionOutcome? {
        if let forbidden = permissions.forbidden(in: transaction, making: action) {
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
