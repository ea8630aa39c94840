import GodwitCore
import GodwitJournal

/// What memory holds of an unfinished job: trivial, 40 bytes, no heap object. Its message stays in the journal, what few jobs have in
/// ``Extra``, and what a lease says in ``Lease``.
struct JobEntry: TableEntry {
    /// A job's state in one byte; 0 is an empty place in the table.
    enum State: UInt8 {
        case none = 0, scheduled, queued, running, retrying, succeeded, failed, cancelled, expired

        var isFinal: Bool { rawValue >= Self.succeeded.rawValue }
        /// Whether it waits for a time or a worker.
        var isWaiting: Bool { self == .queued || self == .scheduled || self == .retrying }
        /// Whether it waits for a time.
        var isTimed: Bool { self == .scheduled || self == .retrying }

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
        /// It expires unless it is started: an element in the queue of expiries is its.
        static let expires = Flags(rawValue: 2)
        /// There is an ``Extra`` of it.
        static let hasExtra = Flags(rawValue: 4)
        /// Its place in line is ``Extra/position``, not its number.
        static let isMoved = Flags(rawValue: 8)
        /// It stands in one of the ``GroupTable``'s groups.
        static let isGrouped = Flags(rawValue: 16)
        /// It owns a claim.
        static let hasClaim = Flags(rawValue: 32)
        /// Something follows its end.
        static let hasFollowUps = Flags(rawValue: 256)
        /// It ends with the process.
        static let isTransient = Flags(rawValue: 64)
    }

    /// Where its message is.
    var message: RecordLocation
    private var packedChange: Packed48
    private var packedTime: Packed48
    var queue: UInt32
    /// What it counts against its queue's bytes.
    var size: UInt32
    /// Its place in the table of leases, plus one; 0 for none.
    var lease: UInt32 = 0
    /// Attempts in 10 bits, the most of them in 10, deliveries in 12.
    private var counts: UInt32
    var priority: UInt8
    var state: State
    var flags: Flags = []

    init(message: RecordLocation, change: UInt64, queue: UInt32, size: Int, maxAttempts: UInt16, priority: UInt8, state: State) {
        self.message = message
        packedChange = Packed48(change)
        packedTime = Packed48(time: 0)
        self.queue = queue
        self.size = UInt32(clamping: size)
        counts = UInt32(min(maxAttempts, Self.mostAttempts)) << 10
        self.priority = priority
        self.state = state
    }

    var isFree: Bool { state == .none }
    mutating func free() { state = .none }

    /// The number of the latest change to it: its version, what must be durable before it is shown, and, while it waits, when that began: a
    /// later purge of its queue has ended it.
    var change: UInt64 {
        get { packedChange.number }
        set { packedChange = Packed48(newValue) }
    }

    /// While it waits for a time, that time in milliseconds; else the wall time of its publication, or of the end of the latest such wait.
    var time: Int64 {
        get { packedTime.time }
        set { packedTime = Packed48(time: newValue) }
    }

    /// Counting stops here.
    static let mostAttempts: UInt16 = 1_023
    static let mostDeliveries: UInt16 = 4_095

    var attempt: UInt16 {
        get { UInt16(counts & 0x3ff) }
        set { counts = counts & ~0x3ff | UInt32(min(newValue, Self.mostAttempts)) }
    }

    var maxAttempts: UInt16 {
        get { UInt16(counts >> 10 & 0x3ff) }
        set { counts = counts & ~(0x3ff << 10) | UInt32(min(newValue, Self.mostAttempts)) << 10 }
    }

    /// How often it was delivered, up to ``mostDeliveries``.
    var deliveries: UInt16 {
        get { UInt16(counts >> 20) }
        set { counts = counts & 0xf_ffff | UInt32(min(newValue, Self.mostDeliveries)) << 20 }
    }

    var hasAttemptsLeft: Bool { attempt < maxAttempts }
    /// The class of its message's size, see ``SizeClass``.
    var messageClass: SizeClass { SizeClass(of: Int(size)) }
}

/// A number of 48 bits that wants no alignment but 2 bytes.
struct Packed48: BitwiseCopyable, Equatable {
    private var low: UInt16
    private var middle: UInt16
    private var high: UInt16

    /// A number below 2^48; what is larger is cut to that.
    init(_ number: UInt64) {
        let number = min(number, 1 << 48 - 1)
        low = UInt16(truncatingIfNeeded: number)
        middle = UInt16(truncatingIfNeeded: number >> 16)
        high = UInt16(truncatingIfNeeded: number >> 32)
    }

    var number: UInt64 { UInt64(low) | UInt64(middle) << 16 | UInt64(high) << 32 }

    /// Milliseconds from 1935 to the year 10889, on a clock that began in 1970; what is beyond is cut to that.
    init(time: Int64) { self.init(UInt64(max(0, min(time, 1 << 48) + Self.earliest))) }
    var time: Int64 { Int64(number) - Self.earliest }

    /// 2^40 milliseconds are 34.8 years.
    private static let earliest: Int64 = 1 << 40
}
