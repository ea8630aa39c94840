/// Reads records that were written, on any thread.
package struct JournalReader: Sendable {
    let table: SegmentTable

    /// What messages call the folder.
    package var folder: String { table.folder }

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
        try record(at: location, part: .whole)
    }

    /// The records at `locations`, verified, in the order given. Records that lie close together are read in one call.
    ///
    /// - Throws: as ``body(at:)``, at the first record that cannot be read.
    package func records(at locations: [RecordLocation]) throws(JournalError) -> [Record] {
        try records(at: locations, part: .whole)
    }

    /// The record at `location` without its body, which is neither read nor verified.
    ///
    /// - Throws: as ``body(at:)``.
    package func header(at location: RecordLocation) throws(JournalError) -> Record {
        try record(at: location, part: .header)
    }

    /// The records at `locations` without their bodies, which are not verified. They are read as ``records(at:)`` reads.
    ///
    /// - Throws: as ``body(at:)``, at the first record that cannot be read.
    package func headers(at locations: [RecordLocation]) throws(JournalError) -> [Record] {
        try records(at: locations, part: .header)
    }

    /// How much of a record is wanted.
    private enum Part { case header, whole }

    private func record(at location: RecordLocation, part: Part) throws(JournalError) -> Record {
        do {
            return try read(location, part, from: segment(of: location))
        } catch {
            throw error.located(in: table.folder)
        }
    }

    private func records(at locations: [RecordLocation], part: Part) throws(JournalError) -> [Record] {
        // Jobs are mostly listed newest first: in the order in which they were written more of them lie together.
        guard zip(locations, locations.dropFirst()).allSatisfy({ $0 <= $1 }) else {
            let order = locations.indices.sorted { locations[$0] < locations[$1] }
            let records = try records(sorted: order.map { locations[$0] }, part: part)
            var places = order
            for (place, index) in order.enumerated() { places[index] = place }
            return places.map { records[$0] }
        }
        return try records(sorted: locations, part: part)
    }

    private func records(sorted locations: [RecordLocation], part: Part) throws(JournalError) -> [Record] {
        var records: [Record] = []
        records.reserveCapacity(locations.count)
        do {
            var start = 0
            while start < locations.count {
                let end = Self.endOfRun(locations, from: start)
                try readRun(locations[start..<end], part, into: &records)
                start = end
            }
        } catch {
            throw error.located(in: table.folder)
        }
        return records
    }

    // MARK: Runs

    /// What a record and the way to the next may take to be worth reading along: copying more out of the page cache costs more than a call.
    private static let nearby = 16 << 10
    private static let largestRun = 1 << 20
    /// Enough for the header of a record as the engine writes them, and a small body.
    private static let firstRead = 1 << 10

    static func endOfRun(_ locations: [RecordLocation], from start: Int) -> Int {
        var end = start + 1
        while end < locations.count, locations[end].segment == locations[start].segment, locations[end] >= locations[end - 1],
            Int(locations[end].offset - locations[end - 1].offset) <= nearby,
            Int(locations[end].offset - locations[start].offset) <= largestRun
        {
            end += 1
        }
        return end
    }

    private func readRun(_ run: ArraySlice<RecordLocation>, _ part: Part, into records: inout [Record]) throws(JournalError) {
        guard let first = run.first, let last = run.last else { return }
        let segment = try segment(of: first)
        guard run.count > 1 else {
            records.append(try read(first, part, from: segment))
            return
        }
        let bytes = try read(segment, at: Int(first.offset), count: Int(last.offset - first.offset) + Self.firstRead)
        for location in run {
            let start = min(Int(location.offset - first.offset), bytes.count)
            if let record = try decode(bytes[start...], part, location, in: segment) {
                records.append(record)
            } else {
                // it reaches past the run
                records.append(try read(location, part, from: segment))
            }
        }
    }

    // MARK: Single records

    func segment(of location: RecordLocation) throws(JournalError) -> Segment {
        guard let segment = try table.segment(location.segment) else {
            throw .corrupt(file: FileName.segment(location.segment), offset: UInt64(location.offset), what: "the segment is missing")
        }
        return segment
    }

    private func read(_ location: RecordLocation, _ part: Part, from segment: Segment) throws(JournalError) -> Record {
        var count = Self.firstRead
        while true {
            let bytes = try read(segment, at: Int(location.offset), count: count)
            if let record = try decode(bytes[...], part, location, in: segment) { return record }
            let isEnd = bytes.count < count
            guard !isEnd, bytes.count >= RecordHeader.size else { throw damage(segment, location, "the file ends in a record") }
            let header = bytes.withUnsafeBytes { RecordHeader(reading: $0.baseAddress!) }  // not empty, as just seen
            count = part == .whole ? header.recordBytes : RecordHeader.size + Int(header.headerLength)
        }
    }

    /// The record that `bytes` begins with, verified, or nil when there are too few of them.
    private func decode(
        _ bytes: ArraySlice<UInt8>,
        _ part: Part,
        _ location: RecordLocation,
        in segment: Segment
    ) throws(JournalError) -> Record? {
        guard bytes.count >= RecordHeader.size else { return nil }
        let header = bytes.withUnsafeBytes { RecordHeader(reading: $0.baseAddress!) }  // not empty, as just seen
        guard Int(location.offset) + header.recordBytes <= segment.capacity
        else { throw damage(segment, location, "a record's header is not what was written") }
        let bodyStart = RecordHeader.size + Int(header.headerLength)
        guard bytes.count >= (part == .whole ? header.recordBytes : bodyStart) else { return nil }
        let bodyEnd = part == .whole ? bodyStart + Int(header.bodyLength) : bodyStart
        let (isHeaderSound, isBodySound) = bytes.withUnsafeBytes {
            (
                segment.seed.checksum(of: UnsafeRawBufferPointer(rebasing: $0[4..<bodyStart]), at: location.offset) == header.checksum,
                part == .header || crc32c(UnsafeRawBufferPointer(rebasing: $0[bodyStart..<bodyEnd])) == header.bodyChecksum
            )
        }
        guard isHeaderSound else { throw damage(segment, location, "a record's header is not what was written") }
        guard isBodySound else { throw damage(segment, location, "a record's body is not what was written") }
        return Record(
            kind: header.kind,
            critical: header.flags & RecordHeader.criticalFlag != 0,
            header: Array(bytes[bytes.startIndex + RecordHeader.size..<bytes.startIndex + bodyStart]),
            body: Array(bytes[bytes.startIndex + bodyStart..<bytes.startIndex + bodyEnd])
        )
    }

    /// Up to `count` bytes; fewer at the end of the file.
    func read(_ segment: Segment, at offset: Int, count: Int) throws(JournalError) -> [UInt8] {
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

    func damage(_ segment: Segment, _ location: RecordLocation, _ what: String) -> JournalError {
        .corrupt(file: segment.name, offset: UInt64(location.offset), what: what)
    }
}
