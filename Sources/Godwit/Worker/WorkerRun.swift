import GodwitCore
import Logging
import ServiceLifecycle
import Synchronization

/// A worker at work, from its start to its end.
final class WorkerRun: Sendable {
    /// How many attempts are held, running or not, and the completions on their way to the broker.
    struct Desk: Sendable {
        var held = 0
        /// How many attempts have run and ended.
        var finished = 0
        /// Completions that were handed over and are not in a commit.
        var pending: [Settlement] = []
        /// Completions that were handed over and are not confirmed.
        var unconfirmed = 0
        /// How many the last commit confirmed; 0 when it failed.
        var confirmed = 0
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
    let crew: Mutex<Crew>

    /// - Throws: what keeps the broker from opening a holder; `unavailable` when the system gives no thread.
    init(_ plan: WorkerPlan) async throws(BrokerError) {
        self.plan = plan
        let thread = try ThreadExecutor(named: "godwit-heartbeat")
        do throws(BrokerError) {
            holder = try await plan.openHolder()
        } catch {
            thread.stop()
            throw error
        }
        heartbeat = Heartbeat(
            holder: holder,
            table: LeaseTable(length: plan.lease, isEmbedded: plan.client.isEmbedded, now: .now),
            thread: thread,
            logger: plan.logger
        )
        runner = plan.runner
        crew = Mutex(Crew(limit: plan.concurrency))
    }

    /// - Throws: ``BrokerError`` when the store failed, or was closed.
    func run() async throws {
        plan.client.runs.withLock { $0 += 1 }
        defer { plan.client.runs.withLock { $0 -= 1 } }
        plan.logger.debug("a worker starts", metadata: ["queues": "\(plan.queues)", "concurrency": "\(plan.concurrency)"])
        plan.warnOfQueuesLeftOut()
        let beating = heartbeat.start()
        let settling = Task { await settle() }
        var failure: (any Error)?
        do { try await cancelWhenGracefulShutdown { try await self.work() } } catch { failure = error }
        if Task.isCancelled || failure != nil { abort() }
        // In a task of its own, which is not cancelled: what was done is to be confirmed.
        await withTaskCancellationHandler {
            await Task {
                let isDone = await drain()
                settling.cancel()
                // What a broker does not answer in time is not waited for: the leases are given back, or expire.
                if isDone { await settling.value }
                dismiss()
                await heartbeat.stop(beating)
                await close()
            }.value
        } onCancel: {
            abort()
        }
        if let failure = failure ?? desk.withLock({ $0.failure }), !(failure is CancellationError) { throw failure }
    }

    private func work() async throws {
        // On a thread of its own: a job that comes while handlers block every thread of the cooperative pool is leased, and kept.
        let thread = try ThreadExecutor(named: "godwit-lease")
        defer { thread.stop() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            if !plan.handlers.isEmpty { group.addTask(executorPreference: thread) { try await self.lease(on: thread) } }
            if !plan.handlers.isEmpty { group.addTask(executorPreference: thread) { await self.followQuiet() } }
            if !plan.schedules.isEmpty { group.addTask { try await self.fire() } }
            // A call for jobs that waits at the broker does not notice by itself that nothing can be settled any more.
            group.addTask { try await self.desk.failed() }
            // Not waitForAll(), which has the others end by themselves before it throws.
            while try await group.next() != nil {}
        }
    }

    /// Fires schedules until the task is cancelled, and waits then a little for a firing that is on its way.
    private func fire() async throws {
        let end = Guarded(Result<Void, any Error>?.none)
        let firing = Task {
            do {
                try await Scheduler(plan.schedules, client: plan.client, logger: plan.logger).run()
                end.withLock { $0 = .success(()) }
            } catch {
                end.withLock { $0 = .failure(error) }
            }
        }
        if await !end.wait(until: { $0 != nil }) {
            firing.cancel()
            // In a task of its own, which is not cancelled.
            _ = await Task { await end.wait(until: { $0 != nil }, atMost: Self.lastWait, clock: plan.client.clock) }.value
        }
        try end.withLock { $0 }?.get()
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
    /// - Returns: false when that takes too long.
    private func drain() async -> Bool {
        let clock = plan.client.clock
        giveBackWaiting()
        await desk.wait(until: { $0.held == 0 || $0.isAborted }, atMost: plan.shutdownGrace, clock: clock)
        let unfinished = crew.withLock { $0.attempts }
        if !unfinished.isEmpty {
            plan.logger.info("running jobs are cancelled and given back", metadata: ["jobs": "\(unfinished.count)"])
            for attempt in unfinished { attempt.end(.shutdown) }
        }
        let isDone = await desk.wait(
            until: { $0.held == 0 && ($0.unconfirmed == 0 || $0.failure != nil) },
            atMost: Self.lastWait,
            clock: clock
        )
        guard !isDone else { return true }
        let (running, unconfirmed) = desk.withLock { ($0.held, $0.unconfirmed) }
        plan.logger.warning(
            "jobs are given back while their handlers run on, or before they were confirmed: they run again",
            metadata: ["running": "\(running)", "unconfirmed": "\(unconfirmed)"]
        )
        return false
    }
}

extension Guarded<WorkerRun.Desk> {
    /// Waits for the failure that ends the work, and throws it; returns when the task is cancelled.
    fileprivate func failed() async throws(BrokerError) {
        await wait { $0.failure != nil }
        if let failure = withLock({ $0.failure }) { throw failure }
    }
}
