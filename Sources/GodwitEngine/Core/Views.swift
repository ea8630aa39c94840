import GodwitCore
import GodwitJournal

/// A job as the core shows it: what is in memory, and where the rest is. What it looks like to callers is worked out on their threads.
struct JobView: Sendable {
    /// When, and by what, a job ended.
    enum End: Sendable, Equatable {
        case record(RecordLocation)
        /// Its queue was purged at this wall time.
        case purge(Int64)
    }

    var sequence: UInt64
    var queue: QueueName
    var state: JobEntry.State
    var change: UInt64
    /// Where its message is.
    var message: RecordLocation
    /// How far it has come; nil when its final record says it, or else its message.
    var attempts: Attempts?
    /// Wall time.
    var runAt: Int64?
    var end: End?
    var extra: Extra?
    /// Who holds it, while it is running.
    var holder: HolderID?
    /// Keeps its records readable.
    var pin: JournalPin
}

enum LookupView: Sendable {
    case found(JobView)
    case unknown
    case forgotten
}

/// A job in the hands of a holder, as the core shows it.
struct LeasedJob: Sendable {
    var view: JobView
    var fencing: UInt64
    /// Milliseconds; `Int64.max` for as long as the holder lives.
    var remaining: Int64
    /// Milliseconds that it has waited; nil for a repeated delivery.
    var waited: Int64?
}

/// Where a payload or a result is.
enum StoredContent: Sendable {
    case message(RecordLocation, JournalPin)
    /// The record that completed the job: it may have no result.
    case result(RecordLocation, JournalPin)
}

struct RecordView: Sendable {
    /// Where a record's value is; nil for a counter.
    var location: RecordLocation?
    var counter: CounterValue?
    var version: Version
    /// Keeps it readable.
    var pin: JournalPin
}

enum WatchView: Sendable {
    case unchanged
    case job(LookupView)
    case record(RecordView?)
}
