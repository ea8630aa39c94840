extension Journal {
    /// Opens the store in a folder, or makes one: takes the folder, recovers, and replays every record in order.
    ///
    /// - Parameter replay: called for each record, before anything is changed in the folder if it throws at a record that was durable.
    /// - Throws: ``JournalError``, or what `replay` threw; the folder is given back then.
    package static func open(
        _ storage: any Storage,
        options: JournalOptions = JournalOptions(),
        replay: (borrowing ReplayedRecord) throws -> Void
    ) throws -> Journal {
        try storage.lock()
        do {
            return try create(in: storage, options: options)
        } catch {
            storage.unlock()
            throw error
        }
    }

    /// Makes a new store.
    static func create(in storage: any Storage, options: JournalOptions) throws(JournalError) -> Journal {
        let prepared = try JournalPreparation(storage: storage, name: FileName.spare(1), size: options.firstSegmentBytes, zeroes: true)
            .run()
        let header = SegmentHeader(
            number: 1,
            store: StoreID(high: options.random(), low: options.random()),
            generation: options.random(),
            chain: ChainState(),
            mark: RecordLocation(segment: 1, offset: UInt32(Block.size)),
            capacity: prepared.capacity,
            isFresh: true
        )
        let segment = try prepared.takeIntoUse(header, in: storage)
        return Journal(storage: storage, options: options, header: header, segment: segment)
    }

    init(storage: any Storage, options: JournalOptions, header: SegmentHeader, segment: Segment) {
        self.storage = storage
        self.options = options
        self.segment = segment
        table = SegmentTable()
        table.add(segment)
        storeID = header.store
        recovery = JournalRecovery()
        position = Block.size
        chain = header.chain
        end = header.mark
        mark = header.mark
        syncedGroup = header.chain.nextGroup - 1
        markedGroup = syncedGroup
        spares = []
        nextSpare = 2
        nextSegment = segment.number + 1
    }
}
