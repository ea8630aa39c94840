/// What a segment consists of, block by block, sound or not.
enum SegmentPiece {
    /// A group all of which is what its header says.
    case group(GroupHeader, UnsafeMutableRawBufferPointer)
    /// A group with only a mark.
    case mark(GroupHeader)
    /// A group whose header is sound, and something behind it is not.
    case unsound(GroupHeader, length: Int, GroupDamage)
    /// A block without a group's header that is not all zeros.
    case unknown
    /// A block of zeros.
    case blank
}

extension FoundSegment {
    /// Hands out every piece with its offset, from `start` on.
    ///
    /// - Throws: a read error, ``JournalError/newerFormat(file:what:)``, and what `body` throws.
    func forEachPiece(from start: Int, _ body: (_ offset: Int, _ piece: SegmentPiece) throws -> Void) throws {
        let window = FileWindow(try open(), limit: limit)
        var offset = start
        while let block = try window.bytes(at: offset, count: Block.size), let bytes = block.baseAddress {
            guard let group = GroupHeader(reading: bytes, seed: header.seed, segment: number, offset: UInt32(offset)) else {
                try body(offset, isZero(UnsafeRawBufferPointer(block)) ? .blank : .unknown)
                offset += Block.size
                continue
            }
            if let what = GroupHeader.newer(bytes) { throw JournalError.newerFormat(file: name, what: what) }
            let length = max(Block.roundUp(Int(group.length)), Block.size)
            if group.isMark {
                try body(offset, .mark(group))
                offset += Block.size
            } else if let whole = try window.bytes(at: offset, count: length) {
                do throws(GroupDamage) {
                    try group.verify(UnsafeRawBufferPointer(whole), seed: header.seed, offset: offset)
                } catch {
                    try body(offset, .unsound(group, length: length, error))
                    offset += length
                    continue
                }
                try body(offset, .group(group, whole))
                offset += length
            } else {
                let rest = GroupDamage(offset: 0, what: "a group reaches past its segment")
                try body(offset, .unsound(group, length: limit - offset, rest))
                offset = limit
            }
        }
    }
}

/// Looks for records that are sound by themselves where groups are not: each is sealed for its place.
struct RecordSearch {
    struct Found {
        /// From the start of the bytes.
        var range: Range<Int>
        var header: RecordHeader
        var isBodySound: Bool
    }

    /// - Parameters:
    ///   - bytes: a part of a segment, which begins at `offset`.
    static func records(in bytes: UnsafeRawBufferPointer, at offset: Int, seed: HeaderSeed) -> [Found] {
        guard let base = bytes.baseAddress else { return [] }
        var found: [Found] = []
        var position = 0
        while position + RecordHeader.size <= bytes.count {
            let header = RecordHeader(reading: base + position)
            let bodyStart = position + RecordHeader.size + Int(header.headerLength)
            let end = position + header.recordBytes
            guard end <= bytes.count,
                seed.checksum(
                    of: UnsafeRawBufferPointer(rebasing: bytes[position + 4..<bodyStart]),
                    at: UInt32(offset + position)
                ) == header.checksum
            else {
                position += RecordHeader.alignment
                continue
            }
            let body = UnsafeRawBufferPointer(rebasing: bytes[bodyStart..<bodyStart + Int(header.bodyLength)])
            found.append(Found(range: position..<end, header: header, isBodySound: crc32c(body) == header.bodyChecksum))
            position = end
        }
        return found
    }
}
