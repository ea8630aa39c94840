import GodwitCore
import Synchronization

/// Leases jobs and runs a command for each, until it is told to stop.
struct CommandWorker: Sendable {
    struct Options: Sendable {
        var queues: [String]
        var concurrency: Int
        /// How long a lease lasts without a heartbeat; they are sent three times as often.
        var lease: Duration
        /// How long running commands have to finish once a stop was asked for.
        var grace: Duration
        var limits: CommandRun.Limits
        /// The program's path, and its arguments with its name first.
        var path: String
        var arguments: [String]
        var environment: [String: String]

        /// How long a request waits for jobs. A lease is counted from the moment it was asked for, since nobody here knows when within the wait
        /// it began: most of it must be left when the answer comes.
        var poll: Duration { min(.seconds(20), lease / 3) }
    }

    /// What became of a job in this worker's hands.
    struct Report: Sendable {
        var job: LeasedJob
        var settlement: JobEnding
        var duration: Duration
        /// Why the store did not take the settlement.
        var failure: CommandFailure?
    }

    let store: Store
    let options: Options
    let holder: String
    let shutdown: Shutdown
    let report: @Sendable (Report) -> Void

    private let jobs: RunningJobs
    private let fault = Fault()

    init(store: Store, options: Options, shutdown: Shutdown, report: @escaping @Sendable (Report) -> Void) {
        self.store = store
        self.options = options
        self.shutdown = shutdown
        self.report = report
        holder = "cli-" + String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
        jobs = RunningJobs(capacity: options.concurrency)
    }

    /// Works until a stop is asked for, then lets running commands finish and gives back what is left.
    /// - Throws: ``CommandFailure`` when the store refuses to give jobs at all, its answers cannot be taken, or the command cannot be started.
    func run() async throws {
        shutdown.whenUrgent { [jobs] in Task { await jobs.endAll(.shutdown) } }
        let heart = Task { await beat() }
        var failure: CommandFailure?
        await withDiscardingTaskGroup { group in
            do {
                try await leaseUntilStopped(into: &group)
            } catch {
                failure = error as? CommandFailure ?? CommandFailure.failed("\(error)", code: "internal")
            }
            await endWhenGraceIsOver(in: &group)
        }
        failure = failure ?? fault.failure
        heart.cancel()
        _ = await heart.value
        // What was leased by a request whose answer never came is given back now, instead of when its lease ends.
        try? await store.release(holder: holder)
        if let failure { throw failure }
    }

    private func leaseUntilStopped(into group: inout DiscardingTaskGroup) async throws {
        var tries = 0
        var hasReached = false
        var atMost = options.concurrency
        while !shutdown.isRequested {
            await shutdown.intake.opened()
            guard let room = try await shutdown.interrupting({ [jobs] in await jobs.room() }), room > 0, !shutdown.intake.isQuiet else {
                continue
            }
            let count = min(room, atMost)
            do {
                let asked = ContinuousClock.now
                let leases = try await shutdown.interrupting { [store, options, holder] in
                    try await store.lease(queues: options.queues, max: count, lease: options.lease, wait: options.poll, holder: holder)
                }
                if tries > 0 { Output.message("godwit: the store answers again") }
                tries = 0
                hasReached = true
                atMost = min(options.concurrency, atMost * 2)
                for leased in leases ?? [] {
                    let deadline = asked + options.lease
                    if shutdown.intake.isQuiet {
                        // The request was under way when no more were to be taken. Given up, it might have left jobs that nobody has.
                        group.addTask { _ = try? await settle(leased.lease, .release, until: deadline) }
                    } else {
                        await start(leased, until: deadline, in: &group)
                    }
                }
            } catch let failure as CommandFailure where failure.isUnusableAnswer && count > 1 {
                // One job of many may be what makes it so: with fewer at a time the others can be done.
                atMost = count / 2
                Output.message("godwit: \(failure.message); asking for \(atMost) at a time")
            } catch let failure as CommandFailure where hasReached && failure.isTransient && !failure.isUnusableAnswer {
                tries += 1
                if tries == 1 { Output.message("godwit: \(failure.message); trying again until it answers") }
                var random = SystemRandomNumberGenerator()
                let pause = Backoff(base: .milliseconds(200), cap: .seconds(10)).delay(after: tries, using: &random)
                // The backoff itself; a stop ends it.
                _ = try await shutdown.interrupting { try await Task.sleep(for: pause) }
            }
        }
    }

    private func start(_ leased: Store.Leased, until deadline: ContinuousClock.Instant, in group: inout DiscardingTaskGroup) async {
        switch leased {
        case .job(let job):
            let run = CommandRun(limits: options.limits, echo: true)
            await jobs.add(job.lease, .init(run: run, deadline: deadline))
            group.addTask { await work(on: job, with: run) }
        case .unreadable(let lease, let id):
            // It would be no more readable the next time: the failure is final, and says where to look.
            let message = "`godwit work` of version \(GodwitVersion.current) cannot read the job that the store gave it"
            Output.message("godwit: job \(id): \(message)")
            let settlement = JobEnding.fail(message: message, code: "unreadable_job", isFinal: true)
            group.addTask { _ = try? await settle(lease, settlement, until: deadline) }
        }
    }

    /// Ends the commands that still run when the grace is over; ends itself when all have.
    private func endWhenGraceIsOver(in group: inout DiscardingTaskGroup) async {
        guard await !jobs.isEmpty else { return }
        Output.message("godwit: finishing what runs; interrupt again to stop it")
        group.addTask { [jobs, options] in
            let end = ContinuousClock.now + options.grace
            while await !jobs.isEmpty {
                guard ContinuousClock.now < end else { return await jobs.endAll(.shutdown) }
                // Looked at now and then, for once in a worker's life: not worth a wait of its own in `RunningJobs`.
                try? await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    private func work(on job: LeasedJob, with run: CommandRun) async {
        let start = ContinuousClock.now
        let settlement: JobEnding
        do {
            let outcome = try await run.run(
                path: options.path,
                arguments: options.arguments,
                environment: job.environment(on: options.environment),
                payload: job.payload,
                timeout: job.timeout
            )
            settlement = JobEnding(outcome, limits: options.limits)
        } catch {
            // That the command does not start is no fault of the job, and does not count as an attempt.
            settlement = .release
            if (error as? SpawnFailure)?.isLackOfRoom == true {
                Output.message("godwit: \(error); trying again")
                // The job is given back after a moment, not at once: the system does not tell when it has room again.
                try? await Task.sleep(for: .seconds(1))
            } else if fault.set(.usage("\(error)")), !shutdown.isRequested {
                shutdown.request()
            }
        }
        var report = Report(job: job, settlement: settlement, duration: start.duration(to: .now))
        do {
            report.settlement = try await settle(job.lease, settlement, until: jobs.deadline(of: job.lease) ?? .now)
        } catch {
            report.failure = error as? CommandFailure ?? CommandFailure.failed("\(error)", code: "internal")
        }
        self.report(report)
        await jobs.remove(job.lease)
    }

    /// Says how a job ended, again and again until the store takes it or the lease is over.
    /// - Returns: What was said in the end: a result that the store refuses makes the job fail.
    @discardableResult
    private func settle(_ lease: String, _ settlement: JobEnding, until deadline: ContinuousClock.Instant) async throws -> JobEnding {
        let retry = RetryPolicy(limit: max(.seconds(1), ContinuousClock.now.duration(to: deadline)), isRepeatable: true)
        do {
            try await retry.run { try await store.settle(lease, settlement) }
            return settlement
        } catch let failure as CommandFailure where failure.exit == .usage {
            guard case .complete = settlement else { throw failure }
            // The same command would write the same again: trying the job again does not help.
            let message = "the store refused the result: \(failure.message)"
            let settlement = JobEnding.fail(message: message, code: "result_\(failure.code)", isFinal: true)
            try await retry.run { try await store.settle(lease, settlement) }
            return settlement
        }
    }

    /// Renews all leases at a third of their time, and ends the commands of those that are lost.
    private func beat() async {
        let interval = options.lease / 3
        while !Task.isCancelled {
            // The heartbeat's rhythm.
            try? await Task.sleep(for: interval)
            let leases = await jobs.leases
            guard !leases.isEmpty, !Task.isCancelled else { continue }
            let asked = ContinuousClock.now
            do {
                for beat in try await store.extend(leases, by: options.lease, timeout: interval) {
                    switch beat {
                    case .good(let lease): await jobs.renewed(lease, until: asked + options.lease)
                    case .cancelled(let lease): await jobs.end(lease, .leaseLost("it was cancelled"))
                    case .lost(let lease, let why): await jobs.end(lease, .leaseLost(why))
                    }
                }
            } catch {
                // The store may be back for the next beat; what is overdue by then is ended below.
            }
            await jobs.endOverdue(at: .now)
        }
    }
}

/// The first reason why no command can be started.
private final class Fault: Sendable {
    private let state = Mutex<CommandFailure?>(nil)

    var failure: CommandFailure? { state.withLock { $0 } }

    /// True for the first one.
    func set(_ failure: CommandFailure) -> Bool {
        state.withLock { state in
            guard state == nil else { return false }
            state = failure
            return true
        }
    }
}
