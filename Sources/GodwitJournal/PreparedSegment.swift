/// A file whose blocks are allocated and which no segment uses yet.
struct PreparedSegment: Sendable {
    let name: String
    let file: any StorageFile
    let capacity: Int
    /// It is known to hold nothing but zeros.
    let isFresh: Bool
    /// Its blocks were never written: the first write of each would cost the file system a note of its own.
    var isUnwritten = false
}

/// A segment that is complete but for its first group.
struct ReadySegment: Sendable {
    var header: SegmentHeader
    var file: any StorageFile
}

/// A segment that may hold what is needed.
struct SpaceOfSegment: Sendable {
    var number: UInt32
    var capacity: Int
}

/// A segment that nobody needs any more.
struct DeadSegment: Sendable {
    var number: UInt32
    var capacity: Int
    /// What made it dead is on disk as soon as this group is.
    var group: UInt64
    /// Pins of this epoch and earlier ones may still read it.
    var epoch: UInt64
}

extension PreparedSegment {
    /// A new file of `size` bytes, or nothing.
    ///
    /// - Throws: ``JournalError/noSpace``, or what the storage threw. Neither harms the journal.
    init(creating name: String, size: Int, in storage: any Storage) throws(JournalError) {
        do {
            self.init(name: name, file: try storage.create(name, size: size), capacity: size, isFresh: true, isUnwritten: true)
        } catch {
            throw .creating(error)
        }
    }

    /// A new file of which every block is written and on disk, or nothing.
    ///
    /// - Throws: as ``init(creating:size:in:)``.
    static func written(_ name: String, size: Int, in storage: any Storage) throws(JournalError) -> PreparedSegment {
        var prepared = try PreparedSegment(creating: name, size: size, in: storage)
        do throws(JournalError) {
            _ = try prepared.writeOut(unless: { false })
            try prepared.file.syncData()
        } catch {
            // what was thrown says more than a failure to clean up; the file is found and deleted at the next opening
            try? storage.delete(name)
            throw .creating(error)
        }
        prepared.isUnwritten = false
        return prepared
    }

    /// Writes every block once, unless that was done: slow, and then every group is twice as fast to sync.
    ///
    /// - Parameter isStopped: asked between pieces whether to stop.
    /// - Returns: whether all is written.
    func writeOut(unless isStopped: () -> Bool) throws(JournalError) -> Bool {
        guard isUnwritten else { return true }
        let piece = 1 << 20
        /// Synced piecemeal, so that a sync of the journal never waits for the whole of it.
        let syncedPieces = 4
        let zeroes = UnsafeMutableRawBufferPointer.allocate(byteCount: min(piece, capacity), alignment: Block.size)
        defer { zeroes.deallocate() }
        zeroes.initializeMemory(as: UInt8.self, repeating: 0)
        var offset = 0
        while offset < capacity {
            if isStopped() { return false }
            let count = min(zeroes.count, capacity - offset)
            try file.writeAll(UnsafeRawBufferPointer(rebasing: zeroes[..<count]), at: offset)
            offset += count
            if offset < capacity, offset % (piece * syncedPieces) == 0 { try file.syncData() }
        }
        return true
    }

    /// Gives the file its number and its new life. Both are durable when this returns, and only then may the first group be written: so a
    /// segment whose header is unreadable and that has groups is damaged.
    ///
    /// The new name is durable before the header is written, for under its old name the file may be a segment whose header must be whole.
    func takeIntoUse(_ header: SegmentHeader, in storage: any Storage) throws(JournalError) -> ReadySegment {
        try storage.rename(name, to: FileName.segment(header.number))
        try storage.syncDirectory()
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: Block.size, alignment: Block.size)
        defer { block.deallocate() }
        header.write(to: block)
        try file.writeAll(UnsafeRawBufferPointer(block), at: 0)
        try file.syncData()
        return ReadySegment(header: header, file: file)
    }
}
