/// A segment file that opening found, with a header that counts.
struct FoundSegment {
    let header: SegmentHeader
    let file: any StorageFile
    /// Where the segment ends: its capacity, or where a copy cut it off.
    var limit: Int

    var number: UInt32 { header.number }
    var name: String { FileName.segment(number) }
    var inUse: Segment { Segment(header: header, file: file) }
}

/// What a folder holds: the first step of recovery. It reads and changes nothing.
struct StoreSurvey {
    /// The segments that the chain runs through, in its order.
    private(set) var segments: [FoundSegment] = []
    /// Segments that a whole copy replaced.
    private(set) var void: [FoundSegment] = []
    /// Files that were never taken into use, and copies that were never finished.
    private(set) var unfinished: [String] = []
    /// Prepared files.
    private(set) var spares: [String] = []
    private(set) var nextSegment: UInt32 = 1
    private(set) var nextSpare: UInt32 = 1
    /// The names of all files.
    private(set) var names: Set<String> = []
    /// Everything before it was synced; nil in an empty folder.
    private(set) var mark: RecordLocation?
    /// The look at the newest segment, for it need not be taken twice.
    private var newestScan: SegmentScan?

    /// - Throws: ``JournalError``: damage, a newer format, or a read error.
    init(_ storage: any Storage) throws(JournalError) {
        names = Set(try storage.list())
        var numbers: [UInt32] = []
        for name in names.sorted() {
            switch FileName.parse(name) {
            case .segment(let number):
                numbers.append(number)
                nextSegment = max(nextSegment, number + 1)
            case .spare(let number):
                spares.append(name)
                nextSpare = max(nextSpare, number + 1)
            case nil: break
            }
        }
        for number in numbers {
            try open(number, isNewest: number == numbers.last, in: storage)
        }
        if let first = segments.first, first.header.chain != ChainState() {
            throw .corrupt(file: first.name, offset: 0, what: "it goes on from a segment that is missing")
        }
        try dropUnusedSegments()
        applyCopies()
        try findMark()
    }

    private mutating func open(_ number: UInt32, isNewest: Bool, in storage: any Storage) throws(JournalError) {
        let name = FileName.segment(number)
        let file = try storage.open(name)
        let size = try file.size()
        let window = FileWindow(file, limit: size)
        let block = try window.bytes(at: 0, count: Block.size)
        guard let block, let header = try SegmentHeader(reading: UnsafeRawBufferPointer(block), number: number, file: name) else {
            // a header is synced before its segment's first group is written: with groups behind it, it was whole once
            let used = try Self.hasGroups(window, segment: number)
            guard isNewest, !used else {
                throw .corrupt(file: name, offset: 0, what: "the segment's header is not what was written")
            }
            unfinished.append(name)
            return
        }
        if let store = segments.first?.header.store, store != header.store {
            throw .corrupt(file: name, offset: 24, what: "it belongs to another store")
        }
        guard size >= Int(header.capacity) else {
            throw .corrupt(file: name, offset: UInt64(size), what: "the file is shorter than the \(header.capacity) bytes it was made with")
        }
        raiseMark(to: header.mark)
        segments.append(FoundSegment(header: header, file: file, limit: Int(header.capacity)))
    }

    /// Whether a file whose header is unreadable has groups that are sound under the generation that they claim.
    private static func hasGroups(_ window: FileWindow, segment: UInt32) throws(JournalError) -> Bool {
        var offset = Block.size
        while let block = try window.bytes(at: offset, count: Block.size) {
            // a block's memory, never empty
            if GroupHeader(reading: block.baseAddress!, seed: nil, segment: segment, offset: UInt32(offset)) != nil { return true }
            offset += Block.size
        }
        return false
    }

    private mutating func raiseMark(to mark: RecordLocation) {
        self.mark = max(self.mark ?? mark, mark)
    }

    /// Sets newest segments aside that hold nothing: taken into use just before the end, or copies without their closing group.
    private mutating func dropUnusedSegments() throws(JournalError) {
        while let newest = segments.last {
            let scan = try SegmentScan(newest)
            let isUsed =
                if let copy = newest.header.replaces { scan.closes(copy) } else {
                    scan.hasGroups || (newest.header.isFresh && !scan.isBlank)
                }
            if isUsed {
                newestScan = scan
                break
            }
            unfinished.append(newest.name)
            segments.removeLast()
        }
    }

    /// A replaced segment ends where the copy says, for ever, and the segments between are void.
    private mutating func applyCopies() {
        for copy in segments {
            guard let replaced = copy.header.replaces else { continue }
            for index in segments.indices where segments[index].number == replaced.segment {
                segments[index].limit = min(segments[index].limit, Int(replaced.offset))
            }
            let isVoid = { (segment: FoundSegment) in segment.number > replaced.segment && segment.number < copy.number }
            void += segments.filter(isVoid)
            segments.removeAll(where: isVoid)
        }
    }

    /// Marks only grow, so the newest segment that has groups has the highest.
    private mutating func findMark() throws(JournalError) {
        for segment in segments.reversed() {
            let known = segment.number == segments.last?.number ? newestScan : nil
            let scan = if let known { known } else { try SegmentScan(segment) }
            if let highest = scan.mark {
                raiseMark(to: highest)
                return
            }
        }
    }
}

/// A look at every block of a segment, for group headers.
struct SegmentScan {
    /// The highest mark of all groups; nil when there are none.
    private(set) var mark: RecordLocation?
    /// Nothing but zeros lies behind the segment's header.
    private(set) var isBlank = true
    /// The highest number of all groups, and of those with only a mark.
    private var highestGroup: UInt64 = 0
    private var highestMarkGroup: UInt64?

    var hasGroups: Bool { mark != nil }

    /// - Throws: a read error, or ``JournalError/newerFormat(file:what:)``.
    init(_ segment: FoundSegment) throws(JournalError) {
        let window = FileWindow(segment.file, limit: segment.limit)
        let seed = segment.header.seed
        var offset = Block.size
        while let block = try window.bytes(at: offset, count: Block.size) {
            defer { offset += Block.size }
            if isBlank { isBlank = isZero(UnsafeRawBufferPointer(block)) }
            guard let bytes = block.baseAddress,
                let group = GroupHeader(reading: bytes, seed: seed, segment: segment.number, offset: UInt32(offset))
            else { continue }
            if let what = GroupHeader.newer(bytes) { throw .newerFormat(file: segment.name, what: what) }
            mark = max(mark ?? group.mark, group.mark)
            highestGroup = max(highestGroup, group.number)
            if group.isMark { highestMarkGroup = max(highestMarkGroup ?? 0, group.number) }
        }
    }

    /// Whether a copy was finished: only then is a group with only a mark, or another one, written behind its closing group.
    func closes(_ copy: SegmentHeader.Replacement) -> Bool {
        highestGroup > copy.closingGroup || (highestMarkGroup ?? 0) >= copy.closingGroup && highestMarkGroup != nil
    }
}
