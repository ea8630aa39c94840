import GodwitCore

/// A job as the model knows it. Once it is part of a model it does not change: a changed job is a copy, so that models are cheap to copy.
final class ModelJob {
    enum Due {
        /// Engine time in milliseconds.
        case engine(Int64)
        /// Wall time in milliseconds.
        case wall(Int64)
    }

    /// Whoever works on it.
    struct Lease {
        var holder: HolderID
        /// Milliseconds that a renewal gives; 0 for as long as the holder lives.
        var term: Int64
        /// What ``term`` was when the lease was recorded: renewals are not.
        var recordedTerm: Int64
        /// Lease time at which it ends.
        var deadline: Int64
        /// Lease time at which the attempt has taken too long.
        var attemptDeadline: Int64
        var endsWithProcess: Bool
        /// Grows with every lease; ``Knowledge`` has its token once a delivery told it.
        var serial: Int

        var due: Int64 { min(deadline, attemptDeadline) }
    }

    /// A failed attempt.
    struct Attempt: Equatable {
        var code: String?
        var attempt: Int
    }

    private final class Published {
        let message: NewMessage
        init(_ message: NewMessage) { self.message = message }
    }

    /// Counts publications, dead letters among them: what the model calls the job by.
    let number: Int
    /// Grows with every job in the order in which the store made them.
    let birth: Int
    /// What was published, one for all copies.
    private let published: Published
    var message: NewMessage { _read { yield published.message } }
    let size: Int
    /// Its queue's name as a number.
    let queueWord: UInt64
    var state = JobState.queued
    var attempt = 0
    var maxAttempts: Int
    var deliveries = 0
    /// Its place among those of its priority.
    var order: Int
    var due: Due?
    /// Engine time at which it expires unless it was started.
    var expires: Int64?
    var lease: Lease?
    var failures: [Attempt] = []
    var progress: JobProgress?
    var result: Content?
    /// Wall times; nil where the model cannot know.
    let created: Int64
    var started: Int64?
    var finished: Int64?
    /// Engine time of its end.
    var ended: Int64 = 0
    /// How many milliseconds longer it may be kept: a thousandth of the longest time for which it was to be kept since.
    var leeway: Int64 = 0
    var isPurged = false
    /// As they were published, or amended since.
    var headers: [Header]
    /// What it died of.
    var reason: DeathReason?
    /// Its dead letter went to another queue.
    var isDeadLettered = false
    /// What the job that it is the dead letter of died of, newest first.
    var deaths: [ModelDeath] = []
    /// The unit that changed it last.
    var unit: Int

    init(_ number: Int, _ message: NewMessage, maxAttempts: Int, order: Int, created: Int64, unit: Int) {
        self.number = number
        published = Published(message)
        size = message.size
        queueWord = message.queue.word
        self.maxAttempts = maxAttempts
        birth = order
        self.order = order
        self.created = created
        headers = message.headers
        self.unit = unit
    }

    private init(_ job: ModelJob) {
        number = job.number
        birth = job.birth
        published = job.published
        size = job.size
        queueWord = job.queueWord
        state = job.state
        attempt = job.attempt
        maxAttempts = job.maxAttempts
        deliveries = job.deliveries
        order = job.order
        due = job.due
        expires = job.expires
        lease = job.lease
        failures = job.failures
        progress = job.progress
        result = job.result
        created = job.created
        started = job.started
        finished = job.finished
        ended = job.ended
        leeway = job.leeway
        isPurged = job.isPurged
        headers = job.headers
        reason = job.reason
        isDeadLettered = job.isDeadLettered
        deaths = job.deaths
        unit = job.unit
    }

    func copy() -> ModelJob { ModelJob(self) }

    var queue: QueueName { message.queue }
    var isWaiting: Bool { state == .queued || state == .scheduled || state == .retrying }
    /// Whether its dead letter is more than there may be room for beside small settles.
    var isLarge: Bool { size > 4_096 }
    var group: ModelGroup? { message.group.map { ModelGroup(queue: message.queue, name: $0) } }

    /// What findings call it.
    var title: String { message.name == nil ? "message \(number)" : number == Self.number(in: message.name) ? name : "\(name) (\(number))" }
    private var name: String { message.name ?? "" }

    static func name(of number: Int) -> String { "j\(number)" }

    /// The number in a name.
    static func number(in name: String?) -> Int? {
        guard let name, name.first == "j" else { return nil }
        return Int(name.dropFirst())
    }

    /// Why it may not be tried again; nil when it may.
    func exhaustion(_ settings: QueueSettings?) -> DeathReason? {
        if attempt >= maxAttempts { return .maxAttempts }
        return isDeliveredOut(settings) ? .maxDeliveries : nil
    }

    func isDeliveredOut(_ settings: QueueSettings?) -> Bool { deliveries >= settings?.maxDeliveries ?? .max }
}

/// An ordered group as the model knows it: by its queue and its name.
struct ModelGroup: Hashable {
    var queue: QueueName
    var name: String
}

/// A session as the model knows it.
struct ModelSession {
    var outcomes: [UInt64: [ExpectedResult]] = [:]
    /// Of numbers up to this one nothing is known any more unless they are in `outcomes`.
    var floor: UInt64 = 0
    /// Engine time of its latest request.
    var lastUsed: Int64
}

/// A small record as the model knows it.
struct ModelRecord {
    var value: Bytes
    /// Engine time at which it ends.
    var expires: Int64?
    var unit: Int
}

/// A queue as the model knows it.
struct ModelQueue {
    struct Key {
        var number: Int
        var fingerprint: UInt64?
        /// Engine time at which it was recorded.
        var at: Int64
    }

    var settings: QueueSettings
    var isPaused = false
    var keys: [String: Key] = [:]
    /// The unit that made it, or set it up last.
    var settingsUnit: Int
    var unit: Int

    /// How much longer a job that ends now may be kept.
    func leeway(of state: JobState, in queue: QueueName) -> Int64 {
        (ModelRetention(queue: queue, settings.retention).time(of: state) ?? 0) / 1_024
    }

    func isCertain(_ job: ModelJob, endedBefore other: ModelJob) -> Bool {
        if job.ended.addingClamped(job.leeway) < other.ended { return true }
        return job.ended < other.ended && !job.isPurged && !other.isPurged
            && ModelRetention.isAsSucceeded(job.state) == ModelRetention.isAsSucceeded(other.state)
    }

    var keepsFinished: Bool { if case .keep = settings.retention { true } else { false } }
    var keptCount: Int { if case .keep(_, _, let count) = settings.retention { count } else { 0 } }
}

/// How long a queue keeps ended jobs, in milliseconds; nil when it keeps none.
struct ModelRetention {
    let queueWord: UInt64
    private var succeeded: Int64?
    private var failed: Int64?

    init(queue: QueueName, _ retention: QueueSettings.Retention) {
        queueWord = queue.word
        guard case .keep(let succeeded, let failed, _) = retention else { return }
        self.succeeded = succeeded.inMilliseconds
        self.failed = failed.inMilliseconds
    }

    func time(of state: JobState) -> Int64? { Self.isAsSucceeded(state) ? succeeded : failed }

    static func isAsSucceeded(_ state: JobState) -> Bool { state == .succeeded || state == .cancelled }
}
