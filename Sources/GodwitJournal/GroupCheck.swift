/// What is not what was written, and where in the group.
struct GroupDamage: Error, Equatable {
    /// From the group's start.
    var offset: Int
    var what: String
}

/// Walks through the records of a group that need not be sound.
struct RecordCursor {
    private let group: UnsafeRawBufferPointer
    private var remaining: UInt32
    /// Where the next record starts, from the group's start.
    private(set) var position = GroupHeader.size

    init(_ group: UnsafeRawBufferPointer, records: UInt32) {
        self.group = group
        remaining = records
    }

    /// The next record, which lies within the group, or nil after the last.
    mutating func next() throws(GroupDamage) -> (start: Int, header: RecordHeader)? {
        guard remaining > 0 else { return nil }
        let start = position
        guard start + RecordHeader.size <= group.count, let bytes = group.baseAddress
        else { throw GroupDamage(offset: start, what: "a record reaches past its group") }
        let header = RecordHeader(reading: bytes + start)
        guard start + header.recordBytes <= group.count
        else { throw GroupDamage(offset: start, what: "a record reaches past its group") }
        remaining -= 1
        position += header.recordBytes
        return (start, header)
    }
}

extension GroupHeader {
    /// Checks every record of a group at `offset`, the bodies and the padding included, and that together they are what the header says.
    func verify(_ group: UnsafeRawBufferPointer, seed: HeaderSeed, offset: Int) throws(GroupDamage) {
        var found: UInt32 = 0
        var cursor = RecordCursor(group, records: records)
        while let (start, record) = try cursor.next() {
            let bodyStart = start + RecordHeader.size + Int(record.headerLength)
            let bodyEnd = bodyStart + Int(record.bodyLength)
            let covered = UnsafeRawBufferPointer(rebasing: group[start + 4..<bodyStart])
            guard seed.checksum(of: covered, at: UInt32(offset + start)) == record.checksum
            else { throw GroupDamage(offset: start, what: "a record's header is not what was written") }
            guard crc32c(UnsafeRawBufferPointer(rebasing: group[bodyStart..<bodyEnd])) == record.bodyChecksum
            else { throw GroupDamage(offset: start, what: "a record's body is not what was written") }
            guard isZero(UnsafeRawBufferPointer(rebasing: group[bodyEnd..<cursor.position]))
            else { throw GroupDamage(offset: start, what: "a record's padding is not what was written") }
            found = withUnsafeBytes(of: record.checksum.littleEndian) { crc32c($0, continuing: found) }
        }
        guard found == contents else { throw GroupDamage(offset: 0, what: "a group's records are not those that its header names") }
        guard isZero(UnsafeRawBufferPointer(rebasing: group[cursor.position...]))
        else { throw GroupDamage(offset: cursor.position, what: "a group's padding is not what was written") }
    }
}

/// Hands out the records of a verified group.
func replayRecords(
    of group: UnsafeRawBufferPointer,
    header: GroupHeader,
    at place: RecordLocation,
    to replay: (borrowing ReplayedRecord) throws -> Void
) throws {
    var cursor = RecordCursor(group, records: header.records)
    var number = header.firstRecord
    while let (start, record) = try cursor.next() {
        let headerStart = start + RecordHeader.size
        let bodyStart = headerStart + Int(record.headerLength)
        try replay(
            ReplayedRecord(
                kind: record.kind,
                critical: record.flags & RecordHeader.criticalFlag != 0,
                number: number,
                location: RecordLocation(segment: place.segment, offset: place.offset + UInt32(start)),
                header: UnsafeRawBufferPointer(rebasing: group[headerStart..<bodyStart]),
                body: UnsafeRawBufferPointer(rebasing: group[bodyStart..<bodyStart + Int(record.bodyLength)])
            )
        )
        // a header that counts may say any number
        number &+= 1
    }
}
