import GodwitCore
import GodwitJournal

/// When a change was decided, on both clocks.
struct Stamp: Equatable, BitwiseCopyable {
    /// Engine time in milliseconds: it never goes back, over restarts either.
    var engine: Int64
    /// Wall time in milliseconds since 1970.
    var wall: Int64
}

/// A decision as it is recorded: the engine applies it at once, and replay applies it again, deciding nothing.
enum Change {
    case store(StoreIdentity)
    /// What may be recorded from here on.
    case level(FormatLevel)
    case restored(Restoration)
    case opened(Opening)
    case clock
    /// The numbers below this one may be given out before the records that give them out are durable.
    case reserved(end: UInt64)
    case queue(QueueChange)
    case paused(queue: UInt32, Bool)
    case purged(queue: UInt32)
    case queueDeleted(queue: UInt32)
    case published(Publication)
    case past(Past)
    case leased(Grant)
    case completed(Completion)
    /// Messages of which nothing is kept, without results.
    case completedTogether([UInt64])
    case failed(FailedAttempt)
    case released(Release)
    case cancelled(Cancellation)
    case retried(Retry)
    case forgotten(sequence: UInt64)
    /// A waiting dead letter went back to where it came from, in the same group.
    case redriven(sequence: UInt64)
    case due([DueJob])
    case expired([UInt64])
    case progressed(sequence: UInt64, JobProgress)
    case put(StoredValue)
    case added(CountedStep)
    /// What followed a job's end, or a full counter, was done in the same group.
    case followed(FollowedEnd)
    case deleted(key: RecordKey)
    case swept(Sweep)
    case moved(Move)
    case outcome(SessionOutcome)
    case sessionsEnded([[UInt8]])
}

/// A transaction's number in its client's session.
struct SessionName: Equatable {
    var id: [UInt8]
    var number: UInt64
    /// Up to which number the client has all answers.
    var acknowledged: UInt64
}

/// What a numbered transaction came to, in the same group as its other records.
struct SessionOutcome: Equatable {
    var session: SessionName
    /// See ``ResultView/encode(_:)``.
    var results: [UInt8]
}

/// The store was opened: leases get their full time again, and fencing numbers start above all earlier ones.
struct Opening: Equatable {
    var epoch: UInt32
    var bootID: String
    /// The clock's milliseconds since boot at the stamp's time.
    var boot: Int64
    /// Milliseconds that the wall clock jumped beyond what is believed: they are not in engine time until they are accepted.
    var withheld: Int64 = 0
}

/// The store began again from a backup: what was made after the backup is not there, and must never be taken for what is.
struct Restoration: Equatable {
    /// Of all ids from here on; no life of the store had it before.
    var incarnation: UInt16
    /// Higher than any that an opening recorded, also after the backup.
    var epoch: UInt32
}

/// A queue was created or got other settings.
struct QueueChange: Equatable {
    var queue: UInt32
    var name: QueueName
    var settings: QueueSettings
}

/// A job was published.
struct Publication {
    var sequence: UInt64
    var queue: UInt32
    var maxAttempts: UInt16
    var priority: UInt8
    var due: Due?
    /// Engine time at which it expires unless it was started.
    var expires: Int64?
    /// Milliseconds an attempt may take.
    var timeout: Int64?
    var key: [UInt8]?
    var fingerprint: UInt64?
    /// What it counts against its queue's bytes.
    var size: Int
    /// The job whose dead letter it is.
    var origin: UInt64?
    /// Wall time at which it was published first, in another store.
    var created: Int64?
    var group: [UInt8]?
    var claim: [UInt8]?
    /// How many bytes of the record's body say what follows its end.
    var onFinalBytes = 0
    /// Whether it ends with the process.
    var isTransient = false
    /// Nil when it is replayed: what it says stays in the journal.
    var message: MessageBox?
}

/// When a job may run.
enum Due: Equatable {
    /// Engine time in milliseconds.
    case engine(Int64)
    /// Wall time in milliseconds.
    case wall(Int64)
}

/// Jobs were leased to a holder.
struct Grant: Equatable {
    var holder: HolderID
    /// Milliseconds; 0 for as long as the holder lives.
    var term: Int64
    /// Whether the leases end with the process.
    var endsWithProcess: Bool
    /// The fencing number of the first; each further one is one higher.
    var firstFencing: UInt64
    var sequences: [UInt64]
}

struct Completion {
    var sequence: UInt64
    var attempts: Attempts
    /// Without its bytes when it is replayed.
    var result: Content?
    var resultBytes: Int
}

/// A job was cancelled, while it waited or ran.
struct Cancellation: Equatable {
    var sequence: UInt64
    var attempts: Attempts
}

/// A scheduled or retrying job was put into its line at once, or a finished one was queued again.
struct Retry: Equatable {
    /// What memory does not hold of a finished job, and must of an unfinished one.
    struct Revival: Equatable {
        var size: Int
        var priority: UInt8
        /// As they were when it ended.
        var attempts: Attempts
        /// Milliseconds an attempt may take.
        var timeout: Int64?
        var group: [UInt8]?
        var claim: [UInt8]?
        /// Whether something follows its end.
        var hasFollowUps = false
    }

    var sequence: UInt64
    var position: UInt64
    /// Of a finished job.
    var revival: Revival?
}

/// A small record was put.
struct StoredValue {
    var key: RecordKey
    /// Empty when it is replayed.
    var value: Bytes
    var valueBytes: Int
    /// Engine time.
    var expires: Int64?
}

/// An attempt failed. One with the reason `dropped` ends a job that waits.
struct FailedAttempt {
    enum Next: Equatable {
        /// Engine time at which its backoff ends.
        case retry(Int64)
        /// Queued at once at this position.
        case queue(UInt64)
        case final
    }

    var sequence: UInt64
    var attempts: Attempts
    /// Without its message when it is replayed.
    var failure: Failure
    var messageBytes: Int
    var next: Next
    /// What the job dies of, when this is its end.
    var reason: DeathReason?

    init(sequence: UInt64, attempts: Attempts, failure: Failure, next: Next) {
        self.sequence = sequence
        self.attempts = attempts
        self.failure = failure
        messageBytes = failure.message.utf8.count
        self.next = next
    }
}

struct Release: Equatable {
    var sequence: UInt64
    var isCounted: Bool
    /// Whether it is as if it had not been delivered.
    var isUntouched = false
    /// Engine time in milliseconds; nil for at once.
    var due: Int64?
    /// Its new place in line, behind all others; nil for the one that it had.
    var position: UInt64?
    /// All headers that differ from those that were published.
    var amended: [Header] = []
}

/// A scheduled or retrying job may run now.
struct DueJob: Equatable {
    var sequence: UInt64
    var position: UInt64
}

/// Finished jobs whose retention ended, and the oldest keys of a queue, were dropped.
struct Sweep: Equatable {
    var queue: UInt32
    var sequences: [UInt64] = []
    /// How many of the oldest keys.
    var keys = 0
}
