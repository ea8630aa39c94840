/// Follows the chain through a store's segments: the second step of recovery. It reads and changes nothing.
///
/// Records up to the mark are handed out as they are met; the groups beyond it are only noted, for their place is going to change.
struct ChainWalk {
    /// A group that is sound but not known to be synced.
    struct Readable {
        var segment: FoundSegment
        var offset: Int
        var header: GroupHeader
    }

    /// Bytes of this life of a file that the chain does not reach.
    struct Tail {
        var segment: FoundSegment
        var range: Range<Int>
    }

    /// The chain up to the mark.
    private(set) var durable: ChainState
    /// The chain up to the last sound group.
    private(set) var chain: ChainState
    /// The end of the last sound group.
    private(set) var end: RecordLocation
    private(set) var readable: [Readable] = []
    private(set) var tails: [Tail] = []
    /// Behind the last sound group, and the marks after it, of the newest segment.
    private(set) var position = Block.size
    private(set) var records: UInt64 = 0
    private(set) var groups: UInt64 = 0
    /// What the groups take.
    private(set) var bytes = 0

    private let mark: RecordLocation
    /// What was wrong where the chain should have gone on.
    private var damage: (segment: FoundSegment, offset: Int, what: String)?

    /// - Parameters:
    ///   - segments: those that lie before the start's are not read.
    ///   - start: where the chain is taken up, and what it is there.
    /// - Throws: ``JournalError/corrupt(file:offset:what:)`` when the chain ends before the mark; what `replay` threw; a read error.
    init(
        _ segments: [FoundSegment],
        from start: (location: RecordLocation, chain: ChainState),
        mark: RecordLocation,
        replay: (borrowing ReplayedRecord) throws -> Void
    ) throws {
        self.mark = mark
        durable = start.chain
        chain = start.chain
        end = start.location
        for segment in segments where segment.number >= start.location.segment {
            try follow(segment, from: segment.number == start.location.segment ? Int(start.location.offset) : Block.size, replay)
        }
        guard end >= mark else { throw damageBelowMark(segments) }
    }

    private mutating func follow(
        _ segment: FoundSegment,
        from start: Int,
        _ replay: (borrowing ReplayedRecord) throws -> Void
    ) throws {
        let window = FileWindow(try segment.open(), limit: min(segment.limit, segment.used))
        let seed = segment.header.seed
        position = start
        var offset = start
        while let block = try window.bytes(at: offset, count: Block.size), let bytes = block.baseAddress {
            guard let group = GroupHeader(reading: bytes, seed: seed, segment: segment.number, offset: UInt32(offset)) else {
                if segment.header.isFresh, !isZero(UnsafeRawBufferPointer(block)) { noteTail(segment, offset, Block.size) }
                offset += Block.size
                continue
            }
            if let what = GroupHeader.newer(bytes) { throw JournalError.newerFormat(file: segment.name, what: what) }
            if chain.isRepeated(by: group) {
                offset += Block.size
                position = offset
            } else if chain.isContinued(by: group), let bytes = try sound(group, at: offset, in: segment, window) {
                try accept(group, bytes, at: offset, in: segment, replay)
                offset += Int(group.length)
                position = offset
            } else {
                // no link of the chain, but its header is of this life
                noteTail(segment, offset, min(max(Int(group.length), Block.size), segment.limit - offset))
                offset += Block.size
            }
        }
    }

    /// The group's bytes if all of it is what its header says.
    private mutating func sound(
        _ group: GroupHeader,
        at offset: Int,
        in segment: FoundSegment,
        _ window: FileWindow
    ) throws(JournalError) -> UnsafeRawBufferPointer? {
        let length = Int(group.length)
        guard length >= Block.size, length % Block.size == 0, let bytes = try window.bytes(at: offset, count: length) else {
            damage = damage ?? (segment, offset, "a group reaches past its segment")
            return nil
        }
        do {
            try group.verify(UnsafeRawBufferPointer(bytes), seed: segment.header.seed, offset: offset)
            return UnsafeRawBufferPointer(bytes)
        } catch {
            damage = damage ?? (segment, offset + error.offset, error.what)
            return nil
        }
    }

    private mutating func accept(
        _ group: GroupHeader,
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int,
        in segment: FoundSegment,
        _ replay: (borrowing ReplayedRecord) throws -> Void
    ) throws {
        chain.advance(over: group, checksum: group.checksum)
        end = RecordLocation(segment: segment.number, offset: UInt32(offset) + group.length)
        // whatever lay before a link was no link: a mark that did not reach the disk
        tails = []
        damage = nil
        records += UInt64(group.records)
        groups += 1
        self.bytes += Int(group.length)
        if end <= mark {
            durable = chain
            try replayRecords(of: bytes, header: group, at: RecordLocation(segment: segment.number, offset: UInt32(offset)), to: replay)
        } else {
            readable.append(Readable(segment: segment, offset: offset, header: group))
        }
    }

    private mutating func noteTail(_ segment: FoundSegment, _ offset: Int, _ length: Int) {
        if let last = tails.last, last.segment.number == segment.number {
            tails[tails.count - 1].range = last.range.lowerBound..<max(last.range.upperBound, offset + length)
        } else {
            tails.append(Tail(segment: segment, range: offset..<offset + length))
        }
    }

    private func damageBelowMark(_ segments: [FoundSegment]) -> JournalError {
        if let damage { return .corrupt(file: damage.segment.name, offset: UInt64(damage.offset), what: damage.what) }
        return .corrupt(
            file: FileName.segment(end.segment),
            offset: UInt64(end.offset),
            what:
                "the group that belongs here is missing, and everything before offset \(mark.offset) of \(FileName.segment(mark.segment)) "
                + "was on disk"
        )
    }
}

extension ChainState {
    /// Whether a group is only a mark behind the last link.
    func isRepeated(by group: GroupHeader) -> Bool {
        group.isMark && group.number &+ 1 == nextGroup && group.firstRecord == nextRecord && group.previous == previous
    }

    /// Whether a group is the next link.
    func isContinued(by group: GroupHeader) -> Bool {
        !group.isMark && group.number == nextGroup && group.firstRecord == nextRecord && group.previous == previous
    }
}
