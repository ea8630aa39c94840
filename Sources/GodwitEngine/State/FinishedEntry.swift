import GodwitJournal

/// What memory holds of a finished job that is kept: trivial, 28 bytes. Its result, its times and its attempts stay in the journal, in the
/// record that ended it.
struct FinishedEntry: TableEntry {
    /// Where its message is.
    var message: RecordLocation
    /// Where the record that ended it is, or the name of an ending in memory, see ``Endings``.
    var final: RecordLocation
    private var packedChange: Packed48
    /// The state in 4 bits, that of a transient one four higher, two flags, and the size classes of its message and its final record in 5 each.
    private var bits: UInt16
    var queue: UInt32

    init(
        message: RecordLocation,
        final: RecordLocation,
        change: UInt64,
        queue: UInt32,
        state: JobEntry.State,
        messageClass: SizeClass,
        finalClass: SizeClass,
        hasExtra: Bool,
        isTransient: Bool = false
    ) {
        self.message = message
        self.final = final
        packedChange = Packed48(change)
        self.queue = queue
        let state = UInt16(state.rawValue + (isTransient ? Self.transientStates : 0))
        bits = state | UInt16(messageClass.index) << 6 | UInt16(finalClass.index) << 11
        self.hasExtra = hasExtra
    }

    var isFree: Bool { bits == 0 }
    mutating func free() { bits = 0 }

    /// The number of the change that ended it.
    var change: UInt64 {
        get { packedChange.number }
        set { packedChange = Packed48(newValue) }
    }

    /// A final one.
    var state: JobEntry.State { JobEntry.State(rawValue: UInt8(bits & 0xf) - (isTransient ? Self.transientStates : 0)) ?? .none }

    /// Whether it ends with the process.
    var isTransient: Bool { UInt8(bits & 0xf) > JobEntry.State.expired.rawValue }

    /// There are four final states, and the bits have room for as many more.
    private static let transientStates: UInt8 = 4

    /// Whether there is an ``Extra`` of it.
    var hasExtra: Bool {
        get { bits & 0x10 != 0 }
        set { bits = newValue ? bits | 0x10 : bits & ~0x10 }
    }

    /// Whether it stands among those whose retention is waited for out of the order of ends.
    var isBelated: Bool {
        get { bits & 0x20 != 0 }
        set { bits = newValue ? bits | 0x20 : bits & ~0x20 }
    }

    var messageClass: SizeClass { SizeClass(index: UInt8(bits >> 6 & 0x1f)) }
    var finalClass: SizeClass { SizeClass(index: UInt8(bits >> 11)) }
}
