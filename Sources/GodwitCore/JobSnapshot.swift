/// A job's state at one version.
package struct JobSnapshot: Sendable, Hashable {
    package var id: JobID
    package var queue: QueueName
    /// The job type's name; nil when the publisher gave none.
    package var name: String?
    package var state: JobState
    /// 0 before the first delivery, 1 from then on.
    package var attempt: Int
    package var maxAttempts: Int
    package var priority: Int
    package var progress: JobProgress?
    package var createdAt: Timestamp
    /// When it may run next: the time that was asked for, or the end of its backoff; nil when nothing but a worker is awaited.
    package var runAt: Timestamp?
    /// When its latest attempt began.
    package var startedAt: Timestamp?
    package var finishedAt: Timestamp?
    /// The failed attempts, oldest first, at most ``Limits/errorsKept``. A cancelled, purged or expired job's last one says so.
    package var errors: [AttemptFailure]
    /// The ordered group that it belongs to.
    package var group: String?
    /// Whether it is gone when the store is opened again; see ``NewMessage/isTransient``.
    package var isTransient: Bool
    /// How often it was delivered, releases and crashes among it.
    package var deliveries: Int
    /// What a failed or expired job died of.
    package var reason: DeathReason?
    /// What the job that this is the dead letter of died of, newest first; at most ``Limits/deaths``.
    package var deaths: [Death]
    /// Whether it failed or expired and its dead letter went to another queue; false where the broker does not say.
    package var isDeadLettered: Bool
    /// Who holds a running job; nil for all others, and where the broker does not say.
    package var holder: HolderID?
    /// Changes with every change of state or progress; compared for equality alone.
    package var version: Version

    package init(
        id: JobID,
        queue: QueueName,
        name: String?,
        state: JobState,
        attempt: Int,
        maxAttempts: Int,
        priority: Int = 0,
        progress: JobProgress? = nil,
        createdAt: Timestamp,
        runAt: Timestamp? = nil,
        startedAt: Timestamp? = nil,
        finishedAt: Timestamp? = nil,
        errors: [AttemptFailure] = [],
        group: String? = nil,
        isTransient: Bool = false,
        deliveries: Int = 0,
        reason: DeathReason? = nil,
        deaths: [Death] = [],
        isDeadLettered: Bool = false,
        holder: HolderID? = nil,
        version: Version
    ) {
        self.id = id
        self.queue = queue
        self.name = name
        self.state = state
        self.attempt = attempt
        self.maxAttempts = maxAttempts
        self.priority = priority
        self.progress = progress
        self.createdAt = createdAt
        self.runAt = runAt
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.errors = errors
        self.group = group
        self.isTransient = isTransient
        self.deliveries = deliveries
        self.reason = reason
        self.deaths = deaths
        self.isDeadLettered = isDeadLettered
        self.holder = holder
        self.version = version
    }
}

/// A version of a job, a record or a queue's settings: an opaque number that differs from all its earlier ones, after a restart too.
package struct Version: Hashable, Sendable, CustomStringConvertible {
    package let number: UInt64
    package init(_ number: UInt64) { self.number = number }
    package var description: String { String(number) }
}

/// What a broker knows of an id.
package enum JobLookup: Sendable, Hashable {
    case found(JobSnapshot)
    /// The broker never made this id.
    case unknown
    /// The job existed: its retention ended, or somebody forgot it.
    case forgotten

    package var snapshot: JobSnapshot? {
        if case .found(let snapshot) = self { snapshot } else { nil }
    }
}

/// Which jobs a page lists, newest first unless it says otherwise.
package struct JobQuery: Sendable {
    package var queue: QueueName?
    package var state: JobState?
    package var name: String?
    /// What a failed or expired job died of.
    package var reason: DeathReason?
    package var isOldestFirst = false
    /// 1 to ``Limits/page``.
    package var limit: Int
    /// Where the previous page ended; opaque.
    package var cursor: String?
    /// An earlier page's ``JobPage/end``: what was published after that page was made is left out.
    package var end: String?

    package init(
        queue: QueueName? = nil,
        state: JobState? = nil,
        name: String? = nil,
        reason: DeathReason? = nil,
        isOldestFirst: Bool = false,
        limit: Int = 100,
        cursor: String? = nil,
        end: String? = nil
    ) {
        self.queue = queue
        self.state = state
        self.name = name
        self.reason = reason
        self.isOldestFirst = isOldestFirst
        self.limit = limit
        self.cursor = cursor
        self.end = end
    }
}

/// A page of jobs. It may hold fewer than were asked for, even none, and the list goes on as long as `next` is not nil.
package struct JobPage: Sendable {
    package var jobs: [JobSnapshot]
    package var next: String?
    /// Behind the newest job that there was when the page was made; opaque, for ``JobQuery/end``.
    package var end: String

    package init(jobs: [JobSnapshot], next: String?, end: String) {
        self.jobs = jobs
        self.next = next
        self.end = end
    }
}
