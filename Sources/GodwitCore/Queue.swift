/// What an operator can set for a queue.
public struct QueueSettings: Sendable, Hashable {
    /// How long ended jobs are kept.
    public enum Retention: Sendable, Hashable {
        /// Nothing is left of a job that ended.
        case none
        /// Succeeded (and cancelled) jobs and failed (and expired) ones for a time each, and no more than `count` of all together.
        case keep(succeeded: Duration, failed: Duration, count: Int)

        /// Succeeded jobs for a day, failed ones for 7 days, a million of all together.
        public static let standard = Retention.keep(succeeded: .seconds(86_400), failed: .seconds(7 * 86_400), count: 1_000_000)
    }

    /// What happens to a publish that a bound keeps out.
    public enum Overflow: String, Sendable, Hashable, CaseIterable {
        /// It is refused as busy.
        case reject
        /// The oldest queued job of the lowest priority ends as failed (`dropped`) for it, unless that priority is above the newcomer's.
        case dropOldest = "drop_oldest"
    }

    /// The most unfinished jobs.
    public var maxJobs = 1_000_000
    /// The most bytes of unfinished jobs (``NewMessage/size``).
    public var maxBytes = 1 << 30
    /// The longest that a newcomer may be expected to wait: (queued + running) jobs, divided by how many end per second of busy time. Nil: any.
    public var maxWait: Duration?
    /// What happens to a publish that a bound keeps out.
    public var overflow = Overflow.reject
    /// A job expires when it was not started for this long after it could first run. Nil: never.
    public var ttl: Duration?
    /// Attempts of a job whose publisher said nothing.
    public var maxAttempts = Limits.defaultMaxAttempts
    /// How often a job is delivered at most, crashes and releases among it. Nil: any number of times.
    public var maxDeliveries: Int?
    /// The queue that gets a message for every job that fails for good, expires or is dropped, with its history. Nil: they are kept in
    /// place alone.
    public var deadLetterQueue: String?
    /// How long a lease lasts when the one who takes it says nothing.
    public var lease: Duration = .seconds(30)
    /// How long jobs that ended are kept.
    public var retention = Retention.standard
    /// How long an idempotency key is remembered.
    public var dedupWindow: Duration = .seconds(86_400)
    /// The most keys remembered; when as many are, keyed publishes are refused as busy.
    public var dedupMax = 1_000_000

    /// What a queue has of which nothing was said.
    public init() {}

    /// - Parameter queue: whose settings they are to be.
    /// - Throws: ``BrokerError`` (`invalidArgument`) that names the setting and what it may be.
    package func validate(for queue: QueueName? = nil) throws(BrokerError) {
        func check(_ field: String, _ good: Bool, _ range: String) throws(BrokerError) {
            guard good else { throw .invalidArgument(field, "\(field) must be \(range)") }
        }
        try check("max_jobs", (1...1_000_000_000).contains(maxJobs), "1 to 1,000,000,000")
        try check("max_bytes", (1...(1 << 50)).contains(maxBytes), "1 byte to 1 PiB")
        try check("max_attempts", (1...Limits.maxAttempts).contains(maxAttempts), "1 to \(Limits.maxAttempts)")
        if let maxWait { try check("max_wait", (.milliseconds(1)...Limits.longestDuration).contains(maxWait), "1ms to 3650d") }
        if let ttl { try check("ttl", (.milliseconds(1)...Limits.longestDuration).contains(ttl), "1ms to 3650d") }
        if let maxDeliveries {
            try check("max_deliveries", (1...Limits.maxAttempts).contains(maxDeliveries), "1 to \(Limits.maxAttempts)")
        }
        if let deadLetterQueue {
            let name: QueueName
            do { name = try QueueName(deadLetterQueue) } catch { throw .invalidArgument("dead_letter_queue", error.message) }
            try check("dead_letter_queue", name != queue, "another queue: what failed here would come back for ever")
        }
        try check("lease", (Limits.shortestLease...Limits.longestLease).contains(lease), "100ms to 12h")
        try check("dedup_window", (.milliseconds(1)...Limits.longestDuration).contains(dedupWindow), "1ms to 3650d")
        try check("dedup_max", (0...100_000_000).contains(dedupMax), "0 to 100,000,000")
        if case .keep(let succeeded, let failed, let count) = retention {
            let times: ClosedRange<Duration> = .zero...Limits.longestDuration
            try check("retention.succeeded", times.contains(succeeded), "0s to 3650d")
            try check("retention.failed", times.contains(failed), "0s to 3650d")
            try check("retention.count", (0...1_000_000_000).contains(count), "0 to 1,000,000,000")
        }
    }
}

/// A queue as it stands: kept numbers, never counted ones.
public struct QueueStatus: Sendable, Hashable {
    /// Jobs by state.
    public struct Counts: Sendable, Hashable {
        /// Unfinished jobs: those that wait for their time, for a worker, that run, and that wait for another attempt.
        public var scheduled = 0, queued = 0, running = 0, retrying = 0
        /// Finished jobs that are kept.
        public var succeeded = 0, failed = 0, cancelled = 0, expired = 0

        package init() {}

        /// All jobs that have not ended.
        public var unfinished: Int { scheduled + queued + running + retrying }

        package subscript(state: JobState) -> Int {
            get {
                switch state {
                case .scheduled: scheduled
                case .queued: queued
                case .running: running
                case .retrying: retrying
                case .succeeded: succeeded
                case .failed: failed
                case .cancelled: cancelled
                case .expired: expired
                }
            }
            set {
                switch state {
                case .scheduled: scheduled = newValue
                case .queued: queued = newValue
                case .running: running = newValue
                case .retrying: retrying = newValue
                case .succeeded: succeeded = newValue
                case .failed: failed = newValue
                case .cancelled: cancelled = newValue
                case .expired: expired = newValue
                }
            }
        }
    }

    /// What happened since the store was opened.
    public struct Totals: Sendable, Hashable {
        /// Published, the publishes that were refused for want of room, and the repeated ones that a key recognised.
        public var published = 0, refused = 0, duplicates = 0
        /// Deliveries, and attempts by how they ended.
        public var delivered = 0, succeeded = 0, failedAttempts = 0, leasesExpired = 0
        /// Jobs that were dropped for newer ones, and those whose dead letter went to another queue.
        public var dropped = 0, deadLettered = 0
        /// Jobs that failed for good, dropped ones not counted, and those that expired.
        public var failed = 0, expired = 0
        package init() {}
    }

    package var name: QueueName
    /// The queue's name.
    public var queue: String { name.description }
    /// What an operator set for it.
    public var settings: QueueSettings
    package var settingsVersion: Version
    /// Whether its deliveries are stopped.
    public var isPaused: Bool
    /// Its jobs by state.
    public var counts: Counts
    /// Bytes of unfinished jobs.
    public var bytes: Int
    /// Idempotency keys remembered.
    public var keys: Int
    /// What happened in it since the store was opened.
    public var totals: Totals
    /// The creation time of the job at the head, while one is queued.
    package var oldestQueued: Timestamp?
    /// How many jobs end per second while ready ones wait, as publishing is refused by (``QueueSettings/maxWait``); nil while too little is known, and
    /// where the broker does not say.
    package var jobsPerSecond: Double?

    package init(
        name: QueueName,
        settings: QueueSettings,
        settingsVersion: Version,
        isPaused: Bool,
        counts: Counts,
        bytes: Int,
        keys: Int,
        totals: Totals,
        oldestQueued: Timestamp?,
        jobsPerSecond: Double? = nil
    ) {
        self.name = name
        self.settings = settings
        self.settingsVersion = settingsVersion
        self.isPaused = isPaused
        self.counts = counts
        self.bytes = bytes
        self.keys = keys
        self.totals = totals
        self.oldestQueued = oldestQueued
        self.jobsPerSecond = jobsPerSecond
    }

    /// How long a newcomer is expected to wait behind the jobs that are ready and those that run, by Little's law; nil while the pace is not known.
    package var expectedWait: Duration? {
        let ahead = counts.queued + counts.running
        if ahead == 0 { return .zero }
        guard let jobsPerSecond, jobsPerSecond > 0 else { return nil }
        return .milliseconds(Int64(min(Double(ahead) / jobsPerSecond * 1_000, 1e15)))
    }
}
