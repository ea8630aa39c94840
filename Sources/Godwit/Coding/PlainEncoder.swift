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

    /// One value that is being written.
    private struct Level {
        var kind = Kind.open
        /// Where its text begins.
        let start: Int
        /// How many elements or members it has.
        var count = 0
        /// Where its members begin among all members.
        let firstMember: Int
        var isSorted = true
    }

    private struct Member {
        /// Where its name begins, after the quote, and how long that is.
        var name: Int
        var length: Int
    }

    private var bytes: [UInt8] = []
    private var levels: [Level] = []
    private var members: [Member] = []
    private var hasGivenUp = false

    /// - Returns: nil when the value is not plain, or cannot be encoded.
    static func encode(_ value: some Encodable) -> [UInt8]? {
        let encoder = PlainEncoder()
        encoder.bytes.reserveCapacity(192)
        encoder.levels.reserveCapacity(4)
        encoder.members.reserveCapacity(8)
        do { try encoder.writeValue(value) } catch { return nil }
        return encoder.hasGivenUp ? nil : encoder.bytes
    }

    private init() {}

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

    func singleValueContainer() -> any SingleValueEncodingContainer { PlainSingleEncoding(encoder: self, level: levels.count - 1) }

    /// What the containers need and cannot be had here: the caller still has to be given something, which is dropped.
    func giveUp() -> PlainEncoder {
        hasGivenUp = true
        let other = PlainEncoder()
        other.hasGivenUp = true
        other.levels.append(Level(start: 0, firstMember: 0))
        return other
    }

    /// Makes the innermost value an object or an array; the same again is the same one.
    private func begin(_ kind: Kind, _ bracket: UInt8) -> Int {
        let level = levels.count - 1
        if levels[level].kind == .open {
            levels[level].kind = kind
            bytes.append(bracket)
        } else if levels[level].kind != kind {
            hasGivenUp = true
        }
        return level
    }

    // MARK: Places

    /// The place of the single value of a level.
    func place(single level: Int) throws {
        guard level == levels.count - 1, levels[level].kind == .open else { throw abandoned() }
        levels[level].kind = .single
    }

    /// The place of an array's next element.
    func place(elementOf level: Int) throws {
        guard level == levels.count - 1 else { throw abandoned() }
        if levels[level].count > 0 { bytes.append(UInt8(ascii: ",")) }
        levels[level].count += 1
    }

    /// The place of an object's member, its name written.
    func place(_ key: some CodingKey, in level: Int) throws {
        guard level == levels.count - 1 else { throw abandoned() }
        if levels[level].count > 0 { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: "\""))
        var name = key.stringValue
        let member = Member(name: bytes.count, length: name.utf8.count)
        let isPlain = name.withUTF8 { name in
            bytes.append(contentsOf: name)
            return name.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        }
        guard isPlain else { throw abandoned() }
        if levels[level].count > 0, let last = members.last, !isLess(last, member, in: bytes) { levels[level].isSorted = false }
        members.append(member)
        levels[level].count += 1
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }

    func count(of level: Int) -> Int { levels[level].count }

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
        let level = levels.count
        levels.append(Level(start: bytes.count, firstMember: members.count))
        try value.encode(to: self)
        guard levels.count == level + 1 else { throw abandoned() }
        try end()
    }

    private func end() throws {
        guard let level = levels.popLast() else { throw abandoned() }
        switch level.kind {
        case .open: throw abandoned()
        case .single: break
        case .array: bytes.append(UInt8(ascii: "]"))
        case .object:
            if !level.isSorted { try sort(level) }
            members.removeSubrange(level.firstMember...)
            bytes.append(UInt8(ascii: "}"))
        }
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

    /// As the names of plain members are ASCII, they are in the order of their bytes.
    private func isLess(_ a: Member, _ b: Member, in bytes: [UInt8]) -> Bool {
        bytes[a.name..<(a.name + a.length)].lexicographicallyPrecedes(bytes[b.name..<(b.name + b.length)])
    }

    /// Puts an object's members into the order of their names. Two of one name are not plain: the later one would count.
    private func sort(_ level: Level) throws {
        let written = Array(bytes[(level.start + 1)...]), base = level.start + 1
        let own = members[level.firstMember...].map { Member(name: $0.name - base, length: $0.length) }
        // A member goes from its quote to the comma before the next one's.
        let ends = own.dropFirst().map { $0.name - 2 } + [written.count]
        let sorted = zip(own, ends).sorted { isLess($0.0, $1.0, in: written) }
        bytes.removeSubrange(base...)
        for (index, (member, end)) in sorted.enumerated() {
            if index > 0 {
                guard isLess(sorted[index - 1].0, member, in: written) else { throw abandoned() }
                bytes.append(UInt8(ascii: ","))
            }
            bytes.append(contentsOf: written[(member.name - 1)..<end])
        }
    }
}
