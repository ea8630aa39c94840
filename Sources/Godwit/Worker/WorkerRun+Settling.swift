import GodwitCore
import Logging

extension WorkerRun {
    private static let retryBackoff = Backoff(base: .milliseconds(100), cap: .seconds(5))

    /// Frees the attempt's slot and has its completion confirmed. While one commit is in flight, what is handed over gathers for the next.
    func handOver(_ settlement: Settlement) {
        guard settlement.transaction != nil else {
            heartbeat.drop(settlement.attempt)
            desk.withLock { _ = $0.running.removeValue(forKey: settlement.attempt.token) }
            return
        }
        let mustCommit = desk.withLock { desk in
            desk.running[settlement.attempt.token] = nil
            desk.unconfirmed += 1
            return desk.queue(settlement)
        }
        if mustCommit { Task { await commitAll() } }
    }

    private func commitAll() async {
        var tries = 0
        while let batch = desk.withLock({ $0.takeBatch() }) {
            let transactions = batch.compactMap(\.transaction)
            let failure: BrokerError
            do throws(BrokerError) {
                let outcomes = try await plan.client.broker.commit(transactions)
                tries = 0
                for (settlement, outcome) in zip(batch, outcomes) { settled(settlement, outcome) }
                continue
            } catch {
                failure = error
            }
            guard failure.code == .unavailable || failure.code == .outcomeUnknown || failure.isBackPressure else {
                end(failure)
                return
            }
            // Settling again is harmless: what was settled the first time is stale the second.
            tries += 1
            plan.logger.warning("completions could not be committed: trying again", metadata: ["error": "\(failure)"])
            desk.withLock { $0.pending.insert(contentsOf: batch, at: 0) }
            await pause(tries, failure)
        }
    }

    private func settled(_ settlement: Settlement, _ outcome: TransactionOutcome) {
        guard case .aborted(_, let error) = outcome else { return confirmed(settlement) }
        switch error.code {
        case _ where error.isBackPressure:
            // The others go on meanwhile, and heartbeats keep its lease.
            Task {
                await pause(1, error)
                again(settlement)
            }
        case .closed, .storeFailed:
            end(error)
        case .staleLease, .jobNotFound, .jobForgotten:
            settlement.attempt.logger.info("the lease was lost before the job was settled: what was done here does not count")
            confirmed(settlement)
        default:
            guard let failed = settlement.refused(because: error) else {
                settlement.attempt.logger.error("the broker refuses to settle the job: its lease expires", metadata: ["error": "\(error)"])
                return confirmed(settlement)
            }
            settlement.attempt.logger.error("the job's completion was refused: it fails", metadata: ["error": "\(error)"])
            runner.onError?(error, JobContext(run: settlement.attempt))
            again(failed)
        }
    }

    private func again(_ settlement: Settlement) {
        if desk.withLock({ $0.queue(settlement) }) { Task { await commitAll() } }
    }

    private func confirmed(_ settlement: Settlement) {
        heartbeat.drop(settlement.attempt)
        desk.withLock { $0.unconfirmed -= 1 }
    }

    private func end(_ failure: BrokerError) {
        desk.withLock { desk in
            desk.failure = desk.failure ?? failure
            desk.pending = []
            desk.isCommitting = false
        }
    }

    private func pause(_ tries: Int, _ error: BrokerError) async {
        var random = RandomFunction(function: plan.client.random)
        try? await plan.client.clock.sleep(for: (error.retryAfter ?? .zero) + Self.retryBackoff.delay(after: tries, using: &random))
    }
}

extension BrokerError {
    /// Whether the broker will accept the same again when it has room.
    var isBackPressure: Bool { code == .busy || code == .diskFull }
}

extension WorkerRun.Desk {
    /// - Returns: whether somebody must begin to commit.
    fileprivate mutating func queue(_ settlement: Settlement) -> Bool {
        guard failure == nil else { return false }
        pending.append(settlement)
        defer { isCommitting = true }
        return !isCommitting
    }

    /// What the next commit takes, bounded in count and bytes; nil, and the end of committing, when there is nothing.
    fileprivate mutating func takeBatch() -> [Settlement]? {
        guard !pending.isEmpty, failure == nil else {
            isCommitting = false
            return nil
        }
        var count = 0, bytes = 0
        while count < min(pending.count, Limits.operations), bytes < Limits.transactionBytes {
            bytes += pending[count].size
            count += 1
        }
        defer { pending.removeFirst(count) }
        return Array(pending[..<count])
    }
}
