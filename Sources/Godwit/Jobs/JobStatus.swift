public import Foundation
public import GodwitCore

/// A job as it stood at one moment.
public struct JobStatus: Sendable, Hashable, Identifiable {
    /// An attempt that failed. Of a cancelled or expired job the last one says so.
    public struct AttemptError: Sendable, Hashable {
        /// What went wrong, for people.
        public var message: String
        /// A stable word for programs: one of Godwit's own, which docs/http.md lists under "What an attempt failed of", or what the worker said:
        /// the code of a ``JobFailure``, else the type of the thrown error.
        public var code: String?
        /// 1 for the first delivery; 0 when the job ended before any.
        public var attempt: Int
        /// When it failed.
        public var at: Date
    }

    /// What a dead letter died of in one queue, and how often.
    public struct Death: Sendable, Hashable {
        /// Where it died.
        public var queue: String
        /// What it died of.
        public var reason: DeathReason
        /// How often it died of this in this queue.
        public var count: Int
        /// When it did so first.
        public var firstAt: Date
        /// When it did so the last time.
        public var lastAt: Date
        /// The job that died the last time.
        public var job: JobID
        /// That job's attempts.
        public var attempt: Int
        /// How often that job was delivered.
        public var deliveries: Int
    }

    /// The job's id.
    public var id: JobID
    /// The queue that it is in.
    public var queue: String
    /// ``Job/name``; nil when its publisher gave none.
    public var name: String?
    /// Where it stands.
    public var state: JobState
    /// 0 before the first delivery, 1 from then on.
    public var attempt: Int
    /// How many attempts it has at most.
    public var maxAttempts: Int
    /// 0 to 255: higher ones come first.
    public var priority: Int
    /// What its handler said last of how far it is.
    public var progress: JobProgress?
    /// When it was enqueued.
    public var createdAt: Date
    /// When it may run next: the time that was asked for, or the end of its backoff; nil when it waits for a worker only.
    public var runAt: Date?
    /// When its latest attempt began.
    public var startedAt: Date?
    /// When it ended; nil before.
    public var finishedAt: Date?
    /// The ordered group that it belongs to.
    public var group: String?
    /// Whether it is gone when the store is opened again.
    public var isTransient: Bool
    /// What a failed or expired job died of.
    public var reason: DeathReason?
    /// What the job that this is the dead letter of died of, newest first; see ``QueueSettings/deadLetterQueue``.
    public var deaths: [Death]
    /// How often it was delivered, crashes and releases among it.
    public var deliveries: Int
    /// The failed attempts, oldest first; at most the last ten.
    public var errors: [AttemptError]

    /// The latest failed attempt.
    public var error: AttemptError? { errors.last }

    package init(_ job: JobSnapshot) {
        id = job.id
        queue = job.queue.description
        name = job.name
        state = job.state
        attempt = job.attempt
        maxAttempts = job.maxAttempts
        priority = job.priority
        progress = job.progress
        createdAt = job.createdAt.date
        runAt = job.runAt?.date
        startedAt = job.startedAt?.date
        finishedAt = job.finishedAt?.date
        group = job.group
        isTransient = job.isTransient
        reason = job.reason
        deaths = job.deaths.map { Death($0) }
        deliveries = job.deliveries
        errors = job.errors.map { AttemptError(message: $0.message, code: $0.code, attempt: $0.attempt, at: $0.at.date) }
    }
}

extension JobStatus.Death {
    fileprivate init(_ death: GodwitCore.Death) {
        self.init(
            queue: death.queue.description,
            reason: death.reason,
            count: death.count,
            firstAt: death.firstAt.date,
            lastAt: death.lastAt.date,
            job: death.job,
            attempt: death.attempt,
            deliveries: death.deliveries
        )
    }
}
