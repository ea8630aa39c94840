extension Journal {
    /// What a transaction's records are for: it decides whether they may use the reserve of disk space.
    package enum Purpose: Sendable {
        /// They bring something new: refused when only the reserve is left.
        case publish
        /// They end something, which gives space back, and bring something along, such as a result: refused when the reserve is reached.
        case settleWithPayload
        /// They end something: refused when only the segment for moves is left.
        case settle
        /// They make a segment dispensable. The last segment of the reserve is for them.
        case move
    }

    /// Makes room for a transaction's records in one group.
    ///
    /// If they fit neither into the group in memory nor into the segment, the group is written and a new segment begun. A group that would
    /// become larger than ``JournalOptions/groupBytes`` is written too: while a sync takes long, memory holds no more of what arrives than that.
    /// - Parameter bytes: the sum of their ``recordBytes(header:body:)``.
    /// - Throws: ``JournalError/noSpace`` or ``JournalError/tooLarge(bytes:limit:)`` with nothing changed; ``JournalError/failed(_:)``.
    package mutating func reserve(_ bytes: Int, for purpose: Purpose) throws(JournalError) {
        try checkFailure()
        guard bytes <= maximumReservation else { throw .tooLarge(bytes: bytes, limit: maximumReservation) }
        if isShort, refuses(purpose) { throw .noSpace }
        if !fits(bytes) {
            let next = try nextReady(for: purpose)
            try write()
            roll(to: next)
        } else if arena.used + bytes > options.groupBytes {
            try write()
        }
        arena.grow(for: max(arena.used, GroupHeader.size) - arena.used + bytes)
    }

    /// Whether the group in memory can take `bytes` more, and leaves a block for a mark.
    private func fits(_ bytes: Int) -> Bool {
        position + Block.roundUp(max(arena.used, GroupHeader.size) + bytes) + Block.size <= segment.capacity
    }

    /// Appends a record to the group in memory. Room must have been reserved.
    ///
    /// - Parameters:
    ///   - kind: what the record is, said by the caller.
    ///   - critical: whether a reader that does not know the kind must refuse the store.
    ///   - header: at most ``maximumHeaderBytes``.
    ///   - body: what ``JournalReader/body(at:)`` gives back.
    /// - Returns: where the record will lie; readable once its group is written.
    package mutating func append(kind: UInt8, critical: Bool, header: RawSpan, body: RawSpan) -> RecordLocation {
        append(kind: kind, critical: critical, header: header, body: body, bodyChecksum: body.withUnsafeBytes { crc32c($0) })
    }

    /// Appends a record whose body's CRC32C was computed before, say on the thread that received it.
    package mutating func append(kind: UInt8, critical: Bool, header: RawSpan, body: RawSpan, bodyChecksum: UInt32) -> RecordLocation {
        append(kind: kind, critical: critical, headerBytes: header.byteCount, body: body, bodyChecksum: bodyChecksum) { place in
            header.withUnsafeBytes { place.copyMemory(from: $0) }
        }
    }

    /// Appends a record whose header is written where it will lie.
    ///
    /// - Parameters:
    ///   - headerBytes: at most ``maximumHeaderBytes``.
    ///   - fillHeader: writes all of the header's bytes, which hold anything before.
    package mutating func append(
        kind: UInt8,
        critical: Bool,
        headerBytes: Int,
        body: RawSpan,
        bodyChecksum: UInt32,
        fillHeader: (UnsafeMutableRawBufferPointer) -> Void
    ) -> RecordLocation {
        let start = max(arena.used, GroupHeader.size)
        let bodyBytes = body.byteCount
        let length = RecordHeader.recordBytes(header: headerBytes, body: bodyBytes)
        precondition(headerBytes <= Self.maximumHeaderBytes, "a record's header has at most 65,535 bytes")
        precondition(start + length <= arena.capacity && position + Block.roundUp(start + length) <= segment.capacity, "reserve first")
        let record = arena.base + start
        // the padding; what lies before is written over
        record.storeBytes(of: 0, toByteOffset: length - RecordHeader.alignment, as: UInt64.self)
        fillHeader(UnsafeMutableRawBufferPointer(start: record + RecordHeader.size, count: headerBytes))
        body.withUnsafeBytes {
            guard let bytes = $0.baseAddress else { return }
            (record + RecordHeader.size + headerBytes).copyMemory(from: bytes, byteCount: bodyBytes)
        }
        let offset = UInt32(position + start)
        let fixed = RecordHeader(
            kind: kind,
            flags: critical ? RecordHeader.criticalFlag : 0,
            headerLength: headerBytes,
            bodyLength: bodyBytes,
            bodyChecksum: bodyChecksum
        )
        let checksum = fixed.seal(record, seed: segment.seed, offset: offset)
        groupContents = withUnsafeBytes(of: checksum.littleEndian) { crc32c($0, continuing: groupContents) }
        groupRecords += 1
        arena.used = start + length
        return RecordLocation(segment: segment.number, offset: offset)
    }

    /// Writes the group in memory, if there is one, in one call.
    ///
    /// - Returns: the number of the last written group.
    /// - Throws: ``JournalError/failed(_:)``; from then on the journal is of no use.
    @discardableResult
    package mutating func write() throws(JournalError) -> UInt64 {
        try checkFailure()
        guard groupRecords > 0 else { return writtenGroup }
        let bytes = arena.padded()
        let header = GroupHeader(
            length: bytes.count,
            records: groupRecords,
            number: chain.nextGroup,
            firstRecord: chain.nextRecord,
            generation: segment.generation,
            mark: mark,
            previous: chain.previous,
            contents: groupContents
        )
        let checksum = header.write(to: arena.base, seed: segment.seed, offset: UInt32(position))
        try writeToSegment(UnsafeRawBufferPointer(bytes))
        chain.advance(over: header, checksum: checksum)
        end = RecordLocation(segment: segment.number, offset: UInt32(position))
        markedGroup = syncedGroup
        isUnsynced = true
        arena.clear()
        groupRecords = 0
        groupContents = 0
        return writtenGroup
    }

    /// Writes blocks behind the last ones; a failure poisons the journal.
    mutating func writeToSegment(_ bytes: UnsafeRawBufferPointer) throws(JournalError) {
        do {
            try segment.file.writeAll(bytes, at: position)
        } catch {
            throw poison(error, in: segment.name)
        }
        position += bytes.count
        if position > segment.writtenBytes { writeAhead(of: bytes.count) }
        bytesSinceCheckpoint += bytes.count
    }

    /// Writes zeroes behind a small group that went into blocks never written before. Each such group costs the sync a note in the file
    /// system's own journal, half as long as the rest of it; so a lone publisher pays for that once in so many groups, not each time.
    private mutating func writeAhead(of bytes: Int) {
        segment.writtenBytes = position
        let count = min(Self.zeroes.count, segment.capacity - position)
        guard bytes <= Self.smallGroup, count > 0 else { return }
        // Nothing rests on zeroes: where they cannot be written, the next group tries again.
        let written: Void? = try? Self.zeroes.withUnsafeBytes {
            try segment.file.writeAll(UnsafeRawBufferPointer(rebasing: $0[..<count]), at: position)
        }
        if written != nil { segment.writtenBytes += count }
    }

    private static let smallGroup = 32 << 10
    private static let zeroes = [UInt8](repeating: 0, count: 256 << 10)

    /// Notes that what is on disk is unknown from here on; answers the error to throw.
    mutating func poison(_ cause: JournalError, in file: String? = nil) -> JournalError {
        let named =
            if case .io(let call, _, let errno) = cause, let file { JournalError.io(call: call, file: file, errno: errno) } else { cause }
        let final = failure ?? .failed(named.located(in: storage.name))
        failure = final
        return final
    }

    func checkFailure() throws(JournalError) {
        if let failure { throw failure }
        precondition(isOpen, "the journal is closed")
    }
}
