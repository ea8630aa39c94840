/// The jobs whose commands run, and how much room there is for more.
actor RunningJobs {
    struct Entry: Sendable {
        var run: CommandRun
        /// When the lease ends unless it is renewed, by this process's own clock.
        var deadline: ContinuousClock.Instant
    }

    private let capacity: Int
    private var entries: [String: Entry] = [:]
    private var waiter: CheckedContinuation<Void, Never>?

    init(capacity: Int) { self.capacity = capacity }

    var leases: [String] { Array(entries.keys) }
    var isEmpty: Bool { entries.isEmpty }

    /// Waits until another job can be started, or somebody cancels the task; gives how many can.
    func room() async -> Int {
        while entries.count >= capacity && !Task.isCancelled {
            await withTaskCancellationHandler {
                await withCheckedContinuation { waiter = $0 }
            } onCancel: {
                Task { await self.wake() }
            }
        }
        return capacity - entries.count
    }

    func add(_ lease: String, _ entry: Entry) { entries[lease] = entry }

    func remove(_ lease: String) {
        entries[lease] = nil
        wake()
    }

    func deadline(of lease: String) -> ContinuousClock.Instant? { entries[lease]?.deadline }

    func renewed(_ lease: String, until deadline: ContinuousClock.Instant) { entries[lease]?.deadline = deadline }

    /// Ends the command of one job.
    func end(_ lease: String, _ reason: CommandRun.Ending) { entries[lease]?.run.end(reason) }

    func endAll(_ reason: CommandRun.Ending) { entries.values.forEach { $0.run.end(reason) } }

    /// Ends the commands whose leases are over, for another worker may have their jobs by now.
    func endOverdue(at now: ContinuousClock.Instant) {
        for entry in entries.values where entry.deadline <= now {
            entry.run.end(.leaseLost("its lease ended, because no heartbeat reached the store"))
        }
    }

    private func wake() {
        waiter?.resume()
        waiter = nil
    }
}
