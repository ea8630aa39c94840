/// The first block of a checkpoint file: whose it is, and where the journal goes on from what it holds.
struct CheckpointHeader: Equatable, Sendable {
    static let magic: UInt64 = 0x314b_4843_5457_4447  // "GDWTCHK1"
    static let version: UInt32 = 1
    /// The bytes that the checksum covers, itself included; the rest of the block is zero.
    static let size = 128
    /// Critical features of this version: none.
    static let knownCriticalFeatures: UInt32 = 0

    var number: UInt32
    var store: StoreID
    /// Random: what an earlier life of the file left is never taken for a part of this one.
    var generation: UInt64
    /// The end of the last group that the checkpoint stands for. When the file has its name, everything before it is synced.
    var cut: RecordLocation
    /// What the first group behind the cut continues.
    var chain: ChainState

    /// The checksum that the header has, and that its first chunk continues.
    func write(to block: UnsafeMutableRawBufferPointer) -> UInt32 {
        precondition(block.count == Block.size)
        block.initializeMemory(as: UInt8.self, repeating: 0)
        // a block's memory, never empty
        let bytes = block.baseAddress!
        bytes.store(Self.magic, at: 0)
        bytes.store(Self.version, at: 8)
        bytes.store(UInt32(Self.size), at: 12)
        bytes.store(Self.knownCriticalFeatures, at: 16)
        bytes.store(UInt32(0), at: 20)
        bytes.store(store.high, at: 24)
        bytes.store(store.low, at: 32)
        bytes.store(number, at: 40)
        bytes.store(generation, at: 48)
        bytes.store(cut.segment, at: 56)
        bytes.store(cut.offset, at: 60)
        bytes.store(chain.nextGroup, at: 64)
        bytes.store(chain.nextRecord, at: 72)
        bytes.store(chain.previous, at: 80)
        let checksum = crc32c(UnsafeRawBufferPointer(start: bytes, count: Self.size - 4))
        bytes.store(checksum, at: Self.size - 4)
        return checksum
    }

    /// Reads the block of the file that is called checkpoint `number`; answers the header's checksum beside it.
    ///
    /// - Returns: nil when there is no header that counts.
    /// - Throws: ``JournalError/newerFormat(file:what:)``.
    static func read(
        _ block: UnsafeRawBufferPointer,
        number: UInt32,
        file: String
    ) throws(JournalError) -> (header: CheckpointHeader, checksum: UInt32)? {
        guard block.count >= Block.size, let bytes = block.baseAddress, bytes.number(UInt64.self, at: 0) == magic else { return nil }
        let checksum = crc32c(UnsafeRawBufferPointer(start: bytes, count: size - 4))
        guard bytes.number(UInt32.self, at: size - 4) == checksum else { return nil }
        let version = bytes.number(UInt32.self, at: 8)
        guard version == Self.version else { throw .newerFormat(file: file, what: "checkpoint format \(version)") }
        let features = bytes.number(UInt32.self, at: 16) & ~knownCriticalFeatures
        guard features == 0 else { throw .newerFormat(file: file, what: "checkpoint features \(features)") }
        guard bytes.number(UInt32.self, at: 40) == number, isZero(UnsafeRawBufferPointer(rebasing: block[size..<Block.size]))
        else { return nil }
        let header = CheckpointHeader(
            number: number,
            store: StoreID(high: bytes.number(UInt64.self, at: 24), low: bytes.number(UInt64.self, at: 32)),
            generation: bytes.number(UInt64.self, at: 48),
            cut: RecordLocation(segment: bytes.number(UInt32.self, at: 56), offset: bytes.number(UInt32.self, at: 60)),
            chain: ChainState(
                nextGroup: bytes.number(UInt64.self, at: 64),
                nextRecord: bytes.number(UInt64.self, at: 72),
                previous: bytes.number(UInt32.self, at: 80)
            )
        )
        return (header, checksum)
    }
}

/// The fixed part in front of every chunk of a checkpoint: 16 bytes, then the chunk's bytes, padded to 8.
///
/// The checksum continues that of the chunk before (of the file's header, for the first), so that a chunk counts only behind the one it
/// was written behind.
struct ChunkHeader {
    static let size = 16
    /// The last chunk: its bytes are the number of chunks before it and the sum of their lengths.
    static let endFlag: UInt8 = 1
    static let endBytes = 16
    /// Flags from this bit up are critical: who does not know one must not read on.
    static let criticalFlags: UInt8 = 0xf0
    /// The most bytes of a chunk, so that a reader need not believe any length.
    static let maximumBytes = 4 << 20

    var checksum: UInt32 = 0
    var length: UInt32
    var bodyChecksum: UInt32
    var section: UInt8
    var flags: UInt8

    /// Bytes from this chunk's start to the next one's.
    var chunkBytes: Int { (Self.size + Int(length) + 7) & ~7 }

    mutating func write(to bytes: UnsafeMutableRawPointer, after previous: UInt32) {
        bytes.store(length, at: 4)
        bytes.store(bodyChecksum, at: 8)
        bytes.store(section, at: 12)
        bytes.store(flags, at: 13)
        bytes.store(UInt16(0), at: 14)
        checksum = crc32c(UnsafeRawBufferPointer(start: bytes + 4, count: Self.size - 4), continuing: previous)
        bytes.store(checksum, at: 0)
    }

    init(section: UInt8, flags: UInt8, body: UnsafeRawBufferPointer) {
        length = UInt32(body.count)
        bodyChecksum = crc32c(body)
        self.section = section
        self.flags = flags
    }

    /// Reads a header that was written behind `previous`, or nil when there is none.
    init?(reading bytes: UnsafeRawPointer, after previous: UInt32) {
        checksum = bytes.number(UInt32.self, at: 0)
        guard crc32c(UnsafeRawBufferPointer(start: bytes + 4, count: Self.size - 4), continuing: previous) == checksum else { return nil }
        length = bytes.number(UInt32.self, at: 4)
        bodyChecksum = bytes.number(UInt32.self, at: 8)
        section = bytes.number(UInt8.self, at: 12)
        flags = bytes.number(UInt8.self, at: 13)
        guard length <= Self.maximumBytes else { return nil }
    }
}
