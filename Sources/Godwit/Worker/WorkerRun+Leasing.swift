import GodwitCore
import Logging

extension WorkerRun {
    /// How long one request for jobs waits at the broker.
    private static let leaseWait: Duration = .seconds(20)
    private static let unreachable = Backoff(base: .milliseconds(200), cap: .seconds(10))

    /// Leases as many jobs as there are free slots and starts them, until the task is cancelled.
    /// - Throws: ``BrokerError`` unless it is one that passes.
    func lease() async throws {
        let concurrency = plan.concurrency
        var failures = 0
        var random = RandomFunction(function: plan.client.random)
        while !Task.isCancelled {
            let isReady = await desk.wait { desk in
                desk.failure != nil || (desk.running.count < concurrency && desk.unconfirmed < 4 * concurrency)
            }
            guard isReady else { return }
            let (running, failure) = desk.withLock { ($0.running.count, $0.failure) }
            if let failure { throw failure }
            let passing: BrokerError
            do throws(BrokerError) {
                let free = min(concurrency - running, Limits.leases)
                let deliveries = try await holder.lease(max: free, term: .fixed(plan.lease), wait: Self.leaseWait)
                failures = 0
                start(deliveries)
                continue
            } catch {
                passing = error
            }
            guard passing.code == .unavailable else { throw passing }
            failures += 1
            plan.logger.warning("no jobs can be leased: trying again", metadata: ["error": "\(passing)"])
            try? await plan.client.clock.sleep(for: Self.unreachable.delay(after: failures, using: &random))
        }
    }

    private func start(_ deliveries: [Delivery]) {
        let attempts = deliveries.map { delivery in
            Attempt(delivery, handler: runner.handler(for: delivery), logger: plan.logger) { [heartbeat] in heartbeat.noteProgress(of: $0) }
        }
        desk.withLock { desk in
            for attempt in attempts { desk.running[attempt.token] = attempt }
        }
        for attempt in attempts {
            heartbeat.hold(attempt, timeout: runner.timeout(of: attempt.delivery))
            attempt.start(Task { await self.execute(attempt) })
        }
    }

    private func execute(_ attempt: Attempt) async {
        let settlement = await runner.run(attempt)
        if case .succeeded = settlement.outcome { await heartbeat.flushProgress(of: attempt) }
        handOver(settlement)
    }
}
