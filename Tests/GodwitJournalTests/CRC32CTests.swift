import CCRC32C
import GodwitJournal
import Testing

@Suite("CRC32C")
struct CRC32CTests {
    /// RFC 3720, appendix B.4.
    static let vectors: [(bytes: [UInt8], checksum: UInt32)] = [
        (Array(repeating: 0, count: 32), 0x8a91_36aa),
        (Array(repeating: 0xff, count: 32), 0x62a8_ab43),
        (Array(0..<32), 0x46dd_794e),
        (Array((0..<32).reversed()), 0x113f_db5c),
        (
            [
                0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18,
                0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
            ], 0xd996_3a56
        ),
        (Array("123456789".utf8), 0xe306_9283),
        ([], 0),
    ]

    @Test("the vectors of RFC 3720 come out, by the instruction and by the table", arguments: vectors.indices)
    func vector(index: Int) {
        let vector = Self.vectors[index]
        #expect(vector.bytes.withUnsafeBytes { crc32c($0) } == vector.checksum)
        #expect(vector.bytes.withUnsafeBytes { godwit_crc32c_table(0, $0.baseAddress, $0.count) } == vector.checksum)
    }

    @Test("the instruction and the table agree on every length and alignment, in one piece and in two")
    func agreement() {
        var random = SplitMix64(seed: 7)
        let bytes = (0..<9000).map { _ in UInt8.random(in: 0...255, using: &random) }
        for length in Array(0..<400) + [767, 768, 769, 1023, 1024, 3071, 3072, 3073, 6143, 6144, 6145, 8990] {
            let start = length % 9
            let part = bytes[start..<start + length]
            let expected = part.withUnsafeBytes { godwit_crc32c_table(0, $0.baseAddress, $0.count) }
            #expect(part.withUnsafeBytes { godwit_crc32c(0, $0.baseAddress, $0.count) } == expected, "length \(length)")
            let cut = length / 3
            let first = part.prefix(cut).withUnsafeBytes { crc32c($0) }
            #expect(part.dropFirst(cut).withUnsafeBytes { crc32c($0, continuing: first) } == expected, "length \(length) in two")
        }
    }
}
