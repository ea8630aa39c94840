/// A segment file that opening found, with a header that counts. The file itself is opened when it is read: there may be thousands.
struct FoundSegment {
    let header: SegmentHeader
    let storage: any Storage
    /// Where the segment ends: its capacity, or where a copy cut it off.
    var limit: Int
    /// How far it is worth reading, if less than that is known to be of use.
    var used = Int.max

    var number: UInt32 { header.number }
    var name: String { FileName.segment(number) }

    func open() throws(JournalError) -> any StorageFile { try storage.open(name) }

    /// To go on in; how much of it was ever written is not known.
    func reopened() throws(JournalError) -> ReadySegment { ReadySegment(header: header, file: try open(), writtenBytes: 0) }
}

/// What a folder holds: the first step of recovery. It reads and changes nothing.
struct StoreSurvey {
    /// The segments that records may lie in, in the chain's order. Those before the cut may have holes between them.
    private(set) var segments: [FoundSegment] = []
    /// Segments that a whole copy replaced.
    private(set) var void: [FoundSegment] = []
    /// Files that were never taken into use, and copies that were never finished.
    private(set) var unfinished: [String] = []
    /// Those of them that can become spares.
    private(set) var unused: [FoundSegment] = []
    /// Prepared files.
    private(set) var spares: [String] = []
    /// Checkpoints that were being written, or room for one.
    private(set) var drafts: [String] = []
    private(set) var nextSegment: UInt32 = 1
    private(set) var nextSpare: UInt32 = 1
    private(set) var nextDraft: UInt32 = 1
    private(set) var nextCheckpoint: UInt32 = 1
    /// The names of all files.
    private(set) var names: Set<String> = []
    /// Everything before it was synced; nil in an empty folder.
    private(set) var mark: RecordLocation?
    /// The checkpoints that count, the oldest first: of at most two the newest is whole, of an older one the header is.
    private(set) var checkpoints: [FoundCheckpoint] = []
    /// What is wrong with the others.
    private(set) var damagedCheckpoints: [(name: String, error: JournalError)] = []
    /// Checkpoints of which there are newer ones in sufficient number.
    private(set) var oldCheckpoints: [String] = []
    /// The store's id; nil when no header says it.
    private(set) var store: StoreID?
    /// What would refuse an opening, where the survey goes on all the same.
    private(set) var damages: [StoreDamage] = []
    /// Segments whose headers are unreadable and were worked out from their groups.
    private(set) var rebuilt: [FoundSegment] = []
    private let isTolerant: Bool
    /// The look at the newest segment, for it need not be taken twice.
    private var newestScan: SegmentScan?

    /// Where the chain is taken up: behind the newest whole checkpoint's cut, else at its start.
    var start: (location: RecordLocation, chain: ChainState)? { checkpoints.last.map { ($0.header.cut, $0.header.chain) } }

    /// - Parameter isTolerant: whether damage is noted in ``damages`` instead of thrown.
    /// - Throws: ``JournalError``: damage, a newer format, or a read error.
    init(_ storage: any Storage, isTolerant: Bool = false) throws(JournalError) {
        self.isTolerant = isTolerant
        names = Set(try storage.list())
        var numbers: [UInt32] = []
        var checkpointNumbers: [UInt32] = []
        for name in names.sorted() {
            switch FileName.parse(name) {
            case .segment(let number):
                numbers.append(number)
                nextSegment = max(nextSegment, number + 1)
            case .spare(let number):
                spares.append(name)
                nextSpare = max(nextSpare, number + 1)
            case .checkpoint(let number):
                checkpointNumbers.append(number)
                nextCheckpoint = max(nextCheckpoint, number + 1)
            case .draft(let number):
                drafts.append(name)
                nextDraft = max(nextDraft, number + 1)
            case nil: break
            }
        }
        for number in numbers {
            do throws(JournalError) {
                try open(number, in: storage)
            } catch {
                guard isTolerant, let damage = StoreDamage(error, file: FileName.segment(number)) else { throw error }
                damages.append(damage)
            }
        }
        try dropUnusedSegments()
        try findCheckpoints(checkpointNumbers, in: storage)
        applyCopies()
        try findMark()
    }

    private mutating func open(_ number: UInt32, in storage: any Storage) throws(JournalError) {
        let name = FileName.segment(number)
        let file = try storage.open(name)
        let size = try file.size()
        let header: SegmentHeader?
        do {
            let window = FileWindow(file, limit: min(size, Block.size))
            header =
                if let block = try window.bytes(at: 0, count: Block.size) {
                    try SegmentHeader(reading: UnsafeRawBufferPointer(block), number: number, file: name)
                } else { nil }
        }
        guard let header else {
            // a header is synced before its segment's first group is written: with groups behind it, it was whole once
            if let group = try Self.firstGroup(FileWindow(file, limit: size), segment: number) {
                let what = "the segment's header is not what was written"
                guard isTolerant else { throw .corrupt(file: name, offset: 0, what: what) }
                damages.append(StoreDamage(file: name, offset: 0, bytes: Block.size, what: what))
                let header = SegmentHeader(
                    number: number,
                    store: store ?? StoreID(high: 0, low: 0),
                    generation: group.generation,
                    capacity: size & ~(Block.size - 1),
                    isFresh: false
                )
                segments.append(FoundSegment(header: header, storage: storage, limit: Int(header.capacity)))
                rebuilt.append(segments[segments.count - 1])
                return
            }
            unfinished.append(name)
            return
        }
        if let store, store != header.store {
            throw .corrupt(file: name, offset: 24, what: "it belongs to another store")
        }
        store = header.store
        guard size >= Int(header.capacity) else {
            let what = "the file is shorter than the \(header.capacity) bytes it was made with"
            guard isTolerant else { throw .corrupt(file: name, offset: UInt64(size), what: what) }
            damages.append(StoreDamage(file: name, offset: UInt64(size), bytes: Int(header.capacity) - size, what: what))
            segments.append(FoundSegment(header: header, storage: storage, limit: size & ~(Block.size - 1)))
            return
        }
        segments.append(FoundSegment(header: header, storage: storage, limit: Int(header.capacity)))
    }

    /// The first group of a file whose header is unreadable that is sound under the generation that it claims.
    private static func firstGroup(_ window: FileWindow, segment: UInt32) throws(JournalError) -> GroupHeader? {
        var offset = Block.size
        while let block = try window.bytes(at: offset, count: Block.size) {
            // a block's memory, never empty
            if let group = GroupHeader(reading: block.baseAddress!, seed: nil, segment: segment, offset: UInt32(offset)) { return group }
            offset += Block.size
        }
        return nil
    }

    /// Sets newest segments aside that hold nothing: made ready for use but not reached, or copies without their closing group.
    private mutating func dropUnusedSegments() throws(JournalError) {
        while let newest = segments.last {
            let scan = try SegmentScan(newest)
            let isUsed =
                if let copy = newest.header.replaces { scan.closes(copy) } else {
                    scan.hasGroups || (newest.header.isFresh && !scan.isBlank)
                }
            if isUsed {
                newestScan = scan
                segments[segments.count - 1].used = scan.used
                break
            }
            if newest.header.replaces == nil { unused.append(newest) } else { unfinished.append(newest.name) }
            segments.removeLast()
        }
    }

    /// Finds the newest whole checkpoint, and the one before it.
    private mutating func findCheckpoints(_ numbers: [UInt32], in storage: any Storage) throws(JournalError) {
        for number in numbers.reversed() {
            let name = FileName.checkpoint(number)
            guard checkpoints.count < 2 else {
                oldCheckpoints.append(name)
                continue
            }
            do throws(JournalError) {
                let file = try CheckpointFile(storage, number: number)
                if let store, store != file.header.store {
                    throw JournalError.corrupt(file: name, offset: 24, what: "it belongs to another store")
                }
                let bytes = checkpoints.isEmpty ? try file.verify() : file.size
                guard segments.contains(where: { $0.number == file.header.cut.segment }) else {
                    throw JournalError.corrupt(
                        file: name,
                        offset: 56,
                        what: "\(FileName.segment(file.header.cut.segment)), in which it begins, is missing"
                    )
                }
                checkpoints.insert(FoundCheckpoint(header: file.header, size: file.size, bytes: bytes), at: 0)
            } catch {
                if case .newerFormat = error { throw error }
                damagedCheckpoints.append((name, error))
            }
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

    /// Marks only grow, so the newest segment that has groups has the highest; and a checkpoint is given its name when everything before
    /// its cut is synced.
    private mutating func findMark() throws(JournalError) {
        mark = checkpoints.last?.header.cut ?? segments.first.map { RecordLocation(segment: $0.number, offset: UInt32(Block.size)) }
        for segment in segments.reversed() {
            let known = segment.number == segments.last?.number ? newestScan : nil
            let scan = if let known { known } else { try SegmentScan(segment) }
            if let highest = scan.mark {
                mark = max(mark ?? highest, highest)
                return
            }
        }
    }
}
