/// A sync of all groups that were written when it was begun: ``run()`` it on any thread, then give it to ``Journal/endSync(_:failure:)``.
package struct JournalSync: Sendable {
    let files: [any StorageFile]
    let end: RecordLocation
    /// The last group that it makes durable.
    package let group: UInt64

    /// Blocks until the groups are on disk.
    ///
    /// - Throws: the failure, which must be given to ``Journal/endSync(_:failure:)``; never try again, for the pages may be gone.
    package func run() throws(JournalError) {
        for file in files { try file.syncData() }
    }
}

extension Journal {
    /// Begins a sync of everything written; nil when all of it is synced, or a sync is under way.
    package mutating func beginSync() -> JournalSync? {
        guard failure == nil, !isSyncing, isUnsynced || !unsyncedFiles.isEmpty else { return nil }
        var files = unsyncedFiles
        if isUnsynced { files.append(segment.file) }
        unsyncedFiles = []
        isUnsynced = false
        isSyncing = true
        return JournalSync(files: files, end: end, group: writtenGroup)
    }

    /// Notes that a sync has ended. A failure poisons the journal.
    package mutating func endSync(_ sync: JournalSync, failure: JournalError? = nil) {
        precondition(isSyncing, "one sync at a time")
        isSyncing = false
        if let failure {
            _ = poison(failure)
        } else {
            syncedGroup = sync.group
            mark = sync.end
        }
    }

    /// Syncs everything written, on this thread. Not while another sync is under way.
    ///
    /// - Throws: ``JournalError/failed(_:)``.
    package mutating func sync() throws(JournalError) {
        try checkFailure()
        precondition(!isSyncing, "one sync at a time")
        guard let sync = beginSync() else { return }
        do {
            try sync.run()
            endSync(sync)
        } catch {
            endSync(sync, failure: error)
            throw failure ?? error
        }
    }

    /// Whether ``writeMark()`` has something to say: synced groups that no header on disk vouches for.
    package var needsMark: Bool { failure == nil && isSynced && markedGroup < syncedGroup }

    /// When everything is synced and no group on disk says so: writes a group that has only a mark, and syncs it, on this thread. Else
    /// nothing. For a journal that has been idle for a second: from then on damage is told from a torn tail.
    ///
    /// - Throws: ``JournalError/failed(_:)``.
    package mutating func writeMark() throws(JournalError) {
        try checkFailure()
        guard needsMark, !isSyncing else { return }
        try writeMarkGroup()
    }

    mutating func writeMarkGroup() throws(JournalError) {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: Block.size, alignment: Block.size)
        defer { block.deallocate() }
        _ = GroupHeader.mark(at: mark, after: chain, generation: segment.generation)
            .writeBlock(block, seed: segment.seed, offset: UInt32(position))
        try writeToSegment(UnsafeRawBufferPointer(block))
        do {
            try segment.file.syncData()
        } catch {
            throw poison(error, in: segment.name)
        }
        markedGroup = syncedGroup
    }

    /// Writes and syncs what waits, notes that it did, and gives the folder back. Not while a sync is under way.
    ///
    /// After a failure it only gives the folder back. Whatever it throws, the journal is closed.
    package mutating func close() throws(JournalError) {
        guard isOpen else { return }
        defer {
            isOpen = false
            storage.unlock()
        }
        guard failure == nil else { return }
        try write()
        try sync()
        try writeMark()
        maintain()
        putReadyBack()
    }

    /// Gives segments that were not reached the names of spares again, so that the next opening need not look for groups in them.
    private mutating func putReadyBack() {
        guard !ready.isEmpty, !isMaintaining else { return }
        do {
            for segment in ready { try storage.rename(FileName.segment(segment.header.number), to: FileName.spare(takeSpareNumber())) }
            try storage.syncDirectory()
        } catch {
            // then the next opening looks
        }
        ready = []
    }
}

extension GroupHeader {
    /// A group with only a mark.
    static func mark(at mark: RecordLocation, after chain: ChainState, generation: UInt64) -> GroupHeader {
        GroupHeader(
            flags: markFlag,
            length: Block.size,
            records: 0,
            number: chain.nextGroup &- 1,
            firstRecord: chain.nextRecord,
            generation: generation,
            mark: mark,
            previous: chain.previous,
            contents: 0
        )
    }

    /// Writes a group without records.
    func writeBlock(_ block: UnsafeMutableRawBufferPointer, seed: HeaderSeed, offset: UInt32) -> UInt32 {
        block.initializeMemory(as: UInt8.self, repeating: 0)
        // a block's memory, never empty
        return write(to: block.baseAddress!, seed: seed, offset: offset)
    }
}
