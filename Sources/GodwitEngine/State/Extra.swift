import GodwitCore
import GodwitJournal

/// What few jobs have, beside their entries.
struct Extra: Equatable, Sendable {
    /// Engine time at which it expires unless it was started.
    var expires: Int64?
    /// Milliseconds an attempt may take.
    var timeout: Int64?
    /// Its place in line, once it went to the back of it.
    var position: UInt64?
    /// Wall time of its latest delivery, while it is not running.
    var started: Int64?
    var progress: JobProgress?
    /// The records of its failed attempts, oldest first, at most ``Limits/errorsKept``; the one that ended it is not among them.
    var failures: [KeptRecord] = []
    /// The record of the release that last amended its headers: it has all that differ from those that were published.
    var amendment: KeptRecord?
    /// Its dead letter went to another queue.
    var isDeadLettered = false
    /// Of a finished job whose final record does not say it: its attempts.
    var attempts: Attempts?

    var isEmpty: Bool { self == Extra() }
}

/// Where a record is that is needed beside a job's message and its end: a failed attempt, an amending release, or what follows a counter.
struct KeptRecord: Equatable, Sendable {
    var location: RecordLocation
    var size: SizeClass
}

/// How far a job has come: a record that ends a job says it, so that no memory has to.
struct Attempts: Equatable, Sendable {
    var attempt: UInt16 = 0
    var maxAttempts: UInt16
    var deliveries: UInt16 = 0
    /// Wall time of the latest delivery.
    var started: Int64?

    /// One that was retried after its end gets an attempt more.
    mutating func allowOneMore() { maxAttempts = min(maxAttempts, JobEntry.mostAttempts - 1) + 1 }
}
