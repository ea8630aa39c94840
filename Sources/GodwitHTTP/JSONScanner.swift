/// Where a text stops being JSON, and why.
package struct JSONError: Error, Sendable, Hashable {
    package var offset: Int
    package var message: String
    /// Whether what came may well be JSON, but is nested too deep to be read further.
    package var isTooDeep = false
}

/// Reads JSON (RFC 8259, strictly) without building anything: it finds where values begin and end.
///
/// Payloads inside larger documents are handed on as the very bytes that came, so that no number passes through a `Double`.
/// Works on borrowed memory and must not outlive it.
struct JSONScanner {
    let bytes: UnsafeRawBufferPointer
    /// Arrays and objects inside each other; more is refused, so that a peer cannot exhaust the stack.
    private let maximumDepth: Int
    private(set) var at = 0

    init(_ bytes: UnsafeRawBufferPointer, maximumDepth: Int = JSONValue.documentDepth) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
    }

    /// The one value of a whole document, spaces around it left out.
    mutating func document() throws(JSONError) -> Range<Int> {
        let range = try value()
        skipSpace()
        guard at == bytes.count else { throw failure("something follows the value") }
        return range
    }

    /// Passes over the next value.
    mutating func value(depth: Int = 0) throws(JSONError) -> Range<Int> {
        skipSpace()
        let start = at
        guard at < bytes.count else { throw failure("it ends where a value should stand") }
        switch bytes[at] {
        case UInt8(ascii: "{"): try members(depth: depth + 1) { (_, _) throws(JSONError) in }
        case UInt8(ascii: "["): try elements(depth: depth + 1) { _ in }
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        default: throw failure("no value begins like this")
        }
        return start..<at
    }

    /// Passes over an object and says where each name (with its quotes) and value stand.
    mutating func members(depth: Int = 1, _ visit: (Range<Int>, Range<Int>) throws(JSONError) -> Void) throws(JSONError) {
        try check(depth)
        at += 1
        skipSpace()
        if take("}") { return }
        while true {
            skipSpace()
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw failure("a member's name in quotes should stand here") }
            let name = try string()
            skipSpace()
            guard take(":") else { throw failure("a colon should stand here") }
            try visit(name, try value(depth: depth))
            skipSpace()
            if take("}") { return }
            guard take(",") else { throw failure("a comma or } should stand here") }
        }
    }

    /// Passes over an array and says where each element stands.
    mutating func elements(depth: Int = 1, _ visit: (Range<Int>) -> Void) throws(JSONError) {
        try check(depth)
        at += 1
        skipSpace()
        if take("]") { return }
        while true {
            visit(try value(depth: depth))
            skipSpace()
            if take("]") { return }
            guard take(",") else { throw failure("a comma or ] should stand here") }
        }
    }

    private func check(_ depth: Int) throws(JSONError) {
        guard depth <= maximumDepth else {
            throw JSONError(offset: at, message: "it is nested deeper than \(maximumDepth) levels", isTooDeep: true)
        }
    }

    private mutating func string() throws(JSONError) -> Range<Int> {
        let start = at
        at += 1
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                at += 1
                return start..<at
            case UInt8(ascii: "\\"): try escape()
            case 0..<0x20: throw failure("a control character stands in a string: write it as an escape")
            case 0x20..<0x80: at += 1
            default: try multibyte()
            }
        }
        throw failure("a string does not end")
    }

    private mutating func escape() throws(JSONError) {
        guard at + 1 < bytes.count else { throw failure("a string does not end") }
        switch bytes[at + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            at += 2
        case UInt8(ascii: "u"):
            guard at + 6 <= bytes.count, bytes[(at + 2)..<(at + 6)].allSatisfy({ Self.isHexDigit($0) }) else {
                throw failure("\\u needs four hexadecimal digits")
            }
            at += 6
        default: throw failure("there is no such escape")
        }
    }

    /// One character of two to four bytes, by the table of well-formed sequences in the Unicode Standard (3.9, table 3-7).
    private mutating func multibyte() throws(JSONError) {
        let lead = bytes[at]
        let second: ClosedRange<UInt8>
        let length: Int
        switch lead {
        case 0xc2...0xdf: (second, length) = (0x80...0xbf, 2)
        case 0xe0: (second, length) = (0xa0...0xbf, 3)
        case 0xed: (second, length) = (0x80...0x9f, 3)
        case 0xe1...0xef: (second, length) = (0x80...0xbf, 3)
        case 0xf0: (second, length) = (0x90...0xbf, 4)
        case 0xf1...0xf3: (second, length) = (0x80...0xbf, 4)
        case 0xf4: (second, length) = (0x80...0x8f, 4)
        default: throw failure("this is not UTF-8")
        }
        guard at + length <= bytes.count, second.contains(bytes[at + 1]),
            bytes[(at + 2)..<(at + length)].allSatisfy({ (0x80...0xbf).contains($0) })
        else { throw failure("this is not UTF-8") }
        at += length
    }

    private mutating func number() throws(JSONError) {
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") { try digits() }
        if take("e") || take("E") {
            _ = take("+") || take("-")
            try digits()
        }
    }

    private mutating func digits() throws(JSONError) {
        let start = at
        while at < bytes.count, (0x30...0x39).contains(bytes[at]) { at += 1 }
        guard at > start else { throw failure("a digit should stand here") }
    }

    private mutating func word(_ word: StaticString) throws(JSONError) {
        let letters = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard bytes.count - at >= letters.count, bytes[at..<(at + letters.count)].elementsEqual(letters) else {
            throw failure("no value begins like this")
        }
        at += letters.count
    }

    private mutating func skipSpace() {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0a || bytes[at] == 0x0d || bytes[at] == 0x09 { at += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    private func failure(_ message: String) -> JSONError { JSONError(offset: at, message: message) }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
        default: false
        }
    }
}
