/// The fixed part in front of every record: 16 bytes, then the header bytes, then the body, padded to 8.
///
/// The checksum covers all of it but itself, the header bytes included, and through the body's checksum the body.
struct RecordHeader: Equatable {
    static let size = 16
    static let criticalFlag: UInt8 = 1
    static let alignment = 8

    var checksum: UInt32
    var bodyLength: UInt32
    var bodyChecksum: UInt32
    var headerLength: UInt16
    var kind: UInt8
    var flags: UInt8

    /// Bytes from this record's start to the next one's.
    static func recordBytes(header: Int, body: Int) -> Int {
        (size + header + body + alignment - 1) & ~(alignment - 1)
    }

    var recordBytes: Int { Self.recordBytes(header: Int(headerLength), body: Int(bodyLength)) }

    init(reading bytes: UnsafeRawPointer) {
        checksum = bytes.number(UInt32.self, at: 0)
        bodyLength = bytes.number(UInt32.self, at: 4)
        bodyChecksum = bytes.number(UInt32.self, at: 8)
        headerLength = bytes.number(UInt16.self, at: 12)
        kind = bytes.number(UInt8.self, at: 14)
        flags = bytes.number(UInt8.self, at: 15)
    }

    init(kind: UInt8, flags: UInt8, headerLength: Int, bodyLength: Int, bodyChecksum: UInt32) {
        checksum = 0
        self.bodyLength = UInt32(bodyLength)
        self.bodyChecksum = bodyChecksum
        self.headerLength = UInt16(headerLength)
        self.kind = kind
        self.flags = flags
    }

    /// Writes the fixed part in front of the header bytes, which stand there already; answers the checksum.
    func seal(_ bytes: UnsafeMutableRawPointer, seed: HeaderSeed, offset: UInt32) -> UInt32 {
        bytes.store(bodyLength, at: 4)
        bytes.store(bodyChecksum, at: 8)
        bytes.store(headerLength, at: 12)
        bytes.store(kind, at: 14)
        bytes.store(flags, at: 15)
        let checksum = seed.checksum(of: UnsafeRawBufferPointer(start: bytes + 4, count: Self.size - 4 + Int(headerLength)), at: offset)
        bytes.store(checksum, at: 0)
        return checksum
    }
}
