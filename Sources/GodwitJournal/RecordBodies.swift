/// The bodies of many records, in the few buffers that they were read into.
package struct RecordBodies: Sendable {
    private struct Place {
        var run: Int32
        var start: Int32
        var count: Int32
    }

    private var runs: [[UInt8]] = []
    private var places: [Place] = []

    init(capacity: Int) { places.reserveCapacity(capacity) }

    package var count: Int { places.count }

    /// The body of the record with this index among the locations that were asked for.
    package func withBody<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        let place = places[index]
        return try runs[Int(place.run)].withUnsafeBytes { bytes in
            try body(UnsafeRawBufferPointer(rebasing: bytes[Int(place.start)..<Int(place.start) + Int(place.count)]))
        }
    }

    /// Leaves out so many of the last bytes of the body with this index.
    package mutating func shorten(_ index: Int, by count: Int) {
        places[index].count = max(0, places[index].count - Int32(clamping: count))
    }

    /// Takes a run of bytes; the places that are added from now on lie in it.
    mutating func begin(_ run: [UInt8]) { runs.append(run) }

    mutating func add(at start: Int, count: Int) {
        places.append(Place(run: Int32(runs.count - 1), start: Int32(start), count: Int32(count)))
    }

    /// Gives the bodies the indices that they are asked for by: the first one that was added has the first of `indices`, and so on.
    mutating func arrange(_ indices: [Int]) {
        var arranged = places
        for (place, index) in zip(places, indices) { arranged[index] = place }
        places = arranged
    }
}

extension JournalReader {
    /// The bodies of the records at `locations`, verified, without an object for each: for who takes many small ones. Records that lie close
    /// together are read in one call, whatever the order in which they are asked for: those of many queues lie mixed.
    ///
    /// - Throws: as ``body(at:)``, at the first record that cannot be read.
    package func bodies(at locations: [RecordLocation]) throws(JournalError) -> RecordBodies {
        let isSorted = zip(locations, locations.dropFirst()).allSatisfy { $0 <= $1 }
        guard !isSorted else { return try bodies(sorted: locations) }
        let order = locations.indices.sorted { locations[$0] < locations[$1] }
        var bodies = try bodies(sorted: order.map { locations[$0] })
        bodies.arrange(order)
        return bodies
    }

    private func bodies(sorted locations: [RecordLocation]) throws(JournalError) -> RecordBodies {
        var bodies = RecordBodies(capacity: locations.count)
        do throws(JournalError) {
            var start = 0
            while start < locations.count {
                let end = Self.endOfRun(locations, from: start)
                try readBodies(locations[start..<end], into: &bodies)
                start = end
            }
        } catch {
            throw error.located(in: table.folder)
        }
        return bodies
    }

    /// How much is read behind the beginning of a run's last record, at first.
    private static let lastRecord = 1 << 10

    private func readBodies(_ run: ArraySlice<RecordLocation>, into bodies: inout RecordBodies) throws(JournalError) {
        guard let first = run.first, let last = run.last else { return }
        let segment = try segment(of: first)
        var count = Int(last.offset - first.offset) + Self.lastRecord
        while true {
            let bytes = try read(segment, at: Int(first.offset), count: count)
            let missing = try missingBytes(bytes, last, from: first, in: segment)
            guard missing > 0 else { return try add(bytes, run, from: first, in: segment, to: &bodies) }
            guard bytes.count == count else { throw damage(segment, last, "the file ends in a record") }
            count += missing
        }
    }

    /// How many bytes of a run's last record were not read.
    private func missingBytes(_ bytes: [UInt8], _ last: RecordLocation, from first: RecordLocation, in segment: Segment)
        throws(JournalError) -> Int
    {
        let start = Int(last.offset - first.offset)
        guard bytes.count >= start + RecordHeader.size else { return start + RecordHeader.size - bytes.count }
        let end = bytes.withUnsafeBytes { start + RecordHeader(reading: $0.baseAddress! + start).recordBytes }  // not empty, as just seen
        guard Int(first.offset) + end <= segment.capacity else { throw damage(segment, last, "a record's header is not what was written") }
        return end - bytes.count
    }

    private func add(
        _ bytes: [UInt8],
        _ run: ArraySlice<RecordLocation>,
        from first: RecordLocation,
        in segment: Segment,
        to bodies: inout RecordBodies
    ) throws(JournalError) {
        bodies.begin(bytes)
        for location in run {
            let start = Int(location.offset - first.offset)
            guard let body = bytes.withUnsafeBytes({ Self.body(in: $0, at: start, location, in: segment) }) else {
                // Which part of it is damaged, the reader of single records says.
                _ = try record(at: location)
                throw damage(segment, location, "a record is not what was written")
            }
            bodies.add(at: body.start, count: body.count)
        }
    }

    /// Where the body of a record lies; nil when the record is not what was written, or reaches past the bytes.
    private static func body(
        in bytes: UnsafeRawBufferPointer,
        at start: Int,
        _ location: RecordLocation,
        in segment: Segment
    ) -> (start: Int, count: Int)? {
        guard start + RecordHeader.size <= bytes.count, let base = bytes.baseAddress else { return nil }
        let header = RecordHeader(reading: base + start)
        guard start + header.recordBytes <= bytes.count else { return nil }
        let sealed = UnsafeRawBufferPointer(start: base + start + 4, count: RecordHeader.size - 4 + Int(header.headerLength))
        guard segment.seed.checksum(of: sealed, at: location.offset) == header.checksum else { return nil }
        let body = start + RecordHeader.size + Int(header.headerLength)
        guard crc32c(UnsafeRawBufferPointer(start: base + body, count: Int(header.bodyLength))) == header.bodyChecksum else { return nil }
        return (body, Int(header.bodyLength))
    }
}
