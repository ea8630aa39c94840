import GodwitCore
import Logging
import ServiceLifecycle

/// A worker at work, from its start to its end.
final class WorkerRun: Sendable {
    /// The attempts under way, and the completions on their way to the broker.
    struct Desk: Sendable {
        var running: [LeaseToken: Attempt] = [:]
        var pending: [Settlement] = []
        /// Completions that were handed over and are not confirmed.
        var unconfirmed = 0
        var isCommitting = false
        /// Whether running handlers are no longer waited for.
        var isAborted = false
        /// What ended the work: the store failed, or was closed.
        var failure: BrokerError?
    }

    /// How long handlers may take to notice that their task was cancelled, and completions to be confirmed, at the end.
    static let lastWait: Duration = .seconds(5)

    let plan: WorkerPlan
    let holder: any Holder
    let heartbeat: Heartbeat
    let runner: AttemptRunner
    let desk = Guarded(Desk())

    /// - Throws: what keeps the broker from opening a holder.
    init(_ plan: WorkerPlan) async throws(BrokerError) {
        self.plan = plan
        holder = try await plan.openHolder()
        heartbeat = Heartbeat(holder: holder, lease: plan.lease, logger: plan.logger)
        runner = plan.runner
    }

    /// - Throws: ``BrokerError`` when the store failed, or was closed.
    func run() async throws {
        plan.logger.debug("a worker starts", metadata: ["queues": "\(plan.queues)", "concurrency": "\(plan.concurrency)"])
        let beating = heartbeat.start()
        var failure: (any Error)?
        do { try await cancelWhenGracefulShutdown { try await self.work() } } catch { failure = error }
        if Task.isCancelled || failure != nil { abort() }
        // In a task of its own, which is not cancelled: what was done is to be confirmed.
        await withTaskCancellationHandler {
            await Task {
                await drain()
                await heartbeat.stop(beating)
                await close()
            }.value
        } onCancel: {
            abort()
        }
        if let failure = failure ?? desk.withLock({ $0.failure }), !(failure is CancellationError) { throw failure }
    }

    private func work() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            if !plan.handlers.isEmpty { group.addTask { try await self.lease() } }
            if !plan.schedules.isEmpty {
                group.addTask { try await Scheduler(self.plan.schedules, client: self.plan.client, logger: self.plan.logger).run() }
            }
            try await group.waitForAll()
        }
    }

    private func close() async {
        do throws(BrokerError) {
            try await holder.close()
        } catch {
            plan.logger.debug("the holder could not be closed: its leases expire", metadata: ["error": "\(error)"])
        }
    }

    private func abort() { desk.withLock { $0.isAborted = true } }

    /// Finishes what runs, or gives it back, and has all completions confirmed.
    private func drain() async {
        let clock = plan.client.clock
        await desk.wait(until: { $0.running.isEmpty || $0.isAborted }, atMost: plan.shutdownGrace, clock: clock)
        let unfinished = desk.withLock { $0.running.values.map { $0 } }
        if !unfinished.isEmpty {
            plan.logger.info("running jobs are cancelled and given back", metadata: ["jobs": "\(unfinished.count)"])
            for attempt in unfinished { attempt.end(.shutdown) }
        }
        let isDone = await desk.wait(
            until: { $0.running.isEmpty && ($0.unconfirmed == 0 || $0.failure != nil) },
            atMost: Self.lastWait,
            clock: clock
        )
        guard !isDone else { return }
        let (running, unconfirmed) = desk.withLock { ($0.running.count, $0.unconfirmed) }
        plan.logger.warning(
            "jobs are given back while their handlers run on, or before they were confirmed: they run again",
            metadata: ["running": "\(running)", "unconfirmed": "\(unconfirmed)"]
        )
    }
}
