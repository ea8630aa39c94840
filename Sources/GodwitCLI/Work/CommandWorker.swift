import GodwitCore

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
    }

    /// What became of a job in this worker's hands.
    struct Report: Sendable {
        var job: LeasedJob
        var settlement: Settlement
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

    init(store: Store, options: Options, shutdown: Shutdown, report: @escaping @Sendable (Report) -> Void) {
        self.store = store
        self.options = options
        self.shutdown = shutdown
        self.report = report
        holder = "cli-" + String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
        jobs = RunningJobs(capacity: options.concurrency)
    }

    /// Works until a stop is asked for, then lets running commands finish and gives back what is left.
    /// - Throws: ``CommandFailure`` when the store refuses to give jobs at all.
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
        heart.cancel()
        _ = await heart.value
        // What was leased by a request whose answer never came is given back now, instead of when its lease ends.
        try? await store.release(holder: holder)
        if let failure { throw failure }
    }

    private func leaseUntilStopped(into group: inout DiscardingTaskGroup) async throws {
        var tries = 0
        var hasReached = false
        while !shutdown.isRequested {
            guard let room = try await shutdown.interrupting({ [jobs] in await jobs.room() }), room > 0 else { continue }
            do {
                let asked = ContinuousClock.now
                let leases = try await shutdown.interrupting { [store, options, holder] in
                    try await store.lease(queues: options.queues, max: room, lease: options.lease, wait: .seconds(20), holder: holder)
                }
                if tries > 0 { Output.message("godwit: the store answers again") }
                tries = 0
                hasReached = true
                for job in leases ?? [] {
                    let run = CommandRun(limits: options.limits, echo: true)
                    await jobs.add(job.lease, .init(run: run, deadline: asked + options.lease))
                    group.addTask { await work(on: job, with: run) }
                }
            } catch let failure as CommandFailure where hasReached && (failure.exit == .unreachable || failure.exit == .busy) {
                tries += 1
                if tries == 1 { Output.message("godwit: \(failure.message); trying again until it answers") }
                var random = SystemRandomNumberGenerator()
                let pause = Backoff(base: .milliseconds(200), cap: .seconds(10)).delay(after: tries, using: &random)
                _ = try await shutdown.interrupting { try await Task.sleep(for: pause) }
            }
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
                try? await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    private func work(on job: LeasedJob, with run: CommandRun) async {
        let start = ContinuousClock.now
        let settlement: Settlement
        do {
            let outcome = try await run.run(
                path: options.path,
                arguments: options.arguments,
                environment: options.environment.merging(job.environment) { $1 },
                payload: job.payload,
                timeout: job.timeout
            )
            settlement = Settlement(outcome, limits: options.limits)
        } catch {
            // The system has no room for another process: that is no fault of the job, and a moment's pause may help.
            Output.message("godwit: \(error)")
            settlement = .release
            try? await Task.sleep(for: .seconds(1))
        }
        var report = Report(job: job, settlement: settlement, duration: start.duration(to: .now))
        do {
            let deadline = await jobs.deadline(of: job.lease) ?? .now
            let retry = RetryPolicy(limit: max(.seconds(1), ContinuousClock.now.duration(to: deadline)), isRepeatable: true)
            try await retry.run { try await store.settle(job.lease, settlement) }
        } catch {
            report.failure = error as? CommandFailure ?? CommandFailure.failed("\(error)", code: "internal")
        }
        self.report(report)
        await jobs.remove(job.lease)
    }

    /// Renews all leases at a third of their time, and ends the commands of those that are lost.
    private func beat() async {
        let interval = options.lease / 3
        while !Task.isCancelled {
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
