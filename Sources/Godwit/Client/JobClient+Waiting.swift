import GodwitCore

extension JobClient {
    /// The waits of a publisher who may wait: exponential, full jitter, on top of what the broker says is the least wait.
    static let publishBackoff = Backoff(base: .milliseconds(100), cap: .seconds(10))

    /// Commits one transaction; while the broker is busy it comes back, for at most `patience`.
    /// - Throws: ``BrokerError``; the last `busy` or `diskFull` when patience is at its end. `CancellationError`.
    nonisolated(nonsending) func commit(_ operations: [Operation], patience: Duration) async throws -> [OperationResult] {
        try await insisting(for: patience) { () async throws(BrokerError) in try await broker.commit(Transaction(operations)) }
    }

    /// The same for a transaction of one operation.
    nonisolated(nonsending) func commit(_ operation: Operation, patience: Duration) async throws -> OperationResult {
        guard patience > .zero else {
            try Task.checkCancellation()
            return try await asking { () async throws(BrokerError) in try await broker.commit(operation) }
        }
        return try await insisting(for: patience) { () async throws(BrokerError) in try await broker.commit(operation) }
    }

    nonisolated(nonsending) private func insisting<Value: Sendable>(
        for patience: Duration,
        _ commit: nonisolated(nonsending) () async throws(BrokerError) -> Value
    ) async throws -> Value {
        guard patience > .zero else {
            try Task.checkCancellation()
            return try await asking(commit)
        }
        let deadline = clock.uptime + patience
        var random = RandomFunction(function: self.random)
        var attempt = 0
        while true {
            try Task.checkCancellation()
            let refusal: BrokerError
            do throws(BrokerError) {
                return try await commit()
            } catch {
                refusal = error
            }
            guard refusal.code == .busy || refusal.code == .diskFull else { throw refusal.told }
            attempt += 1
            let least = refusal.retryAfter ?? .zero
            let left = deadline - clock.uptime
            guard left > least else { throw refusal }
            // The jitter comes on top: else all who were told the same time would come back at the same time.
            try await clock.sleep(for: min(left, least + Self.publishBackoff.delay(after: attempt, using: &random)))
        }
    }
}

/// Asks a broker for something that a task waits for.
/// - Throws: ``BrokerError``; `CancellationError` when the task was cancelled before the broker began with it.
nonisolated(nonsending) func asking<Value>(
    _ body: nonisolated(nonsending) () async throws(BrokerError) -> Value
) async throws -> Value {
    do throws(BrokerError) { return try await body() } catch { throw error.told }
}

extension BrokerError {
    /// What a caller is told: brokers themselves throw nothing but this type.
    fileprivate var told: any Error { cause is CancellationError ? CancellationError() : self }
}
