import GodwitCore
import Logging

extension WorkerRun {
    private static let retryBackoff = Backoff(base: .milliseconds(100), cap: .seconds(5))

    /// Frees the attempt's slot and has its completion confirmed. While one commit is in flight, what is handed over gathers for the next.
    /// - Parameter hasRun: whether a handler was called.
    func handOver(_ settlement: Settlement, hasRun: Bool = true) {
        let isTold = settlement.isTold
        if !isTold { heartbeat.drop([settlement.attempt]) }
        desk.withLock { desk in
            desk.held -= 1
            if hasRun { desk.finished += 1 }
            guard isTold else { return }
            desk.unconfirmed += 1
            desk.pending.append(settlement)
        }
    }

    /// Commits what is handed over, until the task is cancelled or the store has failed.
    func settle() async {
        await withDiscardingTaskGroup { group in
            var tries = 0
            while let batch = await nextBatch() {
                do throws(BrokerError) {
                    let refusals = try await commit(batch)
                    tries = 0
                    if let (refused, error) = settled(batch, refusals) {
                        // The others go on meanwhile, and heartbeats keep their leases.
                        group.addTask { await self.tryAgain(refused, after: error) }
                    }
                } catch {
                    guard error.isPassing else {
                        end(error)
                        break
                    }
                    tries += 1
                    desk.withLock { $0.confirmed = 0 }
                    plan.logger.warning("completions could not be committed: trying again", metadata: ["error": "\(error)"])
                    desk.withLock { $0.pending.insert(contentsOf: batch.map(\.repeated), at: 0) }
                    await pause(tries, error)
                }
            }
            group.cancelAll()
        }
    }

    /// Nil when there will be none.
    private func nextBatch() async -> [Settlement]? {
        guard await desk.wait(until: { !$0.pending.isEmpty || $0.failure != nil }) else { return nil }
        return desk.withLock { $0.failure == nil ? $0.takeBatch() : nil }
    }

    /// - Returns: why each was refused; nil for those that were not.
    nonisolated(nonsending) private func commit(_ batch: [Settlement]) async throws(BrokerError) -> [BrokerError?] {
        guard batch.allSatisfy({ $0.followUps.isEmpty }) else {
            return try await plan.client.broker.commit(batch.compactMap(\.transaction)).map { outcome in
                if case .aborted(_, let error) = outcome { error } else { nil }
            }
        }
        return try await plan.client.broker.commit(each: batch.compactMap(\.operation)).map { result in
            if case .failure(let error) = result { error } else { nil }
        }
    }

    /// - Returns: those that are to be tried again, and the error that asks for the longest wait.
    private func settled(_ batch: [Settlement], _ refusals: [BrokerError?]) -> (refused: [Settlement], error: BrokerError)? {
        var confirmed: [Attempt] = [], refused: [Settlement] = []
        confirmed.reserveCapacity(batch.count)
        var worst: BrokerError?
        for (index, settlement) in batch.enumerated() {
            guard let error = index < refusals.count ? refusals[index] : .noAnswer else {
                confirmed.append(settlement.attempt)
                continue
            }
            switch error.code {
            case _ where error.isPassing:
                refused.append(settlement.repeated)
                if worst == nil || error.retryAfter ?? .zero > worst?.retryAfter ?? .zero { worst = error }
            case .closed, .storeFailed:
                end(error)
            case .staleLease, .jobNotFound, .jobForgotten:
                settlement.attempt.logger.info(
                    settlement.tries > 0
                        ? "an earlier try settled the job, or its lease was lost before"
                        : "the lease was lost before the job was settled: what was done here does not count"
                )
                confirmed.append(settlement.attempt)
            default:
                guard let failed = settlement.refused(because: error) else {
                    settlement.attempt.logger.error(
                        "the broker refuses to settle the job: its lease expires",
                        metadata: ["error": "\(error)"]
                    )
                    confirmed.append(settlement.attempt)
                    continue
                }
                settlement.attempt.logger.error("the job's completion was refused: it fails", metadata: ["error": "\(error)"])
                runner.onError?(error, JobContext(run: settlement.attempt))
                desk.withLock { $0.pending.append(failed) }
            }
        }
        // Those that failed on the way are told once more, and stay as unconfirmed as they were.
        let count = confirmed.count
        heartbeat.drop(confirmed)
        desk.withLock { desk in
            desk.unconfirmed -= count
            desk.confirmed = count
        }
        return worst.map { (refused, $0) }
    }

    private func tryAgain(_ refused: [Settlement], after error: BrokerError) async {
        await pause(refused.map(\.tries).max() ?? 1, error)
        desk.withLock { $0.pending.insert(contentsOf: refused, at: 0) }
    }

    private func end(_ failure: BrokerError) {
        desk.withLock { desk in
            desk.failure = desk.failure ?? failure
            desk.pending = []
        }
    }

    private func pause(_ tries: Int, _ error: BrokerError) async {
        var random = RandomFunction(function: plan.client.random)
        try? await plan.client.clock.sleep(for: (error.retryAfter ?? .zero) + Self.retryBackoff.delay(after: tries, using: &random))
    }
}

extension BrokerError {
    /// Whether the same may succeed later: the broker is away, has no room, or did not say what came of it. (Settling again is harmless: what
    /// was settled the first time is stale the second.)
    var isPassing: Bool { code == .busy || code == .diskFull || code == .unavailable || code == .outcomeUnknown }

    fileprivate static let noAnswer = BrokerError(.outcomeUnknown, "the broker gave no answer to this transaction")
}

extension WorkerRun.Desk {
    /// What the next commit takes, bounded in count and bytes.
    fileprivate mutating func takeBatch() -> [Settlement] {
        var count = 0, bytes = 0
        while count < min(pending.count, Limits.operations), bytes < Limits.transactionBytes {
            bytes += pending[count].size
            count += 1
        }
        if count == pending.count {
            defer { pending = [] }
            return pending
        }
        defer { pending.removeFirst(count) }
        return Array(pending[..<count])
    }
}
