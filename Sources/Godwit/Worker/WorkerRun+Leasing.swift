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
        while await desk.wait(until: { $0.free(of: concurrency) > 0 }) {
            let free = desk.withLock { $0.free(of: concurrency) }
            let passing: BrokerError
            do throws(BrokerError) {
                start(try await holder.lease(max: min(free, Limits.leases), term: .fixed(plan.lease), wait: Self.leaseWait))
                failures = 0
                continue
            } catch {
                passing = error
            }
            guard passing.isPassing else { throw passing }
            failures += 1
            plan.logger.warning("no jobs can be leased: trying again", metadata: ["error": "\(passing)"])
            let wait = max(passing.retryAfter ?? .zero, Self.unreachable.delay(after: failures, using: &random))
            try? await plan.client.clock.sleep(for: wait)
        }
    }

    private func start(_ deliveries: [Delivery]) {
        let sendProgress: @Sendable (Attempt) async throws -> Void = { [heartbeat] in heartbeat.noteProgress(of: $0) }
        var attempts: [Attempt] = []
        attempts.reserveCapacity(deliveries.count)
        for delivery in deliveries {
            attempts.append(
                Attempt(delivery, handler: runner.handler(for: delivery), logger: plan.logger, sendProgress: sendProgress)
            )
        }
        let count = attempts.count
        desk.withLock { $0.running += count }
        heartbeat.hold(attempts)
        run(attempts)
    }
}

extension WorkerRun.Desk {
    /// How many jobs may be leased: a free slot for each, and room for its completion among at most four times the concurrency that are
    /// unconfirmed.
    fileprivate func free(of concurrency: Int) -> Int {
        min(concurrency - running, 4 * concurrency - unconfirmed - running)
    }
}
