/// The header of a plain file in a POSIX tar archive (IEEE Std 1003.1, pax, "ustar Interchange Format"): one block of 512 bytes, followed by
/// the file, padded to whole blocks. Two blocks of zeros end an archive.
struct TarHeader: Equatable {
    static let blockBytes = 512
    /// What one octal field of 11 digits can say; larger sizes are written in base 256, as GNU tar, bsdtar and Python read them.
    private static let largestOctal = 0o77777777777

    /// At most 100 bytes of ASCII, folders included.
    var name: String
    var bytes: Int
    /// Seconds since 1970.
    var modified: Int64 = 0

    /// Bytes of the file with its padding.
    static func padded(_ bytes: Int) -> Int { (bytes + blockBytes - 1) / blockBytes * blockBytes }

    var block: [UInt8] {
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        Self.put(name, at: 0, count: 100, in: &block)
        Self.put(octal: 0o600, at: 100, digits: 7, in: &block)
        // owner and group: root's, for whoever unpacks as root; everybody else gets the files as his own
        Self.put(octal: 0, at: 108, digits: 7, in: &block)
        Self.put(octal: 0, at: 116, digits: 7, in: &block)
        Self.put(size: bytes, in: &block)
        Self.put(octal: Int(clamping: max(modified, 0)), at: 136, digits: 11, in: &block)
        block[156] = UInt8(ascii: "0")
        Self.put("ustar\u{0}00", at: 257, count: 8, in: &block)
        Self.put(octal: Self.checksum(block), at: 148, digits: 6, in: &block)
        block[155] = UInt8(ascii: " ")
        return block
    }

    init(name: String, bytes: Int, modified: Int64 = 0) {
        self.name = name
        self.bytes = bytes
        self.modified = modified
    }

    /// - Returns: nil for a block of zeros, which ends an archive.
    /// - Throws: ``BackupError`` when it is no header, or of anything but a plain file.
    init?(_ block: ArraySlice<UInt8>) throws(BackupError) {
        let block = Array(block)
        if block.allSatisfy({ $0 == 0 }) { return nil }
        guard block.count == Self.blockBytes, block[257..<262].elementsEqual("ustar".utf8),
            Self.octal(block[148..<156]) == Self.checksum(block), let bytes = Self.size(block[124..<136])
        else { throw .damaged("a file's header is not what was written") }
        guard block[156] == UInt8(ascii: "0") || block[156] == 0 else { throw .damaged("it holds something else than plain files") }
        name = String(decoding: block[0..<100].prefix { $0 != 0 }, as: UTF8.self)
        self.bytes = bytes
        modified = Int64(Self.octal(block[136..<148]) ?? 0)
    }

    /// The sum of the block's bytes, those of the sum itself counted as spaces.
    private static func checksum(_ block: [UInt8]) -> Int {
        block.indices.reduce(0) { $0 + ((148..<156).contains($1) ? 0x20 : Int(block[$1])) }
    }

    // MARK: Fields

    private static func put(_ text: String, at start: Int, count: Int, in block: inout [UInt8]) {
        precondition(text.utf8.count <= count, "a name in an archive has at most \(count) bytes")
        for (index, byte) in text.utf8.enumerated() { block[start + index] = byte }
    }

    private static func put(octal value: Int, at start: Int, digits: Int, in block: inout [UInt8]) {
        var rest = value
        for index in (start..<start + digits).reversed() {
            block[index] = UInt8(ascii: "0") + UInt8(rest & 7)
            rest >>= 3
        }
    }

    private static func put(size: Int, in block: inout [UInt8]) {
        guard size > largestOctal else { return put(octal: size, at: 124, digits: 11, in: &block) }
        var rest = size
        for index in (124..<136).reversed() {
            block[index] = UInt8(rest & 255)
            rest >>= 8
        }
        block[124] |= 0x80
    }

    private static func octal(_ field: ArraySlice<UInt8>) -> Int? {
        let digits = field.prefix { $0 != 0 && $0 != 0x20 }
        return digits.isEmpty ? nil : Int(String(decoding: digits, as: UTF8.self), radix: 8)
    }

    private static func size(_ field: ArraySlice<UInt8>) -> Int? {
        guard let first = field.first, first & 0x80 != 0 else { return octal(field).flatMap { $0 < 0 ? nil : $0 } }
        guard first == 0x80, field.dropFirst().prefix(3).allSatisfy({ $0 == 0 }) else { return nil }
        let value = field.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Int(exactly: value)
    }
}
