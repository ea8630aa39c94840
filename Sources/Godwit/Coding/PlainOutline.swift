/// Where the values of a JSON text stand, found in one strict pass.
///
/// It has no place for what is rare: names with escapes or beyond ASCII, names said twice, many members, very many values, deep nesting,
/// other encodings than UTF-8. Of such a text, as of one that is no JSON, there is no outline.
struct PlainOutline {
    enum Kind: UInt8 {
        case null, yes, no
        /// A whole number of at most 18 digits, or any other.
        case integer, number
        /// Without escapes, or with some.
        case text, escaped
        case array, object
    }

    struct Entry {
        let kind: Kind
        /// The text of a value, of a string without its quotes.
        var start, end: Int
        /// The entry after this value and all that is in it.
        var next: Int
        /// How many elements or members it has.
        var count = 0

        var isQuoted: Bool { kind == .text || kind == .escaped }
    }

    private static let deepest = 32
    private static let mostMembers = 32
    /// An outline can be twenty times as large as its text.
    private static let mostEntries = 4_096

    /// An object's members are its name and its value in turn.
    private(set) var entries: [Entry] = []
    private let bytes: UnsafeRawBufferPointer
    private var at = 0

    /// Nil for what is not plain.
    static func entries(of bytes: UnsafeRawBufferPointer) -> [Entry]? {
        var outline = PlainOutline(bytes)
        outline.entries.reserveCapacity(16)
        guard outline.value(depth: 0) else { return nil }
        outline.skipSpace()
        return outline.at == bytes.count ? outline.entries : nil
    }

    private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private var current: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { at += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard current == byte else { return false }
        at += 1
        return true
    }

    private mutating func value(depth: Int) -> Bool {
        skipSpace()
        guard let byte = current, depth <= Self.deepest, entries.count < Self.mostEntries else { return false }
        switch byte {
        case UInt8(ascii: "\""): return string(isName: false)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return number()
        case UInt8(ascii: "{"): return members(depth: depth)
        case UInt8(ascii: "["): return elements(depth: depth)
        case UInt8(ascii: "t"): return word("true", .yes)
        case UInt8(ascii: "f"): return word("false", .no)
        case UInt8(ascii: "n"): return word("null", .null)
        default: return false
        }
    }

    private mutating func add(_ kind: Kind, from start: Int, to end: Int) {
        entries.append(Entry(kind: kind, start: start, end: end, next: entries.count + 1))
    }

    private mutating func word(_ word: StaticString, _ kind: Kind) -> Bool {
        let length = word.utf8CodeUnitCount
        guard bytes.count - at >= length else { return false }
        for index in 0..<length where bytes[at + index] != word.utf8Start[index] { return false }
        add(kind, from: at, to: at + length)
        at += length
        return true
    }

    private mutating func string(isName: Bool) -> Bool {
        guard take(UInt8(ascii: "\"")) else { return false }
        let start = at
        var isEscaped = false, isAscii = true
        while let byte = current, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { return false }
            if byte >= 0x7F { isAscii = false }
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                // The next one may be a quote.
                at += 1
                guard at < bytes.count, bytes[at] >= 0x20 else { return false }
            }
            at += 1
        }
        let end = at
        guard take(UInt8(ascii: "\"")), !isName || (isAscii && !isEscaped) else { return false }
        add(isEscaped ? .escaped : .text, from: start, to: end)
        return true
    }

    private mutating func number() -> Bool {
        let start = at
        _ = take(UInt8(ascii: "-"))
        let first = at
        guard digits() > 0, bytes[first] != UInt8(ascii: "0") || at == first + 1 else { return false }
        var isInteger = at - first <= 18
        if take(UInt8(ascii: ".")) {
            isInteger = false
            guard digits() > 0 else { return false }
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isInteger = false
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            guard digits() > 0 else { return false }
        }
        add(isInteger ? .integer : .number, from: start, to: at)
        return true
    }

    private mutating func digits() -> Int {
        let start = at
        while let byte = current, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { at += 1 }
        return at - start
    }

    private mutating func elements(depth: Int) -> Bool {
        let index = entries.count
        add(.array, from: at, to: at)
        at += 1
        skipSpace()
        var count = 0
        if !take(UInt8(ascii: "]")) {
            repeat {
                guard value(depth: depth + 1) else { return false }
                count += 1
                skipSpace()
            } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "]")) else { return false }
        }
        close(index, count)
        return true
    }

    private mutating func members(depth: Int) -> Bool {
        let index = entries.count
        add(.object, from: at, to: at)
        at += 1
        skipSpace()
        var count = 0
        if !take(UInt8(ascii: "}")) {
            repeat {
                skipSpace()
                let name = entries.count
                guard count < Self.mostMembers, string(isName: true), !isRepeated(name, in: index) else { return false }
                skipSpace()
                guard take(UInt8(ascii: ":")), value(depth: depth + 1) else { return false }
                count += 1
                skipSpace()
            } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "}")) else { return false }
        }
        close(index, count)
        return true
    }

    private mutating func close(_ index: Int, _ count: Int) {
        entries[index].end = at
        entries[index].next = entries.count
        entries[index].count = count
    }

    private func isRepeated(_ name: Int, in object: Int) -> Bool {
        let text = UnsafeRawBufferPointer(rebasing: bytes[entries[name].start..<entries[name].end])
        var index = object + 1
        while index < name {
            let entry = entries[index]
            if entry.end - entry.start == text.count, bytes[entry.start..<entry.end].elementsEqual(text) { return true }
            index = entries[index + 1].next
        }
        return false
    }
}
