import GodwitCore

/// Writes one document.
struct FrameWriter {
    private(set) var bytes: [UInt8] = []

    /// - Parameter capacity: about how many bytes it will have.
    init(_ document: Document, capacity: Int = 256) {
        bytes.reserveCapacity(capacity)
        bytes += WireFormat.magic
        bytes += [WireFormat.major, WireFormat.minor, document.rawValue, 0]
    }

    /// For a frame alone, in a document that comes in pieces.
    init() {}

    /// Begins a frame.
    /// - Returns: what ``end(_:)`` wants.
    mutating func begin(_ kind: UInt8) -> Int {
        bytes.append(kind)
        bytes += [0, 0, 0, 0]
        return bytes.count
    }

    mutating func end(_ start: Int) {
        let count = UInt32(bytes.count - start)
        for index in 0..<4 { bytes[start - 4 + index] = UInt8(truncatingIfNeeded: count >> (8 * UInt32(index))) }
    }

    /// A frame with nothing in it.
    mutating func empty(_ kind: UInt8) { end(begin(kind)) }

    mutating func byte(_ byte: UInt8) { bytes.append(byte) }
    mutating func flag(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

    /// Seven bits a byte, the lowest first, all but the last with the high bit set (LEB128).
    mutating func number(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// A number that cannot be negative.
    mutating func count(_ count: Int) { number(UInt64(count)) }

    /// Zigzag: 0, -1, 1, -2 … are 0, 1, 2, 3 …
    mutating func signed(_ value: Int64) { number(UInt64(bitPattern: (value << 1) ^ (value >> 63))) }

    mutating func duration(_ duration: Duration) { signed(duration.inMilliseconds) }
    mutating func time(_ time: Timestamp) { signed(time.milliseconds) }

    mutating func text(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            count(utf8.count)
            bytes += utf8
        }
    }

    mutating func blob(_ blob: Bytes) {
        count(blob.count)
        bytes += blob.slice
    }

    mutating func double(_ value: Double) {
        let pattern = value.bitPattern
        for index in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: pattern >> (8 * UInt64(index)))) }
    }
}
