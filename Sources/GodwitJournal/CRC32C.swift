import CCRC32C

/// CRC32C of bytes, continued from an earlier result (0 at first).
package func crc32c(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
    godwit_crc32c(crc, bytes.baseAddress, bytes.count)
}

/// What header checksums of one segment start from: its generation and number, then the place of the header. So a header counts only where
/// it was written, and only in the life of the file in which it was written.
struct HeaderSeed: Sendable, Hashable {
    private let crc: UInt32

    init(generation: UInt64, segment: UInt32) {
        crc = withUnsafeBytes(of: (generation.littleEndian, UInt64(segment).littleEndian)) { crc32c($0) }
    }

    /// The checksum of header bytes that lie at `offset`.
    func checksum(of bytes: UnsafeRawBufferPointer, at offset: UInt32) -> UInt32 {
        let start = withUnsafeBytes(of: offset.littleEndian) { crc32c($0, continuing: crc) }
        return crc32c(bytes, continuing: start)
    }
}
