import GodwitCore

/// Reads a document's frames; what it hands out of bodies are slices of the document.
struct FrameReader {
    private let bytes: ArraySlice<UInt8>
    private var at: Int
    /// Where the innermost open frame ends.
    private var end: Int
    private var depth = 0
    /// Items that may still come.
    private var items = WireFormat.items

    /// - Throws: ``WireError`` when it is no such document, or of another major version.
    init(_ document: Bytes, _ expected: Document) throws(WireError) {
        self.init(frames: document.slice)
        guard bytes.count >= WireFormat.preambleBytes, bytes.prefix(4).elementsEqual(WireFormat.magic) else {
            throw damaged("this is no \(WireFormat.mediaType): it does not begin with its preamble")
        }
        try checkPreamble(expected)
    }

    /// For frames of a document that comes in pieces, after its preamble.
    init(frames: ArraySlice<UInt8>) {
        bytes = frames
        at = frames.startIndex
        end = frames.endIndex
    }

    private mutating func checkPreamble(_ expected: Document) throws(WireError) {
        let start = bytes.startIndex
        guard bytes[start + 4] == WireFormat.major else {
            throw WireError(
                .newerMajor,
                "version \(bytes[start + 4]) of \(WireFormat.mediaType) is not known here, only \(WireFormat.major): use JSON, or the other side's version",
                offset: 4
            )
        }
        guard bytes[start + 6] == expected.rawValue else {
            throw WireError(.unknown, "document \(bytes[start + 6]) came where \(expected) (\(expected.rawValue)) belongs", offset: 6)
        }
        at += WireFormat.preambleBytes
    }

    var isAtEnd: Bool { at == end }
    var offset: Int { at - bytes.startIndex }

    // MARK: Frames

    /// Opens the next frame that is not merely ancillary; nil when there is none in the frame around it.
    mutating func open() throws(WireError) -> (kind: UInt8, around: Int)? {
        while at < end {
            guard end - at >= WireFormat.frameHeaderBytes else { throw damaged("a frame's head is cut short") }
            let kind = bytes[at]
            var count = 0
            for index in 0..<4 { count |= Int(bytes[at + 1 + index]) << (8 * index) }
            guard count <= end - at - WireFormat.frameHeaderBytes else { throw damaged("a frame is longer than what it stands in") }
            at += WireFormat.frameHeaderBytes
            if kind >= Kind.ancillary {
                at += count
                continue
            }
            guard depth < WireFormat.depth else { throw unacceptable("frames stand too deep inside each other") }
            depth += 1
            let around = end
            end = at + count
            return (kind, around)
        }
        return nil
    }

    /// Ends the frame that ``open()`` began; what a newer version added at its end is passed over.
    mutating func close(_ around: Int) {
        at = end
        end = around
        depth -= 1
    }

    /// Opens the next frame, which must be there and of this kind.
    mutating func open(_ kind: UInt8) throws(WireError) -> Int {
        guard let frame = try open() else { throw damaged("a frame of kind \(kind) is missing") }
        guard frame.kind == kind else { throw unknown(frame.kind) }
        return frame.around
    }

    func unknown(_ kind: UInt8) -> WireError {
        WireError(.unknown, "a frame of kind \(kind) is not known here: the other side is newer, or wrong", offset: offset)
    }

    func damaged(_ message: String) -> WireError { WireError(.damaged, message, offset: offset) }
    func unacceptable(_ message: String) -> WireError { WireError(.unacceptable, message, offset: offset) }

    // MARK: Values

    mutating func byte() throws(WireError) -> UInt8 {
        guard at < end else { throw damaged("a value is cut short") }
        defer { at += 1 }
        return bytes[at]
    }

    mutating func flag() throws(WireError) -> Bool {
        switch try byte() {
        case 0: return false
        case 1: return true
        default: throw damaged("a flag is neither 0 nor 1")
        }
    }

    /// A byte of bits that say what of a frame is there, or is so.
    /// - Parameter known: those that there can be. A frame with others means more than can be read here.
    mutating func flags(_ known: UInt8) throws(WireError) -> UInt8 {
        let flags = try byte()
        guard flags & ~known == 0 else {
            throw WireError(.unknown, "the flags \(flags & ~known) are not known here: the other side is newer, or wrong", offset: offset)
        }
        return flags
    }

    mutating func number() throws(WireError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try byte()
            let part = UInt64(byte & 0x7f)
            // The tenth byte has one bit of the number.
            guard shift < 63 || part <= 1 else { throw damaged("a number has more than 64 bits") }
            value |= part << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
            guard shift <= 63 else { throw damaged("a number has more than 64 bits") }
        }
    }

    mutating func integer() throws(WireError) -> Int {
        guard let value = Int(exactly: try number()) else { throw damaged("a number is too large") }
        return value
    }

    /// How many items follow.
    /// - Parameters:
    ///   - least: the fewest bytes that each takes, so that nobody makes us reserve room for what cannot be there.
    ///   - weight: how much of a document's items each is.
    mutating func count(least: Int = 1, weight: Int = 1) throws(WireError) -> Int {
        let count = try integer()
        guard count <= (end - at) / least else { throw damaged("more items are said to follow than there is room for") }
        try take(count, weight: weight)
        return count
    }

    /// Takes items from those that the document may have.
    mutating func take(_ count: Int, weight: Int) throws(WireError) {
        guard count <= items / weight else { throw unacceptable("its lists have too many items in all: send fewer at a time") }
        items -= count * weight
    }

    mutating func signed() throws(WireError) -> Int64 {
        let value = try number()
        return Int64(bitPattern: value >> 1) ^ -Int64(value & 1)
    }

    mutating func whole() throws(WireError) -> Int {
        guard let value = Int(exactly: try signed()) else { throw damaged("a number is too large") }
        return value
    }

    mutating func duration() throws(WireError) -> Duration { .milliseconds(try signed()) }
    mutating func time() throws(WireError) -> Timestamp { Timestamp(milliseconds: try signed()) }

    private mutating func slice() throws(WireError) -> ArraySlice<UInt8> {
        let count = try integer()
        guard count <= end - at else { throw damaged("a text or body is longer than what it stands in") }
        defer { at += count }
        return bytes[at..<at + count]
    }

    mutating func text() throws(WireError) -> String {
        guard let text = String(validating: try slice(), as: UTF8.self) else { throw damaged("a text is not UTF-8") }
        return text
    }

    mutating func blob() throws(WireError) -> Bytes { Bytes(try slice()) }

    mutating func double() throws(WireError) -> Double {
        var pattern: UInt64 = 0
        for index in 0..<8 { pattern |= UInt64(try byte()) << (8 * UInt64(index)) }
        return Double(bitPattern: pattern)
    }
}
