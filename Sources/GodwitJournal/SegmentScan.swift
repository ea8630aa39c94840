/// A look at every block of a segment, for group headers.
struct SegmentScan {
    /// The highest mark of all groups; nil when there are none.
    private(set) var mark: RecordLocation?
    /// Nothing but zeros lies behind the segment's header.
    private(set) var isBlank = true
    /// Behind this place lies nothing of this life of the file that could be told from what lay there before.
    private(set) var used = Block.size
    /// The lowest number of all groups.
    private(set) var lowestGroup = UInt64.max
    /// The highest number of all groups, and of those with only a mark.
    private var highestGroup: UInt64 = 0
    private var highestMarkGroup: UInt64?

    var hasGroups: Bool { mark != nil }

    /// - Throws: a read error, or ``JournalError/newerFormat(file:what:)``.
    init(_ segment: FoundSegment) throws(JournalError) {
        let window = FileWindow(try segment.open(), limit: segment.limit)
        let seed = segment.header.seed
        var offset = Block.size
        while let block = try window.bytes(at: offset, count: Block.size) {
            defer { offset += Block.size }
            if isBlank || segment.header.isFresh, !isZero(UnsafeRawBufferPointer(block)) {
                isBlank = false
                if segment.header.isFresh { used = max(used, offset + Block.size) }
            }
            guard let bytes = block.baseAddress,
                let group = GroupHeader(reading: bytes, seed: seed, segment: segment.number, offset: UInt32(offset))
            else { continue }
            if let what = GroupHeader.newer(bytes) { throw .newerFormat(file: segment.name, what: what) }
            used = max(used, offset + max(Int(group.length), Block.size))
            mark = max(mark ?? group.mark, group.mark)
            lowestGroup = min(lowestGroup, group.number)
            highestGroup = max(highestGroup, group.number)
            if group.isMark { highestMarkGroup = max(highestMarkGroup ?? 0, group.number) }
        }
    }

    /// Whether a copy was finished: only then is a group with only a mark, or another one, written behind its closing group.
    func closes(_ copy: SegmentHeader.Replacement) -> Bool {
        highestGroup > copy.closingGroup || (highestMarkGroup ?? 0) >= copy.closingGroup && highestMarkGroup != nil
    }
}
