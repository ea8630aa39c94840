import GodwitJournal
import Testing

/// The bytes on disk are a promise to every later version: these tests say them by hand, as docs/journal-format.md does.
@Suite("Format of the journal")
struct FormatTests {
    private func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private func store() throws -> (bytes: [UInt8], locations: [RecordLocation]) {
        let storage = MemoryStorage()
        let journal = try open(storage, options(segment: 64 << 10, first: 32 << 10, seed: 42))
        let locations = try journal.commit([
            Entry(kind: 7, critical: true, header: [1, 2, 3], body: Array("hello".utf8)),
            Entry(kind: 8, critical: false, header: [], body: []),
        ])
        try journal.commit([Entry(kind: 9, critical: true, header: [4], body: [5])])
        try journal.close()
        return (try #require(storage.contents(of: "segment-00000001")), locations)
    }

    @Test("the segment's header lies in the first block")
    func segmentHeader() throws {
        let (bytes, _) = try store()
        var random = SplitMix64(seed: 42)
        #expect(Array(bytes[0..<8]) == Array("GDWTSEG1".utf8))
        #expect(number(bytes, 8, 4) == 1, "version")
        #expect(number(bytes, 12, 4) == 128, "length")
        #expect(number(bytes, 16, 4) == 0, "critical features")
        #expect(number(bytes, 20, 4) == 1, "flags: fresh")
        #expect(number(bytes, 24, 8) == random.next(), "store")
        #expect(number(bytes, 32, 8) == random.next(), "store")
        #expect(number(bytes, 40, 4) == 1, "segment")
        #expect(number(bytes, 44, 4) == 32 << 10, "capacity")
        #expect(number(bytes, 48, 8) == random.next(), "generation")
        #expect(number(bytes, 56, 4) == 0, "no copy")
        #expect(bytes[60..<124].allSatisfy { $0 == 0 }, "reserved")
        #expect(bytes[128..<4096].allSatisfy { $0 == 0 })
    }

    @Test("a group's header, its records, and their checksums are as documented")
    func group() throws {
        let (bytes, locations) = try store()
        // the first block after the header is the mark that opening wrote
        let start = 2 * 4096
        #expect(Array(bytes[start..<start + 4]) == Array("GWGR".utf8))
        #expect(bytes[start + 4] == 1 && bytes[start + 5] == 0, "version, flags")
        #expect(number(bytes, start + 6, 2) == 64, "header length")
        #expect(number(bytes, start + 8, 4) == 4096, "length")
        #expect(number(bytes, start + 12, 4) == 2, "records")
        #expect(number(bytes, start + 16, 8) == 1, "group")
        #expect(number(bytes, start + 24, 8) == 1, "first record")
        #expect(bytes[start + 32..<start + 40] == bytes[48..<56], "generation")
        #expect(number(bytes, start + 40, 4) == 1 && number(bytes, start + 44, 4) == 4096, "mark")
        #expect(number(bytes, start + 48, 4) == 0, "previous")
        let record = start + 64
        #expect(locations == [RecordLocation(segment: 1, offset: UInt32(record)), RecordLocation(segment: 1, offset: UInt32(record + 24))])
        #expect(number(bytes, record + 4, 4) == 5, "body length")
        #expect(number(bytes, record + 8, 4) == UInt64(Array("hello".utf8).withUnsafeBytes { crc32c($0) }))
        #expect(number(bytes, record + 12, 2) == 3 && bytes[record + 14] == 7 && bytes[record + 15] == 1)
        #expect(Array(bytes[record + 16..<record + 24]) == [1, 2, 3] + Array("hello".utf8))
        #expect(number(bytes, record, 4) == sealed(bytes, record + 4..<record + 19, at: record))
        #expect(number(bytes, record + 24, 4) == sealed(bytes, record + 28..<record + 40, at: record + 24))
        let contents = (bytes[record..<record + 4] + bytes[record + 24..<record + 28]).withUnsafeBytes { crc32c($0) }
        #expect(number(bytes, start + 52, 4) == UInt64(contents))
        #expect(number(bytes, start + 60, 4) == sealed(bytes, start..<start + 60, at: start))
        // the next group names this one, and the mark says that it was synced
        let next = 3 * 4096
        #expect(number(bytes, next + 16, 8) == 2 && number(bytes, next + 24, 8) == 3)
        #expect(number(bytes, next + 48, 4) == number(bytes, start + 60, 4))
        #expect(number(bytes, next + 40, 4) == 1 && number(bytes, next + 44, 4) == UInt64(next))
        // and the last is only a mark
        let mark = 4 * 4096
        #expect(bytes[mark + 5] == 1 && number(bytes, mark + 12, 4) == 0 && number(bytes, mark + 16, 8) == 2)
        #expect(number(bytes, mark + 44, 4) == UInt64(mark))
    }

    /// CRC32C over generation, segment number (8 bytes), offset and the bytes.
    private func sealed(_ bytes: [UInt8], _ range: Range<Int>, at offset: Int) -> UInt64 {
        let place = withUnsafeBytes(of: UInt32(offset).littleEndian, Array.init)
        let whole = bytes[48..<56] + [1, 0, 0, 0, 0, 0, 0, 0] + place + bytes[range]
        return UInt64(whole.withUnsafeBytes { crc32c($0) })
    }
}
