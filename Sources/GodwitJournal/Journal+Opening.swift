extension Journal {
    /// Opens the store in a folder, or makes one: takes the folder, recovers, and replays every record in order.
    ///
    /// Damage below the last mark refuses, with nothing changed. What lies beyond it and is readable is copied into a new segment and
    /// synced; what is not is cut, and kept beside the segments.
    /// - Parameter replay: called for each record. When it throws, opening ends with its error.
    /// - Throws: ``JournalError``, or what `replay` threw; the folder is given back then.
    package static func open(
        _ storage: any Storage,
        options: JournalOptions = JournalOptions(),
        replay: (borrowing ReplayedRecord) throws -> Void
    ) throws -> Journal {
        try storage.lock()
        do {
            let survey = try StoreSurvey(storage)
            guard let mark = survey.mark, !survey.segments.isEmpty else { return try create(in: storage, survey, options: options) }
            let walk = try ChainWalk(survey.segments, mark: mark, replay: replay)
            return try recover(storage, survey, walk, mark: mark, options: options, replay: replay)
        } catch {
            storage.unlock()
            throw (error as? JournalError)?.located(in: storage.name) ?? error
        }
    }

    /// Makes a new store.
    private static func create(in storage: any Storage, _ survey: StoreSurvey, options: JournalOptions) throws(JournalError) -> Journal {
        if !survey.unfinished.isEmpty { try storage.deleteDurably(survey.unfinished) }
        let spares = try adoptSpares(storage, survey, options)
        let name = FileName.spare(survey.nextSpare)
        let prepared = try JournalPreparation(storage: storage, name: name, size: options.firstSegmentBytes, zeroes: true).run()
        let header = SegmentHeader(
            number: survey.nextSegment,
            store: StoreID(high: options.random(), low: options.random()),
            generation: options.random(),
            chain: ChainState(),
            mark: RecordLocation(segment: survey.nextSegment, offset: UInt32(Block.size)),
            capacity: prepared.capacity,
            isFresh: true
        )
        let segment = try prepared.takeIntoUse(header, in: storage)
        var journal = Journal(storage, options: options, store: header.store, segment: segment, chain: ChainState(), mark: header.mark)
        journal.spares = spares
        journal.nextSpare = survey.nextSpare + 1
        journal.nextSegment = survey.nextSegment + 1
        journal.recovery.isNew = true
        // from here on the segment is in use, and the store is this one
        try journal.writeMarkGroup()
        return journal
    }

    /// The third step of recovery, and the first that changes anything: keeps what is cut, copies what was only readable, and makes durable
    /// where the journal goes on, before it deletes what that replaces.
    private static func recover(
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
            segment: newest.inUse,
            chain: walk.durable,
            mark: mark
        )
        for segment in survey.segments { journal.table.add(segment.inUse) }
        journal.position = walk.position
        journal.nextSegment = survey.nextSegment
        journal.nextSpare = survey.nextSpare
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
        // also makes durable what an ended process renamed
        try storage.deleteDurably(survey.unfinished)
        journal.spares = try adoptSpares(storage, survey, options)

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
        return journal
    }

    /// Sees to it that something in the segment is known to be on disk, which shows from now on that it is in use and, if it is a copy,
    /// that it is whole: marks that were found may be only readable.
    private mutating func showUse(of newest: FoundSegment, _ walk: ChainWalk) throws(JournalError) {
        if position + Block.size > segment.capacity {
            // a full segment's records show it, and a full disk must not keep a store from opening
            let closing = newest.header.replaces?.closingGroup ?? 0
            if walk.end.segment == newest.number, writtenGroup > closing { return }
            try roll(to: takeSpare(for: .settle))
        }
        try writeMarkGroup()
    }

    /// Copies groups that were only readable into a new segment, which from then on stands for everything behind the mark, and syncs it.
    private mutating func copy(_ groups: [ChainWalk.Readable], replay: (borrowing ReplayedRecord) throws -> Void) throws {
        // room for the openings to come, each of which writes a mark
        let size = groups.reduce(16 * Block.size) { $0 + Int($1.header.length) }
        let prepared = try takeSpare(ofAtLeast: size)
        let closing = groups.last?.header.number ?? writtenGroup
        let header = SegmentHeader(
            number: nextSegment,
            store: storeID,
            generation: options.random(),
            chain: chain,
            mark: mark,
            capacity: prepared.capacity,
            isFresh: prepared.isFresh,
            replaces: SegmentHeader.Replacement(segment: mark.segment, offset: mark.offset, closingGroup: closing)
        )
        segment = try prepared.takeIntoUse(header, in: storage)
        table.add(segment)
        nextSegment += 1
        position = Block.size
        recovery.copiedTo = segment.name
        recovery.copiedGroups = groups.count
        var source: FileWindow?
        for group in groups {
            if source?.limit != group.segment.limit || source?.file.name != group.segment.file.name {
                source = FileWindow(group.segment.file, limit: group.segment.limit)
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

    /// Prepared files that an earlier process left, as far as they are of use; the others are deleted.
    private static func adoptSpares(
        _ storage: any Storage,
        _ survey: StoreSurvey,
        _ options: JournalOptions
    ) throws(JournalError) -> [PreparedSegment] {
        var spares: [PreparedSegment] = []
        for name in survey.spares {
            let file = try storage.open(name)
            if spares.count < options.spareSegments, try file.size() == options.segmentBytes {
                // whether it was written in full is not known, so what lies in it says nothing
                spares.append(PreparedSegment(name: name, file: file, capacity: options.segmentBytes, isFresh: false))
            } else {
                try storage.delete(name)
            }
        }
        return spares
    }

    private init(
        _ storage: any Storage,
        options: JournalOptions,
        store: StoreID,
        segment: Segment,
        chain: ChainState,
        mark: RecordLocation
    ) {
        self.storage = storage
        self.options = options
        self.segment = segment
        self.chain = chain
        self.mark = mark
        table = SegmentTable(folder: storage.name)
        table.add(segment)
        storeID = store
        recovery = JournalRecovery()
        position = Block.size
        end = mark
        syncedGroup = chain.nextGroup - 1
        markedGroup = syncedGroup
        spares = []
        nextSpare = 1
        nextSegment = 1
    }
}
