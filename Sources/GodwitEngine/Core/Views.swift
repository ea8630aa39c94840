import GodwitCore
import GodwitJournal

/// A job as the core shows it: what is in memory, and where the rest is. What it looks like to callers is worked out on their threads.
struct JobView: Sendable {
    var sequence: UInt64
    var entry: JobEntry
    var queue: QueueName
    /// Wall time.
    var runAt: Int64?
    var rarities: Rarities?
    /// Its message, while it is in memory.
    var hot: MessageBox?
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
}

/// Where a payload or a result is.
enum StoredContent: Sendable {
    case hot(Content)
    case message(RecordLocation)
    case result(RecordLocation)
}

struct RecordView: Sendable {
    var location: RecordLocation
    var version: Version
}

enum WatchView: Sendable {
    case unchanged
    case job(LookupView)
    case record(RecordView?)
}
