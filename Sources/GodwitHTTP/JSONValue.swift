package import GodwitCore

/// One JSON value that was checked, as the bytes that came. What it holds is read when it is asked for.
package struct JSONValue: Sendable, Hashable {
    package enum Kind: Sendable, Hashable { case object, array, string, number, bool, null }

    /// Levels of arrays and objects inside each other in a document.
    package static let documentDepth = 128
    /// Levels in a payload or a result: it is handed on inside a document, whose reader needs some of its own.
    package static let payloadDepth = 100

    /// The value's own bytes, without spaces around them.
    package let bytes: Bytes

    private init(checked bytes: Bytes) { self.bytes = bytes }

    /// - Throws: ``JSONError`` unless the bytes are one whole JSON document.
    package init(parsing bytes: Bytes, maximumDepth: Int = documentDepth) throws(JSONError) {
        let range = try bytes.withUnsafeBytes { (raw) throws(JSONError) in
            var scanner = JSONScanner(raw, maximumDepth: maximumDepth)
            return try scanner.document()
        }
        self.init(checked: bytes.part(range))
    }

    package var kind: Kind {
        switch bytes.slice.first {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .bool
        case UInt8(ascii: "n"): .null
        default: .number
        }
    }

    package var isNull: Bool { kind == .null }
    package var bool: Bool? { kind == .bool ? bytes.slice.first == UInt8(ascii: "t") : nil }

    /// The number when it is a whole one that fits, however it is written: some languages say `5.0` for 5. With a point or an exponent it is at most 2^53,
    /// to where every whole number has a `Double` of its own.
    package var integer: Int? {
        guard kind == .number, let text = bytes.text else { return nil }
        return Int(text) ?? Double(text).flatMap { abs($0) <= 0x1p53 ? Int(exactly: $0) : nil }
    }
    package var double: Double? { kind == .number ? bytes.text.flatMap { Double($0) } : nil }

    /// The text, escapes resolved; nil for other kinds and where half a surrogate pair makes it no text.
    package var string: String? { kind == .string ? JSONText.decode(bytes.slice.dropFirst().dropLast()) : nil }

    /// The bytes that a string says in padded base64, read where it stands; nil for anything else.
    var base64: [UInt8]? {
        guard kind == .string else { return nil }
        let digits = bytes.slice.dropFirst().dropLast()
        // A slash may be escaped.
        return digits.contains(UInt8(ascii: "\\")) ? string.flatMap { Base64.decode($0) } : Base64.decode(digits)
    }

    /// The members in their order; nil for other kinds.
    /// - Throws: ``JSONError`` when a name stands twice or is no text.
    package func members() throws(JSONError) -> [(name: String, value: JSONValue)]? {
        guard kind == .object else { return nil }
        var members: [(name: String, value: JSONValue)] = []
        var names: Set<String> = []
        try bytes.withUnsafeBytes { (raw) throws(JSONError) in
            var scanner = JSONScanner(raw)
            try scanner.members { (name, value) throws(JSONError) in
                guard let text = JSONText.decode(bytes.part(name).slice.dropFirst().dropLast()) else {
                    throw JSONError(offset: name.lowerBound, message: "a member's name is no text")
                }
                guard names.insert(text).inserted else {
                    throw JSONError(offset: name.lowerBound, message: "the member \(text.prefix(100)) stands twice")
                }
                members.append((text, JSONValue(checked: bytes.part(value))))
            }
        }
        return members
    }

    /// The elements; nil for other kinds.
    package var elements: [JSONValue]? {
        guard kind == .array else { return nil }
        var elements: [JSONValue] = []
        // The bytes were checked when the value was made: reading them again cannot fail.
        try? bytes.withUnsafeBytes { (raw) throws(JSONError) in
            var scanner = JSONScanner(raw)
            try scanner.elements { elements.append(JSONValue(checked: bytes.part($0))) }
        }
        return elements
    }

    /// Whether bytes are one JSON document that can stand in another one.
    package static func isValid(_ bytes: Bytes) -> Bool {
        (try? JSONValue(parsing: bytes, maximumDepth: payloadDepth)) != nil
    }

    /// - Throws: ``JSONError`` when the value is nested too deep for a payload or a result.
    func checkPayloadDepth() throws(JSONError) {
        // Every level takes two bytes at least.
        guard bytes.count > 2 * Self.payloadDepth else { return }
        _ = try JSONValue(parsing: bytes, maximumDepth: Self.payloadDepth)
    }
}

extension Bytes {
    /// A part of these bytes, counted from their beginning.
    func part(_ range: Range<Int>) -> Bytes {
        let start = slice.startIndex
        return Bytes(slice[(start + range.lowerBound)..<(start + range.upperBound)])
    }
}

/// What stands between a JSON string's quotes, as text.
enum JSONText {
    static func decode(_ raw: ArraySlice<UInt8>) -> String? {
        guard raw.contains(UInt8(ascii: "\\")) else { return String(decoding: raw, as: UTF8.self) }
        var text: [UInt8] = []
        text.reserveCapacity(raw.count)
        var rest = raw
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0c)
            case UInt8(ascii: "n"): text.append(0x0a)
            case UInt8(ascii: "r"): text.append(0x0d)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "u"):
                guard let scalar = scalar(&rest) else { return nil }
                text.append(contentsOf: String(Character(scalar)).utf8)
            case let escaped?: text.append(escaped)
            case nil: return nil
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func scalar(_ rest: inout ArraySlice<UInt8>) -> Unicode.Scalar? {
        guard let first = unit(&rest) else { return nil }
        guard (0xd800...0xdbff).contains(first) else { return Unicode.Scalar(first) }
        guard rest.popFirst() == UInt8(ascii: "\\"), rest.popFirst() == UInt8(ascii: "u"), let second = unit(&rest),
            (0xdc00...0xdfff).contains(second)
        else { return nil }
        return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
    }

    private static func unit(_ rest: inout ArraySlice<UInt8>) -> UInt32? {
        guard rest.count >= 4, let value = UInt32(String(decoding: rest.prefix(4), as: UTF8.self), radix: 16) else { return nil }
        rest.removeFirst(4)
        return value
    }
}
