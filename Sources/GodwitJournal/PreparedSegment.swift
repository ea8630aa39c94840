#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A file whose blocks are allocated and which no segment uses yet.
package struct PreparedSegment: Sendable {
    let name: String
    let file: any StorageFile
    let capacity: Int
    /// It is known to hold nothing but zeros.
    let isFresh: Bool
}

/// Making a segment file ahead of need: ``run()`` it on any thread but the journal's, then give the result to
/// ``Journal/endPreparation(_:)``. It takes long (it writes the whole file), so it should not hold up a sync either.
package struct JournalPreparation: Sendable {
    let storage: any Storage
    let name: String
    var size: Int
    /// Whether to write the whole file, rather than only allocate it: slow once, and then every group is twice as fast to sync, because the
    /// file system need not note that its blocks are in use now.
    let zeroes: Bool

    /// Creates the file, or leaves nothing behind.
    ///
    /// - Throws: ``JournalError/noSpace``, or what the storage threw. Neither harms the journal.
    package func run() throws(JournalError) -> PreparedSegment {
        guard let prepared = try run(unless: { false }) else { preconditionFailure("nothing stopped it") }
        return prepared
    }

    /// Creates the file, or leaves nothing behind; looks between pieces whether it is to stop, and answers nil then.
    ///
    /// - Throws: as ``run()``.
    package func run(unless isStopped: () -> Bool) throws(JournalError) -> PreparedSegment? {
        let file: any StorageFile
        do {
            file = try storage.create(name, size: size)
        } catch {
            throw .creating(error)
        }
        do {
            if zeroes, try !writeZeroes(to: file, unless: isStopped) {
                try storage.delete(name)
                return nil
            }
            try file.syncData()
            return PreparedSegment(name: name, file: file, capacity: size, isFresh: true)
        } catch {
            // what was thrown says more than a failure to clean up; the file is found and deleted at the next opening
            try? storage.delete(name)
            throw .creating(error)
        }
    }

    /// - Returns: whether it wrote all of it.
    private func writeZeroes(to file: any StorageFile, unless isStopped: () -> Bool) throws(JournalError) -> Bool {
        let piece = 1 << 20
        /// Synced piecemeal, so that a sync of the journal never waits for the whole of it.
        let syncedPieces = 4
        let zeroes = UnsafeMutableRawBufferPointer.allocate(byteCount: min(piece, size), alignment: Block.size)
        defer { zeroes.deallocate() }
        zeroes.initializeMemory(as: UInt8.self, repeating: 0)
        var offset = 0
        while offset < size {
            if isStopped() { return false }
            let count = min(zeroes.count, size - offset)
            try file.writeAll(UnsafeRawBufferPointer(rebasing: zeroes[..<count]), at: offset)
            offset += count
            if offset < size, offset % (piece * syncedPieces) == 0 { try file.syncData() }
        }
        return true
    }
}

extension JournalError {
    /// ``noSpace`` where that is what a failure to make a file means.
    static func creating(_ error: JournalError) -> JournalError {
        if case .io(_, _, let number) = error, number == ENOSPC || number == EDQUOT || number == EFBIG { .noSpace } else { error }
    }
}

extension Journal {
    /// Begins making a segment ahead of need; nil when there are enough, or one is being made.
    package mutating func beginPreparation() -> JournalPreparation? {
        guard failure == nil, !isPreparing, spares.count < options.spareSegments else { return nil }
        isPreparing = true
        return preparation(zeroes: true)
    }

    /// Notes that a preparation has ended, with nil when it failed: that harms nothing, ``beginPreparation()`` may be called again later.
    package mutating func endPreparation(_ prepared: PreparedSegment?) {
        isPreparing = false
        if let prepared { spares.append(prepared) }
    }

    private mutating func preparation(zeroes: Bool) -> JournalPreparation {
        defer { nextSpare += 1 }
        return JournalPreparation(storage: storage, name: FileName.spare(nextSpare), size: options.segmentBytes, zeroes: zeroes)
    }

    /// A file for the next segment: a prepared one, or one made here and now. The last prepared one is for settles.
    ///
    /// - Throws: ``JournalError/noSpace`` or what the storage threw, with nothing changed.
    mutating func takeSpare(for purpose: Purpose) throws(JournalError) -> PreparedSegment {
        let reserve = purpose == .publish ? 1 : 0
        if spares.count > reserve { return spares.removeFirst() }
        return try preparation(zeroes: false).run()
    }

    /// A file for a copy: a small one made here and now, so that a program that is killed again and again does not fill the disk; or, on a
    /// full disk, a prepared one.
    mutating func takeSpare(ofAtLeast size: Int) throws(JournalError) -> PreparedSegment {
        var preparation = preparation(zeroes: true)
        preparation.size = max(options.firstSegmentBytes, Block.roundUp(size))
        do {
            return try preparation.run()
        } catch {
            guard error == .noSpace, let index = spares.firstIndex(where: { $0.capacity >= size }) else { throw error }
            return spares.remove(at: index)
        }
    }

    /// Goes on in a new segment. A failure poisons the journal.
    mutating func roll(to prepared: PreparedSegment) throws(JournalError) {
        let number = nextSegment
        let header = SegmentHeader(
            number: number,
            store: storeID,
            generation: options.random(),
            chain: chain,
            mark: mark,
            capacity: prepared.capacity,
            isFresh: prepared.isFresh
        )
        let next: Segment
        do {
            next = try prepared.takeIntoUse(header, in: storage)
        } catch {
            throw poison(error, in: FileName.segment(number))
        }
        nextSegment += 1
        if isUnsynced { unsyncedFiles.append(segment.file) }
        isUnsynced = false
        table.add(next)
        segment = next
        position = Block.size
    }
}

extension PreparedSegment {
    /// Gives the file its number and its new life. Both are durable before the first group is written into it, so that a segment whose
    /// header is unreadable and that has groups is damaged.
    func takeIntoUse(_ header: SegmentHeader, in storage: any Storage) throws(JournalError) -> Segment {
        try storage.rename(name, to: FileName.segment(header.number))
        try storage.syncDirectory()
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: Block.size, alignment: Block.size)
        defer { block.deallocate() }
        header.write(to: block)
        try file.writeAll(UnsafeRawBufferPointer(block), at: 0)
        try file.syncData()
        return Segment(header: header, file: file)
    }
}
