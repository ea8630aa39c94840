import Foundation
import GodwitCore

/// Writes plain values as JSON: text, numbers, flags, dates, URLs, and arrays and objects of them, at a fraction of what `JSONEncoder` costs.
///
/// It gives the very bytes that the encoder of ``JobCoding`` would, or none: it gives up as soon as a value asks for anything else, even for
/// its coding path, and what it wrote is dropped. So there is one set of rules, and one origin of errors. A value may be asked twice
/// to encode itself.
final class PlainEncoder: Encoder {
    struct GaveUp: Error {}

    private enum Kind { case open, single, array, object }

    /// The value that is being written.
    private struct Level {
        var kind = Kind.open
        /// How many values it is in.
        let depth: Int
        /// Where its text begins.
        let start: Int
        /// How many elements or members it has.
        var count = 0
        /// Where the name of the latest member is.
        var name = 0..<0
        var isSorted = true
    }

    private var bytes: [UInt8] = []
    private var level: Level
    private var hasGivenUp = false

    /// - Returns: nil when the value is not plain, or cannot be encoded.
    static func encode(_ value: some Encodable) -> [UInt8]? {
        let encoder = PlainEncoder()
        // Most jobs fit.
        encoder.bytes.reserveCapacity(192)
        do { try encoder.writeValue(value) } catch { return nil }
        return encoder.hasGivenUp ? nil : encoder.bytes
    }

    private init() { level = Level(depth: 0, start: 0) }

    // MARK: The encoder that values see

    var userInfo: [CodingUserInfoKey: Any] { [:] }

    var codingPath: [any CodingKey] {
        hasGivenUp = true
        return []
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(PlainKeyedEncoding<Key>(encoder: self, level: begin(.object, UInt8(ascii: "{"))))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer { PlainUnkeyedEncoding(encoder: self, level: begin(.array, UInt8(ascii: "["))) }

    func singleValueContainer() -> any SingleValueEncodingContainer { PlainSingleEncoding(encoder: self, level: level.depth) }

    /// What the containers need and cannot be had here: the caller still has to be given something, which is dropped.
    func giveUp() -> PlainEncoder {
        hasGivenUp = true
        let other = PlainEncoder()
        other.hasGivenUp = true
        return other
    }

    /// Makes the innermost value an object or an array; the same again is the same one.
    private func begin(_ kind: Kind, _ bracket: UInt8) -> Int {
        if level.kind == .open {
            level.kind = kind
            bytes.append(bracket)
        } else if level.kind != kind {
            hasGivenUp = true
        }
        return level.depth
    }

    // MARK: Places

    /// The place of the single value of a level.
    func place(single depth: Int) throws {
        guard depth == level.depth, level.kind == .open else { throw abandoned() }
        level.kind = .single
    }

    /// The place of an array's next element.
    func place(elementOf depth: Int) throws {
        guard depth == level.depth else { throw abandoned() }
        if level.count > 0 { bytes.append(UInt8(ascii: ",")) }
        level.count += 1
    }

    /// The place of an object's member, its name written.
    func place(_ key: some CodingKey, in depth: Int) throws {
        guard depth == level.depth else { throw abandoned() }
        var text = key.stringValue
        try text.withUTF8 { text in
            guard text.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) else {
                throw abandoned()
            }
            if level.count > 0 {
                // They are ASCII, so they are in the order of their bytes.
                if !bytes[level.name].lexicographicallyPrecedes(text) { level.isSorted = false }
                bytes.append(UInt8(ascii: ","))
            }
            bytes.append(UInt8(ascii: "\""))
            level.name = bytes.count..<(bytes.count + text.count)
            bytes.append(contentsOf: text)
            bytes.append(UInt8(ascii: "\""))
            bytes.append(UInt8(ascii: ":"))
        }
        level.count += 1
    }

    func count(of depth: Int) -> Int {
        if depth != level.depth { hasGivenUp = true }
        return level.count
    }

    private func abandoned() -> GaveUp {
        hasGivenUp = true
        return GaveUp()
    }

    // MARK: Values

    func writeValue<Value: Encodable>(_ value: Value) throws {
        // Those that are encoded otherwise than they would encode themselves.
        if Value.self == Date.self, let date = value as? Date { return try write(date) }
        if Value.self == URL.self, let link = value as? URL { return try write(link.absoluteString) }
        if Value.self == Data.self || Value.self == Decimal.self { throw abandoned() }
        let outer = level
        level = Level(depth: outer.depth + 1, start: bytes.count)
        do { try value.encode(to: self) } catch { throw abandoned() }
        switch level.kind {
        case .open: throw abandoned()
        case .single: break
        case .array: bytes.append(UInt8(ascii: "]"))
        case .object:
            bytes.append(UInt8(ascii: "}"))
            if !level.isSorted { try sort() }
        }
        level = outer
    }

    private func write(_ date: Date) throws {
        guard let text = JobCoding.text(of: date) else { throw abandoned() }
        try write(text)
    }

    func writeNull() { bytes.append(contentsOf: "null".utf8) }
    func write(_ flag: Bool) { bytes.append(contentsOf: (flag ? "true" : "false").utf8) }

    func write(_ text: String) throws {
        var text = text
        let isPlain = text.withUTF8 { text in
            bytes.append(UInt8(ascii: "\""))
            if text.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
                bytes.append(contentsOf: text)
            } else {
                for byte in text {
                    guard byte < 0x20 || byte == 0x7F || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else {
                        bytes.append(byte)
                        continue
                    }
                    guard let escape = Self.escape(byte) else { return false }
                    bytes.append(UInt8(ascii: "\\"))
                    bytes.append(escape)
                }
            }
            bytes.append(UInt8(ascii: "\""))
            return true
        }
        if !isPlain { throw abandoned() }
    }

    private static func escape(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): byte
        case UInt8(ascii: "\n"): UInt8(ascii: "n")
        case UInt8(ascii: "\r"): UInt8(ascii: "r")
        case UInt8(ascii: "\t"): UInt8(ascii: "t")
        default: nil
        }
    }

    func write(_ number: some FixedWidthInteger) {
        var rest = UInt64(number.magnitude)
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var first = digits.count
            repeat {
                first -= 1
                digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            if number < 0 { bytes.append(UInt8(ascii: "-")) }
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[first...]))
        }
    }

    func write(_ number: some BinaryFloatingPoint & CustomStringConvertible) throws {
        guard number.isFinite else { throw abandoned() }
        let text = number.description
        bytes.append(contentsOf: text.hasSuffix(".0") ? text.utf8.dropLast(2) : text.utf8[...])
    }

    // MARK: Order

    /// Puts the members of an object into the order of their names. Of two of one name the later one would count, which is not plain.
    private func sort() throws {
        let object = Array(bytes[level.start...])
        let entries = object.withUnsafeBytes { PlainOutline.entries(of: $0) }
        guard let entries else { throw abandoned() }
        var members: [(name: Range<Int>, end: Int)] = []
        members.reserveCapacity(level.count)
        var index = 1
        while index < entries.count {
            let value = entries[index + 1]
            members.append((entries[index].start..<entries[index].end, value.isQuoted ? value.end + 1 : value.end))
            index = value.next
        }
        members.sort { object[$0.name].lexicographicallyPrecedes(object[$1.name]) }
        bytes.removeSubrange((level.start + 1)...)
        for (index, member) in members.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(contentsOf: object[(member.name.lowerBound - 1)..<member.end])
        }
        bytes.append(UInt8(ascii: "}"))
    }
}
