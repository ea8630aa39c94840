/// The first block of a segment file: whose it is, and which life of the file this is. It is on disk before the segment's first group is
/// written, and long before that is known: where the chain enters the segment is said by the first group itself.
struct SegmentHeader: Equatable, Sendable {
    static let magic: UInt64 = 0x3147_4553_5457_4447  // "GDWTSEG1"
    static let version: UInt32 = 1
    /// The bytes that the checksum covers, itself apart; the rest of the block is zero.
    static let size = 128
    /// The file held nothing but zeros when it was taken into use, so whatever lies behind the chain is of this life.
    static let freshFlag: UInt32 = 1
    /// Critical features of this version: none.
    static let knownCriticalFeatures: UInt32 = 0

    /// What a copy stands for: everything from a place in an older segment up to the copy, and its last group.
    struct Replacement: Equatable, Sendable {
        /// The segment that ends at `offset` for ever. The segments between it and the copy are void.
        var segment: UInt32
        var offset: UInt32
        /// The number of the group that makes the copy whole; one less than the copy's first group when the copy is empty.
        var closingGroup: UInt64
    }

    var number: UInt32
    var store: StoreID
    var generation: UInt64
    /// The file's length: a shorter file has lost something.
    var capacity: UInt32
    var isFresh: Bool
    var replaces: Replacement?

    var seed: HeaderSeed { HeaderSeed(generation: generation, segment: number) }

    /// Writes the whole block.
    func write(to block: UnsafeMutableRawBufferPointer) {
        precondition(block.count == Block.size)
        block.initializeMemory(as: UInt8.self, repeating: 0)
        guard let bytes = block.baseAddress else { return }
        bytes.store(Self.magic, at: 0)
        bytes.store(Self.version, at: 8)
        bytes.store(UInt32(Self.size), at: 12)
        bytes.store(Self.knownCriticalFeatures, at: 16)
        bytes.store((isFresh ? Self.freshFlag : 0), at: 20)
        bytes.store(store.high, at: 24)
        bytes.store(store.low, at: 32)
        bytes.store(number, at: 40)
        bytes.store(capacity, at: 44)
        bytes.store(generation, at: 48)
        bytes.store(UInt32(replaces == nil ? 0 : 1), at: 56)
        if let replaces {
            bytes.store(replaces.segment, at: 60)
            bytes.store(replaces.offset, at: 64)
            bytes.store(replaces.closingGroup, at: 72)
        }
        bytes.store(seed.checksum(of: UnsafeRawBufferPointer(start: bytes, count: Self.size - 4), at: 0), at: Self.size - 4)
    }

    /// Reads the block of the file that is called segment `number`.
    ///
    /// - Returns: nil when there is no header that counts.
    /// - Throws: ``JournalError/newerFormat(file:what:)``.
    init?(reading block: UnsafeRawBufferPointer, number: UInt32, file: String) throws(JournalError) {
        guard block.count >= Block.size, let bytes = block.baseAddress, bytes.number(UInt64.self, at: 0) == Self.magic else { return nil }
        self.number = number
        generation = bytes.number(UInt64.self, at: 48)
        let checksum = HeaderSeed(generation: generation, segment: number)
            .checksum(of: UnsafeRawBufferPointer(start: bytes, count: Self.size - 4), at: 0)
        guard bytes.number(UInt32.self, at: Self.size - 4) == checksum else { return nil }
        let version = bytes.number(UInt32.self, at: 8)
        guard version == Self.version else { throw .newerFormat(file: file, what: "segment format \(version)") }
        let features = bytes.number(UInt32.self, at: 16) & ~Self.knownCriticalFeatures
        guard features == 0 else { throw .newerFormat(file: file, what: "segment features \(features)") }
        guard bytes.number(UInt32.self, at: 40) == number, isZero(UnsafeRawBufferPointer(rebasing: block[Self.size..<Block.size]))
        else { return nil }
        isFresh = bytes.number(UInt32.self, at: 20) & Self.freshFlag != 0
        store = StoreID(high: bytes.number(UInt64.self, at: 24), low: bytes.number(UInt64.self, at: 32))
        capacity = bytes.number(UInt32.self, at: 44)
        if bytes.number(UInt32.self, at: 56) == 1 {
            replaces = Replacement(
                segment: bytes.number(UInt32.self, at: 60),
                offset: bytes.number(UInt32.self, at: 64),
                closingGroup: bytes.number(UInt64.self, at: 72)
            )
        }
    }

    init(
        number: UInt32,
        store: StoreID,
        generation: UInt64,
        capacity: Int,
        isFresh: Bool,
        replaces: Replacement? = nil
    ) {
        self.number = number
        self.store = store
        self.generation = generation
        self.capacity = UInt32(capacity)
        self.isFresh = isFresh
        self.replaces = replaces
    }
}

/// The random name of a store, the same in all of its segments.
package struct StoreID: Hashable, Sendable, CustomStringConvertible {
    package var high: UInt64
    package var low: UInt64

    /// 32 hexadecimal digits.
    package var description: String {
        [high, low].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.utf8.count) + digits
        }.joined()
    }
}
