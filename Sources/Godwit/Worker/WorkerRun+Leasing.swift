import GodwitCore
import Logging
import Synchronization

extension WorkerRun {
    /// How long one request for jobs waits at the broker.
    private static let leaseWait: Duration = .seconds(20)
    private static let unreachable = Backoff(base: .milliseconds(200), cap: .seconds(10))

    /// Leases as many jobs as there are free slots, and ahead as ``LeaseWindow`` says, and starts them, except while the worker is quiet, until
    /// the task is cancelled.
    ///
    /// A request that is under way when the worker becomes quiet comes to its end: given up, it might have left jobs that nobody has.
    /// - Parameter thread: what this runs on, whatever blocks the cooperative pool.
    /// - Throws: ``BrokerError`` unless it is one that passes.
    func lease(on thread: ThreadExecutor) async throws {
        let clock = ThreadClock(thread: thread)
        var window = LeaseWindow(concurrency: plan.concurrency)
        var failures = 0
        var random = RandomFunction(function: plan.client.random)
        while await plan.isQuiet.wait(until: { !$0 }), await hasRoom(in: &window, clock) {
            if plan.isQuiet.withLock({ $0 }) { continue }
            let (room, finished) = desk.withLock { [window] in (window.room($0), $0.finished) }
            let asked = min(room, Limits.leases)
            // A commit that confirmed few has left less room since.
            guard asked > 0 else { continue }
            let passing: BrokerError
            do throws(BrokerError) {
                let wait = window.mayWait ? Self.leaseWait : .zero
                let asks = ContinuousClock.now
                let deliveries = try await holder.lease(max: asked, term: .fixed(plan.lease), wait: wait)
                let (ended, isIdle) = desk.withLock { ($0.finished - finished, $0.held == 0) }
                if wait > .zero, asks.duration(to: .now) > plan.shortRequest {
                    window.waited(deliveries.count, of: asked, finishedMeanwhile: ended)
                } else {
                    window.answered(deliveries.count, of: asked, finishedMeanwhile: ended, isIdle: isIdle)
                }
                start(deliveries, &window)
                failures = 0
                continue
            } catch {
                passing = error
            }
            guard passing.isPassing else { throw passing }
            failures += 1
            plan.logger.warning("no jobs can be leased: trying again", metadata: ["error": "\(passing)"])
            window.failed()
            giveBackWaiting(atMost: max(0, desk.withLock { $0.held } - plan.concurrency))
            let wait = max(passing.retryAfter ?? .zero, Self.unreachable.delay(after: failures, using: &random))
            try? await plan.client.clock.sleep(for: wait)
        }
    }

    /// Says when the worker becomes quiet, and when it takes jobs again, and gives back what did not begin, until the task is cancelled.
    func followQuiet() async {
        while await plan.isQuiet.wait(until: { $0 }) {
            giveBackWaiting()
            plan.logger.notice("the worker is quiet: it takes no more jobs", metadata: ["running": "\(crew.withLock { $0.atWork })"])
            guard await plan.isQuiet.wait(until: { !$0 }) else { return }
            plan.logger.notice("the worker takes jobs again")
        }
    }

    /// Waits until it is time to lease. Of the jobs that were leased ahead those are given back meanwhile for which no slot will soon be free.
    /// - Returns: false when the task is cancelled.
    private func hasRoom(in window: inout LeaseWindow, _ clock: ThreadClock) async -> Bool {
        while true {
            let isEnough: @Sendable (Desk) -> Bool = { [window] in window.isWorthARequest($0) }
            let (isReady, held, finished) = desk.withLock { (isEnough($0), $0.held, $0.finished) }
            if isReady { return !Task.isCancelled }
            let excess = held - window.concurrency
            guard excess > 0 else { return await desk.wait(until: isEnough) }
            if await desk.wait(until: isEnough, atMost: plan.patience, clock: clock) { return !Task.isCancelled }
            if Task.isCancelled { return false }
            giveBackWaiting(atMost: window.surplus(of: excess, ended: desk.withLock { $0.finished } - finished))
        }
    }

    /// Gives back untouched what was leased last and did not begin.
    func giveBackWaiting(atMost count: Int = .max) { giveBack(crew.withLock { $0.withdraw(atMost: count) }) }

    /// Gives back untouched what did not begin; what was cancelled meanwhile, or whose lease is gone, is only let go of.
    private func giveBack(_ attempts: some Sequence<Attempt>) {
        for attempt in attempts {
            let outcome: Settlement.Outcome =
                switch attempt.ending {
                case .cancelled: .dropped(.cancelled)
                case .leaseLost: .dropped(.leaseLost)
                case .timeout, .shutdown, nil: .untouched
                }
            handOver(Settlement(attempt: attempt, outcome: outcome, took: .zero), hasRun: false)
        }
    }

    private func start(_ deliveries: [Delivery], _ window: inout LeaseWindow) {
        let sendProgress: @Sendable (Attempt) async throws -> Void = { [heartbeat] in heartbeat.noteProgress(of: $0) }
        var attempts: [Attempt] = []
        attempts.reserveCapacity(deliveries.count)
        for delivery in deliveries {
            attempts.append(
                Attempt(delivery, handler: runner.handler(for: delivery), logger: plan.logger, sendProgress: sendProgress)
            )
        }
        let count = attempts.count
        let held = desk.withLock { desk in
            desk.held += count
            return desk.held - count
        }
        heartbeat.hold(attempts)
        // Those that were on their way when the worker became quiet, and those that would wait here for their last attempt.
        let isQuiet = plan.isQuiet.withLock { $0 }
        let begin = isQuiet ? 0 : min(max(0, plan.concurrency - held), count)
        let back = attempts[begin...].filter { isQuiet || $0.isLast }
        if back.isEmpty {
            run(attempts)
        } else {
            if !isQuiet { window.metLastAttempt() }
            giveBack(back)
            run(attempts[..<begin] + attempts[begin...].filter { !isQuiet && !$0.isLast })
        }
        // It may have become quiet since, and what was there then was given back before these came.
        if !isQuiet, plan.isQuiet.withLock({ $0 }) { giveBackWaiting() }
    }
}
