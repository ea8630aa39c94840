import GodwitCore
import Logging
import Synchronization

extension WorkerRun {
    /// How long one request for jobs waits at the broker.
    private static let leaseWait: Duration = .seconds(20)
    private static let unreachable = Backoff(base: .milliseconds(200), cap: .seconds(10))

    /// How long a job that was leased ahead waits for a slot before it is given back.
    private static let patience: Duration = .milliseconds(200)

    /// Leases and starts jobs, except while the worker is quiet, until the task is cancelled.
    /// - Throws: ``BrokerError`` unless it is one that passes.
    func leaseUnlessQuiet() async throws {
        while !Task.isCancelled {
            if plan.isQuiet.withLock({ $0 }) {
                giveBackWaiting()
                let running = desk.withLock { $0.running }
                plan.logger.notice("the worker is quiet: it takes no more jobs", metadata: ["running": "\(running)"])
                guard await plan.isQuiet.wait(until: { !$0 }) else { return }
                plan.logger.notice("the worker takes jobs again")
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.lease() }
                group.addTask { await self.plan.isQuiet.wait { $0 } }
                defer { group.cancelAll() }
                _ = try await group.next()
            }
        }
    }

    /// Leases as many jobs as there are free slots, and ahead as ``LeaseWindow`` says, and starts them, until the task is cancelled.
    /// - Throws: ``BrokerError`` unless it is one that passes.
    private func lease() async throws {
        var window = LeaseWindow(concurrency: plan.concurrency)
        var failures = 0
        var random = RandomFunction(function: plan.client.random)
        while await hasRoom(in: window) {
            let (room, finished) = desk.withLock { (window.room($0), $0.finished) }
            let asked = min(room, Limits.leases)
            let passing: BrokerError
            do throws(BrokerError) {
                let deliveries = try await holder.lease(max: asked, term: .fixed(plan.lease), wait: Self.leaseWait)
                let (ended, isIdle) = desk.withLock { ($0.finished - finished, $0.running == 0) }
                window.answered(deliveries.count, of: asked, finishedMeanwhile: ended, isIdle: isIdle)
                start(deliveries)
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

    /// Waits until it is time to lease. Jobs that were leased ahead are given back when nothing has ended for a while: others may have slots
    /// for them.
    /// - Returns: false when the task is cancelled.
    private func hasRoom(in window: LeaseWindow) async -> Bool {
        let isEnough: @Sendable (Desk) -> Bool = { window.isWorthARequest($0) }
        while !desk.withLock({ isEnough($0) }) {
            let (excess, finished) = desk.withLock { ($0.running - window.concurrency, $0.finished) }
            guard excess > 0 else { return await desk.wait(until: isEnough) }
            if await desk.wait(until: isEnough, atMost: Self.patience, clock: plan.client.clock) { break }
            if Task.isCancelled { return false }
            if desk.withLock({ $0.finished }) == finished { giveBackWaiting(atMost: excess) }
        }
        return !Task.isCancelled
    }

    /// Gives back, uncounted, what was leased last and did not begin.
    func giveBackWaiting(atMost count: Int = .max) {
        for attempt in crew.withLock({ $0.withdraw(atMost: count) }) {
            handOver(Settlement(attempt: attempt, outcome: .released, took: .zero))
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
        if plan.isQuiet.withLock({ $0 }) {
            // They were on their way when the worker became quiet.
            for attempt in attempts { handOver(Settlement(attempt: attempt, outcome: .released, took: .zero)) }
        } else {
            run(attempts)
        }
    }
}
