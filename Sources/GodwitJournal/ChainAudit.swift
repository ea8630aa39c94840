/// Goes through all segments of a store, damaged ones included, and says what is not there that belongs there.
struct ChainAudit {
    /// A part of the journal, in the chain's order.
    enum Part {
        case group(GroupHeader, UnsafeMutableRawBufferPointer)
        /// Bytes with which records were lost; how many, where the chain tells.
        case damaged(Range<Int>, lost: UInt64)
    }

    /// Bytes that are no sound group, until it shows whether something is missing there.
    struct Suspect {
        var segment: FoundSegment
        var range: Range<Int>
        var what: String
        /// How many records a header says were there; nil where there is no header either.
        var records: UInt64?
        /// Whether the bytes can be of an earlier life of the file.
        var mayBeStale: Bool
    }

    private(set) var damages: [StoreDamage] = []
    /// Bytes behind the mark that continue nothing.
    private(set) var tails: [(segment: UInt32, range: Range<Int>)] = []
    /// What the next group continues; nil where a hole may lie before it.
    private(set) var chain: ChainState?
    /// The end of the last group that continues the chain.
    private(set) var end: RecordLocation
    private let mark: RecordLocation
    private let start: (location: RecordLocation, chain: ChainState)
    private var suspects: [Suspect] = []

    init(_ survey: StoreSurvey, mark: RecordLocation) {
        let first = survey.segments.first?.number ?? 1
        start = survey.start ?? (RecordLocation(segment: first, offset: UInt32(Block.size)), ChainState())
        self.mark = mark
        end = start.location
    }

    /// Hands out all parts in order.
    ///
    /// - Throws: what `body` throws, ``JournalError/newerFormat(file:what:)``.
    mutating func run(
        _ segments: [FoundSegment],
        _ body: (_ segment: FoundSegment, _ offset: Int, _ part: Part) throws -> Void
    ) throws {
        for segment in segments {
            let isBeforeCut = segment.number < start.location.segment
            // before the cut segments may be missing
            if segment.number <= start.location.segment { chain = nil }
            do {
                try segment.forEachPiece(from: Block.size) { offset, piece in
                    try take(piece, at: offset, in: segment, body)
                }
            } catch let error as JournalError {
                guard case .io = error, let damage = StoreDamage(error, file: segment.name) else { throw error }
                damages.append(damage)
            }
            // behind the cut the next segment shows whether something is missing
            if isBeforeCut { try resolve(isMissing: true, isFollowed: false, nil, body) }
        }
        try resolve(isMissing: end < mark, isFollowed: false, nil, body)
        guard end < mark else { return }
        let what = "groups are missing here: everything before offset \(mark.offset) of \(FileName.segment(mark.segment)) was on disk"
        damages.append(StoreDamage(file: FileName.segment(end.segment), offset: UInt64(end.offset), bytes: 0, what: what))
        if let segment = segments.first(where: { $0.number == end.segment }) {
            try body(segment, Int(end.offset), .damaged(Int(end.offset)..<Int(end.offset), lost: 0))
        }
    }

    private mutating func take(
        _ piece: SegmentPiece,
        at offset: Int,
        in segment: FoundSegment,
        _ body: (FoundSegment, Int, Part) throws -> Void
    ) throws {
        if chain == nil, RecordLocation(segment: segment.number, offset: UInt32(offset)) >= start.location { chain = start.chain }
        switch piece {
        case .blank: break
        case .mark(let group):
            // it is written when all before it is synced
            guard let expected = chain, group.number >= expected.nextGroup else { return }
            try missing(before: offset, in: segment, next: group.firstRecord, expected, body)
            chain = ChainState(nextGroup: group.number &+ 1, nextRecord: group.firstRecord, previous: group.previous)
            end = max(end, RecordLocation(segment: segment.number, offset: UInt32(offset)))
        case .unknown:
            suspect(segment, offset..<offset + Block.size, "bytes that are no group", mayBeStale: !segment.header.isFresh)
        case .unsound(let group, let length, let damage):
            let range = offset..<offset + min(length, segment.limit - offset)
            suspect(segment, range, damage.what, records: UInt64(group.records), mayBeStale: false)
        case .group(let group, let bytes):
            if let expected = chain, group.number < expected.nextGroup {
                suspect(segment, offset..<offset + Int(group.length), "a group of another history", mayBeStale: false)
                return
            }
            if let expected = chain, !expected.isContinued(by: group) {
                try missing(before: offset, in: segment, next: group.firstRecord, expected, body)
            } else {
                // where the chain goes on, what lay before was no part of it
                try resolve(isMissing: chain == nil, isFollowed: true, nil, body)
            }
            try accept(group, bytes, at: offset, in: segment, body)
        }
    }

    /// What should have come before `offset` is not there.
    private mutating func missing(
        before offset: Int,
        in segment: FoundSegment,
        next: UInt64,
        _ expected: ChainState,
        _ body: (FoundSegment, Int, Part) throws -> Void
    ) throws {
        if suspects.isEmpty {
            let from = end.segment == segment.number ? min(Int(end.offset), offset) : Block.size
            suspect(segment, from..<offset, "a group is missing", mayBeStale: false)
        }
        let lost = next > expected.nextRecord ? next - expected.nextRecord : 0
        try resolve(isMissing: true, isFollowed: true, (expected.nextRecord, lost), body)
    }

    private mutating func accept(
        _ group: GroupHeader,
        _ bytes: UnsafeMutableRawBufferPointer,
        at offset: Int,
        in segment: FoundSegment,
        _ body: (FoundSegment, Int, Part) throws -> Void
    ) throws {
        var next = chain ?? ChainState()
        next.advance(over: group, checksum: group.checksum)
        chain = next
        end = max(end, RecordLocation(segment: segment.number, offset: UInt32(offset) + group.length))
        try body(segment, offset, .group(group, bytes))
    }

    private mutating func suspect(
        _ segment: FoundSegment,
        _ range: Range<Int>,
        _ what: String,
        records: UInt64? = nil,
        mayBeStale: Bool
    ) {
        if let last = suspects.last, last.segment.number == segment.number, last.range.upperBound == range.lowerBound,
            last.mayBeStale == mayBeStale, (last.records == nil) == (records == nil)
        {
            suspects[suspects.count - 1].range = last.range.lowerBound..<range.upperBound
            if let records { suspects[suspects.count - 1].records = (last.records ?? 0) + records }
        } else {
            suspects.append(Suspect(segment: segment, range: range, what: what, records: records, mayBeStale: mayBeStale))
        }
    }

    /// Says what the suspects are: something that is missing, or bytes that never counted.
    ///
    /// - Parameters:
    ///   - isFollowed: whether a group follows, so that they cannot be what a file held in an earlier life.
    ///   - lost: the records missing in all of them together, where the chain tells.
    private mutating func resolve(
        isMissing: Bool,
        isFollowed: Bool,
        _ lost: (first: UInt64, count: UInt64)?,
        _ body: (FoundSegment, Int, Part) throws -> Void
    ) throws {
        defer { suspects = [] }
        let found = isFollowed ? suspects : suspects.filter { !$0.mayBeStale }
        guard isMissing else {
            tails += found.map { ($0.segment.number, $0.range) }
            return
        }
        for (index, suspect) in found.enumerated() {
            var damage = StoreDamage(
                file: suspect.segment.name,
                offset: UInt64(suspect.range.lowerBound),
                bytes: suspect.range.count,
                what: suspect.what
            )
            damage.records = try damagedRecords(in: suspect)
            if let lost {
                damage.lostRecords = index == 0 ? lost.count : 0
                damage.firstLostRecord = index == 0 ? lost.first : nil
            } else {
                damage.lostRecords = suspect.records
            }
            damages.append(damage)
            try body(suspect.segment, suspect.range.lowerBound, .damaged(suspect.range, lost: damage.lostRecords ?? 0))
        }
    }

    private func damagedRecords(in suspect: Suspect) throws -> [StoreDamage.Record] {
        try suspect.segment.records(in: suspect.range) { place, found, bytes in
            guard !found.isBodySound else { return nil }
            let header = bytes[RecordHeader.size..<RecordHeader.size + Int(found.header.headerLength)]
            return StoreDamage.Record(location: place, kind: found.header.kind, header: Array(header))
        }
    }
}

extension FoundSegment {
    /// The records in a part of the segment that are sound by themselves, or at least in their headers.
    func records<Value>(
        in range: Range<Int>,
        _ body: (RecordLocation, RecordSearch.Found, UnsafeRawBufferPointer) throws -> Value?
    ) throws -> [Value] {
        // its memory lives as long as it does
        let window = FileWindow(try open(), limit: limit)
        defer { withExtendedLifetime(window) {} }
        guard !range.isEmpty, let bytes = try window.bytes(at: range.lowerBound, count: range.count) else { return [] }
        let raw = UnsafeRawBufferPointer(bytes)
        return try RecordSearch.records(in: raw, at: range.lowerBound, seed: header.seed).compactMap { found in
            try body(
                RecordLocation(segment: number, offset: UInt32(range.lowerBound + found.range.lowerBound)),
                found,
                UnsafeRawBufferPointer(rebasing: raw[found.range])
            )
        }
    }
}
