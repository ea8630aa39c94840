/// What a journal needs to know besides its storage.
package struct JournalOptions: Sendable {
    /// The size of a segment file. The first segment of a store is smaller (see ``firstSegmentBytes``), so that a folder that is
    /// little used stays small; a copy made by recovery may be larger.
    package var segmentBytes: Int

    /// The size of a new store's first segment, and the least of one that an opening makes for a copy.
    package var firstSegmentBytes: Int

    /// A group is written before it becomes larger than this, unless it is one transaction that is larger itself.
    package var groupBytes: Int

    /// How many segments are kept ahead of need, besides the reserve.
    package var spareSegments: Int

    /// How many segments are kept for a full disk: the last one is for moves, which give space back, the one before for settles.
    package var reserveSegments: Int

    /// How many segment files the reader keeps open.
    package var openFiles: Int

    /// Where generations and the store's id come from. Generations guard against payloads that pose as records: production passes a
    /// cryptographic generator, tests a seeded one.
    package var random: @Sendable () -> UInt64

    package init(
        segmentBytes: Int = 64 << 20,
        firstSegmentBytes: Int = 1 << 20,
        groupBytes: Int = 4 << 20,
        spareSegments: Int = 1,
        reserveSegments: Int = 2,
        openFiles: Int = 64,
        random: @escaping @Sendable () -> UInt64 = {
            var generator = SystemRandomNumberGenerator()
            return generator.next()
        }
    ) {
        precondition(segmentBytes >= 4 * Block.size && segmentBytes <= 1 << 30, "a segment has 16 KiB to 1 GiB")
        self.segmentBytes = Block.roundUp(segmentBytes)
        self.firstSegmentBytes = min(max(Block.roundUp(firstSegmentBytes), 4 * Block.size), self.segmentBytes)
        self.groupBytes = groupBytes
        self.spareSegments = max(spareSegments, 1)
        self.reserveSegments = max(reserveSegments, 0)
        self.openFiles = openFiles
        self.random = random
    }
}
