/// A file whose blocks are allocated and which no segment uses yet.
struct PreparedSegment: Sendable {
    let name: String
    let file: any StorageFile
    let capacity: Int
    /// It is known to hold nothing but zeros.
    let isFresh: Bool
    /// Blocks from here on may never have been written: the first write of each costs the file system a note of its own.
    var writtenBytes: Int
}

/// A segment that is complete but for its first group.
struct ReadySegment: Sendable {
    var header: SegmentHeader
    var file: any StorageFile
    /// See ``PreparedSegment/writtenBytes``.
    var writtenBytes: Int
}

/// A segment that may hold what is needed.
package struct SpaceOfSegment: Sendable {
    package var number: UInt32
    package var capacity: Int
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
            self.init(name: name, file: try storage.create(name, size: size), capacity: size, isFresh: true, writtenBytes: 0)
        } catch {
            throw .creating(error)
        }
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
        return ReadySegment(header: header, file: file, writtenBytes: max(writtenBytes, Block.size))
    }
}
