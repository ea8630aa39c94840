import GodwitCore

/// A queue in memory: its settings, the jobs in line, and numbers that are kept, never counted.
struct QueueState: Sendable {
    /// Jobs that waited before its change were ended.
    struct Purge {
        var stamp: Stamp
        var change: UInt64
        /// Whether something was to be left of them, as the settings said then.
        var keeps: Bool
    }

    let name: QueueName
    var settings: QueueSettings
    /// The change that made the settings: their version.
    var settingsChange: UInt64
    /// The newest change to anything that its status shows.
    var change: UInt64
    var isPaused = false
    var isDeleted = false

    var ready = ReadyJobs()
    /// Queued jobs that stand behind others of their groups, where the queue drops its oldest; see ``EngineState/standBehind(_:_:_:)``.
    var behind = ReadyJobs()
    var counts = QueueStatus.Counts()
    /// Bytes of unfinished jobs, and of those among them that wait.
    var bytes = 0
    var waitingBytes = 0

    /// The change of the latest purge that met a job.
    var purge: UInt64 = 0
    /// Those whose jobs are not all ended one by one yet, oldest first.
    var purges: [Purge] = []
    /// How many walks over its jobs are under way.
    var cleanings = 0

    /// Succeeded and cancelled jobs, failed and expired ones: each kind has its own time.
    var succeeded = FinishedJobs()
    var failed = FinishedJobs()
    var keys = DedupWindow()
    var hasWarnedOfKeys = false

    var totals = QueueStatus.Totals()
    var throughput = Throughput()
    /// Callers who wait for a job of it, in the order in which they came.
    var waiting = WaitingLine()
    /// The latest snapshot of the table that has noted it.
    var snapshot: UInt32 = 0

    init(name: QueueName, settings: QueueSettings, change: UInt64) {
        self.name = name
        self.settings = settings
        settingsChange = change
        self.change = change
    }

    var keepsFinished: Bool { if case .keep = settings.retention { true } else { false } }

    /// How many finished jobs are over the number that is kept.
    var overCount: Int {
        guard case .keep(_, _, let count) = settings.retention else { return succeeded.count + failed.count }
        return max(0, succeeded.count + failed.count - count)
    }

    /// Whether ready jobs wait while somebody could work on them.
    var isBusy: Bool { !isPaused && counts.queued > 0 && (counts.running > 0 || waiting.count > 0) }

    /// Jobs that a newcomer waits behind: those that are ready and those that run.
    private func ahead(adding added: Int) -> Double { Double(counts.queued + counts.running + added) }

    /// Whether a newcomer behind so many more would be expected to wait for longer than the queue allows (Little's law).
    func isSlow(adding added: Int) -> Bool {
        guard let most = settings.maxWait, let rate = throughput.jobsPerSecond else { return false }
        return ahead(adding: added) / rate > most / .seconds(1)
    }

    /// How long to wait before there is likely room: (L - 0.9 x bound) / X; 5 s while that is unknown or not positive.
    func retryAfter(adding added: Int = 0) -> Duration {
        let unknown: Duration = .seconds(5)
        guard let rate = throughput.jobsPerSecond else { return unknown }
        // Scheduled and retrying jobs count against the bound, but no worker makes them fewer.
        let ahead = ahead(adding: added)
        var excess = ahead - 0.9 * Double(settings.maxJobs)
        if counts.unfinished > 0, bytes > 0 {
            let meanSize = Double(bytes) / Double(counts.unfinished)
            excess = max(excess, (Double(bytes) - 0.9 * Double(settings.maxBytes)) / meanSize)
        }
        if let most = settings.maxWait { excess = max(excess, ahead - 0.9 * rate * (most / .seconds(1))) }
        let seconds = excess / rate
        guard seconds > 0, seconds.isFinite else { return unknown }
        return .milliseconds(Int64(min(seconds * 1_000, 1e15).rounded(.up)))
    }
}
