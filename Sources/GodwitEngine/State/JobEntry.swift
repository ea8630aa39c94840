import GodwitCore
import GodwitJournal

/// What memory holds of a job: trivial, of fixed size, no heap object. Its message stays in the journal.
struct JobEntry: BitwiseCopyable {
    /// A job's state in one byte; 0 is an empty place in the table.
    enum State: UInt8 {
        case none = 0, scheduled, queued, running, retrying, succeeded, failed, cancelled, expired

        var isFinal: Bool { rawValue >= Self.succeeded.rawValue }
        /// Whether it waits for a time or a worker.
        var isWaiting: Bool { self == .queued || self == .scheduled || self == .retrying }

        /// Whether it is kept for the time of succeeded jobs, not of failed ones.
        var isKeptAsSucceeded: Bool { self == .succeeded || self == .cancelled }

        var jobState: JobState {
            switch self {
            case .scheduled: .scheduled
            case .queued, .none: .queued
            case .running: .running
            case .retrying: .retrying
            case .succeeded: .succeeded
            case .failed: .failed
            case .cancelled: .cancelled
            case .expired: .expired
            }
        }
    }

    struct Flags: OptionSet, BitwiseCopyable {
        let rawValue: UInt16
        /// ``JobEntry/time`` is a time of the wall clock, not of the engine.
        static let dueIsWall = Flags(rawValue: 1)
        /// It was ended by a purge.
        static let purged = Flags(rawValue: 2)
        /// It has a result.
        static let hasResult = Flags(rawValue: 4)
        /// It expires unless it is started: an element in the queue of expiries is its.
        static let expires = Flags(rawValue: 8)
    }

    /// Where its message is.
    var message: RecordLocation
    /// Where its result is, with ``Flags/hasResult``.
    var result: RecordLocation
    /// The number of the latest change to it: its version, and what must be durable before it is shown.
    var change: UInt64
    /// Its place among the ready jobs of its priority.
    var position: UInt64
    /// Wall time of its publication.
    var created: Int64
    /// While it waits for a time, that time; when it is final, the wall time of its end.
    var time: Int64
    /// Wall time of its latest delivery.
    var started: Int64
    var queue: UInt32
    /// What it counts against its queue's bytes.
    var size: UInt32
    /// Its place in the table of leases, plus one; 0 for none.
    var lease: UInt32
    /// Its place in the table of rarities, plus one; 0 for none.
    var rarities: UInt32
    var deliveries: UInt32
    /// The purge number of its queue under which it waits.
    var purge: UInt32
    var attempt: UInt16
    var maxAttempts: UInt16
    var state: State
    var priority: UInt8
    var flags: Flags

    var hasAttemptsLeft: Bool { attempt < maxAttempts }
}

/// What few jobs have.
struct Rarities {
    /// Engine time at which it expires unless it was started.
    var expires: Int64?
    /// Milliseconds an attempt may take.
    var timeout: Int64?
    var progress: JobProgress?
    /// The records of its failed attempts, oldest first, at most ``Limits/errorsKept``.
    var failures: [RecordLocation] = []
}
