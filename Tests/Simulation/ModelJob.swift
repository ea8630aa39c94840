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

    /// Counts publications: names the job, and is what its payload says.
    let number: Int
    let message: NewMessage
    let size: Int
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
    /// The unit that changed it last.
    var unit: Int

    init(_ number: Int, _ message: NewMessage, maxAttempts: Int, order: Int, created: Int64, unit: Int) {
        self.number = number
        self.message = message
        size = message.size
        self.maxAttempts = maxAttempts
        self.order = order
        self.created = created
        self.unit = unit
    }

    func copy() -> ModelJob {
        let copy = ModelJob(number, message, maxAttempts: maxAttempts, order: order, created: created, unit: unit)
        copy.state = state
        copy.attempt = attempt
        copy.deliveries = deliveries
        copy.due = due
        copy.expires = expires
        copy.lease = lease
        copy.failures = failures
        copy.progress = progress
        copy.result = result
        copy.started = started
        copy.finished = finished
        copy.ended = ended
        copy.leeway = leeway
        copy.isPurged = isPurged
        return copy
    }

    var queue: QueueName { message.queue }
    var isWaiting: Bool { state == .queued || state == .scheduled || state == .retrying }
    var name: String { Self.name(of: number) }

    static func name(of number: Int) -> String { "j\(number)" }

    /// The number in a name.
    static func number(in name: String?) -> Int? {
        guard let name, name.first == "j" else { return nil }
        return Int(name.dropFirst())
    }
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
    var unit: Int

    /// Milliseconds that an ended job is kept; nil when none is.
    func retention(of state: JobState) -> Int64? {
        guard case .keep(let succeeded, let failed, _) = settings.retention else { return nil }
        return state == .succeeded || state == .cancelled ? succeeded.inMilliseconds : failed.inMilliseconds
    }

    /// How much longer a job that ends now may be kept.
    func leeway(of state: JobState) -> Int64 { (retention(of: state) ?? 0) / 1_024 }

    func isCertain(_ job: ModelJob, endedBefore other: ModelJob) -> Bool {
        if job.ended.addingClamped(job.leeway) < other.ended { return true }
        return job.ended < other.ended && !job.isPurged && !other.isPurged && isKeptLikeSucceeded(job) == isKeptLikeSucceeded(other)
    }

    private func isKeptLikeSucceeded(_ job: ModelJob) -> Bool { job.state == .succeeded || job.state == .cancelled }

    var keepsFinished: Bool { if case .keep = settings.retention { true } else { false } }
    var keptCount: Int { if case .keep(_, _, let count) = settings.retention { count } else { 0 } }
}
