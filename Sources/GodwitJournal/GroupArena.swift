/// The memory in which the next group is put together: page-aligned, grown by doubling, used again for every group.
///
/// It owns its memory alone and cannot be copied, so it may move between threads; the address is kept as a number to say so.
struct GroupArena: ~Copyable, Sendable {
    private var address: UInt
    private(set) var capacity: Int
    /// Bytes in use, the group header included.
    var used = 0

    private static let least = 256 << 10
    /// What is kept between groups: the usual ``JournalOptions/groupBytes``. The memory of a larger one is given back.
    private static let kept = 4 << 20

    init() {
        capacity = Self.least
        address = Self.allocate(capacity)
    }

    deinit { base.deallocate() }

    var base: UnsafeMutableRawPointer {
        // an allocation's address, never zero
        UnsafeMutableRawPointer(bitPattern: address)!
    }

    private static func allocate(_ bytes: Int) -> UInt {
        UInt(bitPattern: UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: Block.size))
    }

    /// Makes room for `bytes` more, and for the padding of the last block.
    mutating func grow(for bytes: Int) {
        let needed = Block.roundUp(used + bytes)
        guard needed > capacity else { return }
        var larger = capacity
        while larger < needed { larger *= 2 }
        let memory = Self.allocate(larger)
        UnsafeMutableRawPointer(bitPattern: memory)?.copyMemory(from: base, byteCount: used)
        base.deallocate()
        address = memory
        capacity = larger
    }

    /// Zeroes the rest of the last block; answers the whole blocks.
    mutating func padded() -> UnsafeMutableRawBufferPointer {
        let end = Block.roundUp(used)
        (base + used).initializeMemory(as: UInt8.self, repeating: 0, count: end - used)
        return UnsafeMutableRawBufferPointer(start: base, count: end)
    }

    /// Begins anew.
    mutating func clear() {
        used = 0
        guard capacity > Self.kept else { return }
        base.deallocate()
        capacity = Self.least
        address = Self.allocate(capacity)
    }
}
