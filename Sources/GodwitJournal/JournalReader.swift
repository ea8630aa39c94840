/// Reads records that were written, on any thread.
package struct JournalReader: Sendable {
    let table: SegmentTable

    /// A record as it was appended.
    package struct Record: Sendable, Equatable {
        package var kind: UInt8
        package var critical: Bool
        package var header: [UInt8]
        package var body: [UInt8]
    }

    /// The body of the record at `location`, verified.
    ///
    /// - Throws: ``JournalError/corrupt(file:offset:what:)`` when it is not what was written; ``JournalError/io(call:file:errno:)``.
    package func body(at location: RecordLocation) throws(JournalError) -> [UInt8] {
        try record(at: location).body
    }

    /// The record at `location`, verified. Its group must have been written.
    ///
    /// - Throws: as ``body(at:)``.
    package func record(at location: RecordLocation) throws(JournalError) -> Record {
        do {
            return try verifiedRecord(at: location)
        } catch {
            throw error.located(in: table.folder)
        }
    }

    private func verifiedRecord(at location: RecordLocation) throws(JournalError) -> Record {
        guard let segment = table[location.segment] else {
            throw .corrupt(file: FileName.segment(location.segment), offset: UInt64(location.offset), what: "the segment is missing")
        }
        let start = Int(location.offset)
        /// Enough for the header of a record as the engine writes them, and a small body.
        var bytes = try read(segment, at: start, count: 1024)
        guard bytes.count >= RecordHeader.size else { throw damage(segment, location, "the file ends in a record") }
        let header = bytes.withUnsafeBytes { RecordHeader(reading: $0.baseAddress!) }  // not empty, as just seen
        let bodyStart = RecordHeader.size + Int(header.headerLength)
        guard start + header.recordBytes <= segment.capacity else {
            throw damage(segment, location, "a record's header is not what was written")
        }
        if bytes.count < bodyStart { bytes = try read(segment, at: start, count: header.recordBytes) }
        guard bytes.count >= bodyStart else { throw damage(segment, location, "the file ends in a record") }
        let isWhole = bytes.withUnsafeBytes {
            segment.seed.checksum(of: UnsafeRawBufferPointer(rebasing: $0[4..<bodyStart]), at: location.offset) == header.checksum
        }
        guard isWhole else { throw damage(segment, location, "a record's header is not what was written") }
        let headerBytes = Array(bytes[RecordHeader.size..<bodyStart])
        let bodyLength = Int(header.bodyLength)
        let body: [UInt8]
        if bodyStart + bodyLength <= bytes.count {
            body = Array(bytes[bodyStart..<bodyStart + bodyLength])
        } else {
            body = try read(segment, at: start + bodyStart, count: bodyLength)
        }
        guard body.count == bodyLength, body.withUnsafeBytes({ crc32c($0) }) == header.bodyChecksum
        else { throw damage(segment, location, "a record's body is not what was written") }
        return Record(
            kind: header.kind,
            critical: header.flags & RecordHeader.criticalFlag != 0,
            header: headerBytes,
            body: body
        )
    }

    /// Up to `count` bytes; fewer at the end of the file.
    private func read(_ segment: Segment, at offset: Int, count: Int) throws(JournalError) -> [UInt8] {
        var failure: JournalError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(JournalError) {
                initialized = try segment.file.readAll(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
            } catch {
                failure = error
            }
        }
        if case .io(let call, _, let errno)? = failure { throw .io(call: call, file: segment.name, errno: errno) }
        if let failure { throw failure }
        return bytes
    }

    private func damage(_ segment: Segment, _ location: RecordLocation, _ what: String) -> JournalError {
        .corrupt(file: segment.name, offset: UInt64(location.offset), what: what)
    }
}
