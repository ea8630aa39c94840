import GodwitCore
import GodwitHTTP

/// A payload or a result as people read it.
enum ContentText {
    /// No more than this of it is shown.
    static let limit = 64 << 10
    private static let dumpLimit = 1 << 10

    static func view(_ content: Content) -> View {
        let (text, shown) = text(content)
        var note = "\(Formatting.bytes(content.bytes.count)), \(content.type)"
        if shown < content.bytes.count { note += "; the first \(Formatting.bytes(shown)) are shown" }
        return ["text": text, "note": note, "isEmpty": content.bytes.isEmpty]
    }

    /// The text, and how many bytes it stands for.
    private static func text(_ content: Content) -> (String, shown: Int) {
        let bytes = content.bytes.slice
        let part = bytes.prefix(limit).wholeCharacters(isCut: bytes.count > limit)
        guard let text = String(validating: part, as: UTF8.self) else { return dump(bytes.prefix(dumpLimit)) }
        let isWholeJSON = part.count == bytes.count && (try? JSONValue(parsing: content.bytes)) != nil
        return (isWholeJSON ? indented(part) : text, part.count)
    }

    /// What is no text: 16 bytes a line, in hexadecimal.
    private static func dump(_ bytes: ArraySlice<UInt8>) -> (String, shown: Int) {
        var lines: [String] = []
        for start in stride(from: bytes.startIndex, to: bytes.endIndex, by: 16) {
            let line = bytes[start..<min(start + 16, bytes.endIndex)]
            lines.append(line.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " "))
        }
        return (lines.joined(separator: "\n"), bytes.count)
    }

    /// JSON that is known to be sound, a member a line. Its values stay as they were written.
    private static func indented(_ json: ArraySlice<UInt8>) -> String {
        var result: [UInt8] = []
        var depth = 0, isString = false, isEscaped = false, isOpen = false
        func breakLine() {
            result.append(UInt8(ascii: "\n"))
            result.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * min(depth, 32)))
        }
        for byte in json {
            if isString {
                result.append(byte)
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isString = false
                }
                continue
            }
            if [0x20, 0x09, 0x0a, 0x0d].contains(byte) { continue }
            let closes = byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]")
            if closes { depth -= 1 }
            // What is empty stays on its line.
            if isOpen != closes { breakLine() }
            isOpen = byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[")
            result.append(byte)
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: ","): breakLine()
            case UInt8(ascii: ":"): result.append(UInt8(ascii: " "))
            case UInt8(ascii: "\""): isString = true
            default: break
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

extension ArraySlice<UInt8> {
    /// Without the beginning of a character whose rest was cut off.
    fileprivate func wholeCharacters(isCut: Bool) -> Self {
        guard isCut, let first = indices.suffix(4).last(where: { self[$0] & 0xc0 != 0x80 }) else { return self }
        let length =
            switch self[first] {
            case 0xf0...: 4
            case 0xe0...: 3
            case 0xc0...: 2
            default: 1
            }
        return endIndex - first < length ? self[..<first] : self
    }
}
