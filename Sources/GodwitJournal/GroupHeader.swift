/// The first 64 bytes of a group: what a group contains, what it continues, and up to where everything before it is known to be synced.
struct GroupHeader: Equatable {
    static let size = 64
    static let magic: UInt32 = 0x5247_5747  // "GWGR"
    static let version: UInt8 = 1
    /// The group is only a mark: it has no records, is no link of the chain, and repeats the number and checksum of the last link.
    static let markFlag: UInt8 = 1
    /// Flags from this bit up are critical: who does not know one must not read on.
    static let criticalFlags: UInt8 = 0xf0

    var flags: UInt8 = 0
    /// The whole group in bytes, a multiple of the block size.
    var length: UInt32
    var records: UInt32
    /// 1 for the store's first group, then one more each.
    var number: UInt64
    /// The number of the group's first record.
    var firstRecord: UInt64
    var generation: UInt64
    /// Everything before this place was synced when the header was written: the end of a link.
    var mark: RecordLocation
    /// The header checksum of the group before.
    var previous: UInt32
    /// CRC32C of the checksums of all records, in their order.
    var contents: UInt32
    /// The seeded checksum of this header.
    var checksum: UInt32 = 0

    var isMark: Bool { flags & Self.markFlag != 0 }

    /// Writes the header, checksum included; answers the checksum.
    func write(to bytes: UnsafeMutableRawPointer, seed: HeaderSeed, offset: UInt32) -> UInt32 {
        bytes.store(Self.magic, at: 0)
        bytes.store(Self.version, at: 4)
        bytes.store(flags, at: 5)
        bytes.store(UInt16(Self.size), at: 6)
        bytes.store(length, at: 8)
        bytes.store(records, at: 12)
        bytes.store(number, at: 16)
        bytes.store(firstRecord, at: 24)
        bytes.store(generation, at: 32)
        bytes.store(mark.segment, at: 40)
        bytes.store(mark.offset, at: 44)
        bytes.store(previous, at: 48)
        bytes.store(contents, at: 52)
        bytes.store(UInt32(0), at: 56)
        let checksum = seed.checksum(of: UnsafeRawBufferPointer(start: bytes, count: Self.size - 4), at: offset)
        bytes.store(checksum, at: 60)
        return checksum
    }

    /// Reads a header that lies at `offset`, or nil when there is none that counts.
    ///
    /// - Parameter seed: that of the segment; nil takes the generation that the header itself claims.
    init?(reading bytes: UnsafeRawPointer, seed: HeaderSeed?, segment: UInt32, offset: UInt32) {
        guard bytes.number(UInt32.self, at: 0) == Self.magic else { return nil }
        generation = bytes.number(UInt64.self, at: 32)
        checksum = bytes.number(UInt32.self, at: 60)
        let seed = seed ?? HeaderSeed(generation: generation, segment: segment)
        guard seed.checksum(of: UnsafeRawBufferPointer(start: bytes, count: Self.size - 4), at: offset) == checksum else { return nil }
        flags = bytes.number(UInt8.self, at: 5)
        length = bytes.number(UInt32.self, at: 8)
        records = bytes.number(UInt32.self, at: 12)
        number = bytes.number(UInt64.self, at: 16)
        firstRecord = bytes.number(UInt64.self, at: 24)
        mark = RecordLocation(segment: bytes.number(UInt32.self, at: 40), offset: bytes.number(UInt32.self, at: 44))
        previous = bytes.number(UInt32.self, at: 48)
        contents = bytes.number(UInt32.self, at: 52)
    }

    init(
        flags: UInt8 = 0,
        length: Int,
        records: UInt32,
        number: UInt64,
        firstRecord: UInt64,
        generation: UInt64,
        mark: RecordLocation,
        previous: UInt32,
        contents: UInt32
    ) {
        self.flags = flags
        self.length = UInt32(length)
        self.records = records
        self.number = number
        self.firstRecord = firstRecord
        self.generation = generation
        self.mark = mark
        self.previous = previous
        self.contents = contents
    }

    /// What a reader of this version must not read past, if anything: a version or critical flag that it does not know.
    static func newer(_ bytes: UnsafeRawPointer) -> String? {
        let version = bytes.number(UInt8.self, at: 4)
        if version != Self.version { return "group version \(version)" }
        let flags = bytes.number(UInt8.self, at: 5) & criticalFlags
        return flags == 0 ? nil : "group flags \(flags)"
    }
}
