extension Journal {
    /// Opens the store in a folder, or makes one: takes the folder, recovers, and replays every record in order.
    ///
    /// Damage below the last mark refuses, with nothing changed. What lies beyond it and is readable is copied into a new segment and
    /// synced; what is not is cut, and kept beside the segments.
    /// - Parameters:
    ///   - restore: called for each chunk of the newest whole checkpoint, if there is one, in the order in which they were appended.
    ///   - replay: called for each record behind that checkpoint's cut. When one of the two throws, opening ends with its error.
    /// - Throws: ``JournalError``, or what `restore` or `replay` threw; the folder is given back then.
    package static func open(
        _ storage: any Storage,
        options: JournalOptions = JournalOptions(),
        restore: (_ section: UInt8, _ bytes: UnsafeRawBufferPointer) throws -> Void,
        replay: (borrowing ReplayedRecord) throws -> Void
    ) throws -> Journal {
        try storage.lock()
        do {
            let survey = try StoreSurvey(storage)
            guard let mark = survey.mark, let first = survey.segments.first else {
                if let damaged = survey.damagedCheckpoints.first { throw damaged.error }
                return try create(in: storage, survey, options: options)
            }
            if let newest = survey.checkpoints.last {
                try CheckpointFile(storage, number: newest.header.number).read(restore)
            } else {
                try requireStart(of: first, survey)
            }
            let start = survey.start ?? (RecordLocation(segment: first.number, offset: UInt32(Block.size)), ChainState())
            let walk: ChainWalk
            do { walk = try ChainWalk(survey.segments, from: start, mark: mark, replay: replay) } catch {
                throw cause(of: error, survey)
            }
            return try recover(storage, survey, walk, mark: mark, options: options, replay: replay)
        } catch {
            storage.unlock()
            throw (error as? JournalError)?.located(in: storage.name) ?? error
        }
    }

    /// Without a checkpoint the chain must be there from its start.
    static func requireStart(of first: FoundSegment, _ survey: StoreSurvey) throws(JournalError) {
        // a store begins with a mark in front of the first group
        let scan = try SegmentScan(first)
        guard scan.hasGroups, scan.lowestGroup > 1 else { return }
        if let damaged = survey.damagedCheckpoints.first { throw damaged.error }
        throw .corrupt(file: first.name, offset: UInt64(Block.size), what: "it goes on from a segment that is missing")
    }

    /// Why the chain is not there: without a checkpoint segments that were given back are missing in it, and then what keeps the checkpoint
    /// from being read is the reason, which may be over the next time.
    private static func cause(of error: any Error, _ survey: StoreSurvey) -> any Error {
        let pairs = zip(survey.segments, survey.segments.dropFirst())
        guard case .corrupt? = error as? JournalError, survey.checkpoints.isEmpty, pairs.contains(where: { $0.number + 1 != $1.number })
        else { return error }
        return survey.damagedCheckpoints.first?.error ?? error
    }

    /// Makes a new store.
    private static func create(in storage: any Storage, _ survey: StoreSurvey, options: JournalOptions) throws(JournalError) -> Journal {
        let leftovers = survey.unfinished + survey.unused.map(\.name) + survey.drafts
        if !leftovers.isEmpty { try storage.deleteDurably(leftovers) }
        let prepared = try PreparedSegment(creating: FileName.spare(survey.nextSpare), size: options.firstSegmentBytes, in: storage)
        let header = SegmentHeader(
            number: survey.nextSegment,
            store: StoreID(high: options.random(), low: options.random()),
            generation: options.random(),
            capacity: prepared.capacity,
            isFresh: true
        )
        let segment = try prepared.takeIntoUse(header, in: storage)
        let mark = RecordLocation(segment: header.number, offset: UInt32(Block.size))
        var journal = Journal(storage, options: options, store: header.store, segment: segment, chain: ChainState(), mark: mark)
        journal.table.add(header, file: segment.file)
        journal.inUse = [SpaceOfSegment(number: header.number, capacity: Int(header.capacity))]
        journal.nextSpare = survey.nextSpare + 1
        for name in survey.spares { try journal.adopt(name) }
        journal.nextSegment = header.number + 1
        journal.nextDraft = survey.nextDraft
        journal.nextCheckpoint = survey.nextCheckpoint
        journal.recovery.isNew = true
        // from here on the segment is in use, and the store is this one
        try journal.writeMarkGroup()
        return journal
    }

    /// The third step of recovery, and the first that changes anything: keeps what is cut, copies what was only readable, and makes durable
    /// where the journal goes on, before it deletes what that replaces.
    static func recover(
        _ storage: any Storage,
        _ survey: StoreSurvey,
        _ walk: ChainWalk,
        mark: RecordLocation,
        options: JournalOptions,
        replay: (borrowing ReplayedRecord) throws -> Void
    ) throws -> Journal {
        // recover is called with segments only
        let newest = survey.segments[survey.segments.count - 1]
        var journal = Journal(
            storage,
            options: options,
            store: newest.header.store,
            segment: try newest.reopened(),
            chain: walk.durable,
            mark: mark
        )
        for segment in survey.segments {
            journal.table.add(segment.header, file: segment.number == newest.number ? journal.segment.file : nil)
            journal.inUse.append(SpaceOfSegment(number: segment.number, capacity: Int(segment.header.capacity)))
        }
        journal.position = walk.position
        journal.bytesSinceCheckpoint = walk.bytes
        journal.checkpoints = survey.checkpoints
        journal.nextSegment = survey.nextSegment
        journal.nextSpare = survey.nextSpare
        journal.nextDraft = survey.nextDraft
        journal.nextCheckpoint = survey.nextCheckpoint
        journal.recovery.checkpoint = survey.checkpoints.last.map { FileName.checkpoint($0.header.number) }
        journal.recovery.records = walk.records
        journal.recovery.groups = walk.groups
        var setAside: [String: String] = [:]
        for tail in walk.tails {
            do {
                journal.recovery.cuts.append(try storage.keep(tail, names: survey.names))
            } catch {
                guard error == .noSpace else { throw error }
                // A full disk must not keep a store from opening: the bytes stay where they are. A file that is replaced whole gets
                // another name instead of being deleted.
                var cut = JournalRecovery.Cut(tail, keptAs: tail.segment.name)
                if tail.segment.number > mark.segment {
                    cut.keptAs = FileName.cut(of: tail, besides: survey.names)
                    setAside[tail.segment.name] = cut.keptAs
                }
                journal.recovery.cuts.append(cut)
            }
        }
        try journal.tidy(survey)

        var obsolete = survey.void
        if !walk.readable.isEmpty || !walk.tails.isEmpty {
            try journal.copy(walk.readable, replay: replay)
            obsolete += survey.segments.filter { $0.number > mark.segment }
            try journal.writeMarkGroup()
        } else {
            try journal.showUse(of: newest, walk)
        }
        for (name, kept) in setAside { try storage.rename(name, to: kept) }
        try storage.deleteDurably(obsolete.map(\.name).filter { setAside[$0] == nil })
        for segment in obsolete { journal.table.remove(segment.number) }
        let gone = Set(obsolete.map(\.number))
        journal.inUse.removeAll { gone.contains($0.number) }
        return journal
    }

    /// Deletes and puts aside what an ended process left, and makes that, and what it renamed, durable.
    mutating func tidy(_ survey: StoreSurvey) throws(JournalError) {
        for damaged in survey.damagedCheckpoints {
            // Also one that could only not be read this time: what is done without it is not what it goes on with, should it be read again.
            let keptAs = FileName.damaged(damaged.name)
            try storage.rename(damaged.name, to: keptAs)
            let error = damaged.error.located(in: storage.name)
            recovery.damagedCheckpoints.append(.init(file: damaged.name, error: error, keptAs: keptAs))
        }
        for segment in survey.unused {
            let name = FileName.spare(takeSpareNumber())
            try storage.rename(segment.name, to: name)
            try adopt(name)
        }
        for name in survey.spares { try adopt(name) }
        if let name = survey.drafts.first {
            draft = DraftFile(name: name, size: try storage.open(name).size())
        }
        try storage.deleteDurably(survey.unfinished + survey.oldCheckpoints + survey.drafts.dropFirst())
    }

    /// Keeps a file as a spare, or deletes it when it is not needed.
    private mutating func adopt(_ name: String) throws(JournalError) {
        let file = try storage.open(name)
        if ahead < options.spareSegments + options.reserveSegments, try file.size() == options.segmentBytes {
            // whether it was written in full is not known, so what lies in it says nothing
            spares.append(PreparedSegment(name: name, file: file, capacity: options.segmentBytes, isFresh: false, writtenBytes: 0))
        } else {
            try storage.delete(name)
        }
    }

    /// Sees to it that something in the segment is known to be on disk, which shows from now on that it is in use and, if it is a copy,
    /// that it is whole: marks that were found may be only readable.
    private mutating func showUse(of newest: FoundSegment, _ walk: ChainWalk) throws(JournalError) {
        if position + Block.size > segment.capacity {
            // a full segment's records show it, and a full disk must not keep a store from opening
            let closing = newest.header.replaces?.closingGroup ?? 0
            if walk.end.segment == newest.number, writtenGroup > closing { return }
            roll(to: try nextReady(for: .move))
        }
        try writeMarkGroup()
    }

    /// Copies groups that were only readable into a new segment, which from then on stands for everything behind the mark, and syncs it.
    private mutating func copy(_ groups: [ChainWalk.Readable], replay: (borrowing ReplayedRecord) throws -> Void) throws {
        // room for the openings to come, each of which writes a mark
        let size = groups.reduce(16 * Block.size) { $0 + Int($1.header.length) }
        let prepared = try fileForCopy(ofAtLeast: size)
        let closing = groups.last?.header.number ?? writtenGroup
        let replaced = SegmentHeader.Replacement(segment: mark.segment, offset: mark.offset, closingGroup: closing)
        take(try prepared.takeIntoUse(newHeader(for: prepared, replaces: replaced), in: storage))
        recovery.copiedTo = segment.name
        recovery.copiedGroups = groups.count
        var source: FileWindow?
        var sourceNumber: UInt32?
        for group in groups {
            if sourceNumber != group.segment.number {
                source = FileWindow(try group.segment.open(), limit: group.segment.limit)
                sourceNumber = group.segment.number
            }
            guard let bytes = try source?.bytes(at: group.offset, count: Int(group.header.length)) else {
                throw JournalError.corrupt(
                    file: group.segment.name,
                    offset: UInt64(group.offset),
                    what: "a group vanished while it was read"
                )
            }
            try copy(group.header, bytes, replay: replay)
        }
        guard !groups.isEmpty else { return }
        try segment.file.syncData()
        syncedGroup = writtenGroup
        mark = end
    }

    /// Writes a group again, checksummed for its new place, and hands out its records.
    private mutating func copy(
        _ header: GroupHeader,
        _ bytes: UnsafeMutableRawBufferPointer,
        replay: (borrowing ReplayedRecord) throws -> Void
    ) throws {
        guard let base = bytes.baseAddress else { return }
        var header = header
        var contents: UInt32 = 0
        var cursor = RecordCursor(UnsafeRawBufferPointer(bytes), records: header.records)
        while let (start, record) = try cursor.next() {
            let checksum = record.seal(base + start, seed: segment.seed, offset: UInt32(position + start))
            contents = withUnsafeBytes(of: checksum.littleEndian) { crc32c($0, continuing: contents) }
        }
        header.contents = contents
        header.generation = segment.generation
        header.mark = mark
        header.previous = chain.previous
        let checksum = header.write(to: base, seed: segment.seed, offset: UInt32(position))
        let place = RecordLocation(segment: segment.number, offset: UInt32(position))
        try writeToSegment(UnsafeRawBufferPointer(bytes))
        chain.advance(over: header, checksum: checksum)
        end = RecordLocation(segment: segment.number, offset: UInt32(position))
        try replayRecords(of: UnsafeRawBufferPointer(bytes), header: header, at: place, to: replay)
    }

    /// A file for a copy: a small one made here and now, so that a program that is killed again and again does not fill the disk; or, on a
    /// full disk, a prepared one.
    mutating func fileForCopy(ofAtLeast size: Int) throws(JournalError) -> PreparedSegment {
        let size = max(options.firstSegmentBytes, Block.roundUp(size))
        do {
            return try PreparedSegment(creating: FileName.spare(takeSpareNumber()), size: size, in: storage)
        } catch {
            guard error == .noSpace, let index = spares.firstIndex(where: { $0.capacity >= size }) else { throw error }
            // Nothing new may go into it: it is what is left for settles.
            isShort = true
            hasSpentReserve = true
            return spares.remove(at: index)
        }
    }

    init(
        _ storage: any Storage,
        options: JournalOptions,
        store: StoreID,
        segment: ReadySegment,
        chain: ChainState,
        mark: RecordLocation
    ) {
        let table = SegmentTable(storage, openFiles: options.openFiles)
        self.table = table
        self.storage = FrugalStorage(base: storage, table: table)
        self.options = options
        self.segment = Segment(segment)
        self.chain = chain
        self.mark = mark
        inUse = []
        storeID = store
        recovery = JournalRecovery()
        position = Block.size
        end = mark
        syncedGroup = chain.nextGroup &- 1
        markedGroup = syncedGroup
    }
}
