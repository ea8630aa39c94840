import Foundation
import GodwitCore

/// Reads plain values from JSON, at a fraction of what `JSONDecoder` costs; see ``PlainEncoder``.
///
/// It gives the value that the decoder of ``JobCoding`` would, or none: whatever is not plain, or fails, is left to that one, and so are
/// all errors. A value may be asked twice to decode itself.
final class PlainDecoder {
    struct GaveUp: Error {}

    private let entries: [PlainOutline.Entry]
    /// Empty as soon as the value is there: nobody reads what is gone, though a value may have kept the decoder.
    private var bytes: UnsafeRawBufferPointer
    private var hasGivenUp = false

    /// - Throws: ``GaveUp`` when the text is not plain, or not such a value.
    static func decode<Value: Decodable>(_ type: Value.Type, from text: Bytes) throws -> Value {
        try text.slice.withUnsafeBytes { bytes in
            guard let entries = PlainOutline.entries(of: bytes) else { throw GaveUp() }
            let decoder = PlainDecoder(entries, bytes)
            defer { decoder.bytes = UnsafeRawBufferPointer(start: nil, count: 0) }
            let value = try decoder.value(type, at: 0)
            if decoder.hasGivenUp { throw GaveUp() }
            return value
        }
    }

    private init(_ entries: [PlainOutline.Entry], _ bytes: UnsafeRawBufferPointer) {
        self.entries = entries
        self.bytes = bytes
    }

    /// Whatever cannot be answered as the other decoder would.
    func gaveUp() -> GaveUp {
        hasGivenUp = true
        return GaveUp()
    }

    // MARK: The outline

    func kind(at index: Int) -> PlainOutline.Kind { entries[index].kind }
    func count(at index: Int) -> Int { entries[index].count }
    func next(after index: Int) -> Int { entries[index].next }

    private func text(_ index: Int) throws -> UnsafeRawBufferPointer {
        let entry = entries[index]
        guard entry.end <= bytes.count else { throw gaveUp() }
        return UnsafeRawBufferPointer(rebasing: bytes[entry.start..<entry.end])
    }

    /// The value of an object's member.
    func member(_ key: some CodingKey, of object: Int) throws -> Int? {
        var name = key.stringValue
        return try name.withUTF8 { name in
            var index = object + 1
            let end = entries[object].next
            while index < end {
                if entries[index].end - entries[index].start == name.count, try text(index).elementsEqual(name) { return index + 1 }
                index = entries[index + 1].next
            }
            return nil
        }
    }

    func names(of object: Int) throws -> [String] {
        var names: [String] = []
        var index = object + 1
        while index < entries[object].next {
            names.append(try string(at: index))
            index = entries[index + 1].next
        }
        return names
    }

    // MARK: Values

    func value<Value: Decodable>(_ type: Value.Type, at index: Int) throws -> Value {
        // Those that are decoded otherwise than they would decode themselves.
        if type == Date.self {
            guard let date = try JobCoding.date(of: string(at: index)) as? Value else { throw gaveUp() }
            return date
        }
        if type == URL.self {
            guard let link = try URL(string: string(at: index)) as? Value else { throw gaveUp() }
            return link
        }
        if type == Data.self || type == Decimal.self { throw gaveUp() }
        do { return try Value(from: PlainDecoding(decoder: self, index: index)) } catch { throw gaveUp() }
    }

    func flag(at index: Int) throws -> Bool {
        switch kind(at: index) {
        case .yes: true
        case .no: false
        default: throw gaveUp()
        }
    }

    func integer<Number: FixedWidthInteger>(at index: Int) throws -> Number {
        guard kind(at: index) == .integer else { throw gaveUp() }
        let text = try text(index)
        let isNegative = text[0] == UInt8(ascii: "-")
        var number: Int64 = 0
        // At most 18 digits.
        for byte in text.dropFirst(isNegative ? 1 : 0) { number = number * 10 + Int64(byte - UInt8(ascii: "0")) }
        guard let number = Number(exactly: isNegative ? -number : number) else { throw gaveUp() }
        return number
    }

    func number<Number: BinaryFloatingPoint & LosslessStringConvertible>(at index: Int) throws -> Number {
        guard kind(at: index) == .integer || kind(at: index) == .number else { throw gaveUp() }
        let text = String(decoding: try text(index), as: UTF8.self)
        if text == "0" || text == "0.0" { return 0 }
        // What is too small or too large has rules of its own.
        guard let number = Number(text), number.isNormal else { throw gaveUp() }
        return number
    }

    func string(at index: Int) throws -> String {
        let text = try text(index)
        switch kind(at: index) {
        case .text:
            guard let string = String(validating: text, as: UTF8.self) else { throw gaveUp() }
            return string
        case .escaped:
            guard let bytes = Self.unescaped(text), let string = String(validating: bytes, as: UTF8.self) else { throw gaveUp() }
            return string
        default: throw gaveUp()
        }
    }

    /// Nil for escapes by number.
    private static func unescaped(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var rest = text[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case let byte? where byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "/"): bytes.append(byte)
            default: return nil
            }
        }
        return bytes
    }
}
