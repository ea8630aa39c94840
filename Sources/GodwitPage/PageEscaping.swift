import Mustache

/// How text becomes HTML, in an element as in a quoted attribute.
///
/// It looks at single code points, not at characters as people see them: a quote that is followed by a combining accent is one character to
/// Swift's strings (and is passed over by the template engine's own escaping), but a browser sees a quote that ends the attribute. What would be
/// invisible, or would turn the text around it, is shown as what it is.
struct PageEscaping: MustacheContentType {
    /// What the templates call it; see ``Templates``.
    static let name = "GODWIT"

    func escapeText(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { Self.replacement($0) != nil }) else { return text }
        var result = ""
        result.reserveCapacity(text.utf8.count + text.utf8.count / 8)
        for scalar in text.unicodeScalars {
            if let replacement = Self.replacement(scalar) { result += replacement } else { result.unicodeScalars.append(scalar) }
        }
        return result
    }

    /// Text for a quoted attribute whose value comes back with a form: what is shown in another way elsewhere stays what it is here, and is put into
    /// the template as it is (`{{{…}}}`). All but the plainest characters are numeric references.
    static func attribute(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".", " ", "/", ":": result.unicodeScalars.append(scalar)
            default: result += "&#x\(String(scalar.value, radix: 16));"
            }
        }
        return result
    }

    private static func replacement(_ scalar: Unicode.Scalar) -> String? {
        switch scalar.value {
        case 0x3c: "&lt;"
        case 0x3e: "&gt;"
        case 0x26: "&amp;"
        case 0x22: "&quot;"
        case 0x27: "&#39;"
        case 0x60: "&#96;"
        case 0x09, 0x0a: nil
        // The pictures of control characters.
        case 0...0x1f: Unicode.Scalar(0x2400 + scalar.value).map { String($0) }
        case 0x7f: "\u{2421}"
        // Other controls, what turns the direction of text, and what takes no room at all.
        case 0x80...0x9f, 0xad, 0x034f, 0x061c, 0x180b...0x180f, 0x200b, 0x200e, 0x200f, 0x2028...0x202e, 0x2060...0x206f, 0xfe00...0xfe0f,
            0xfeff, 0xe0000...0xe0fff:
            "[U+\(String(repeating: "0", count: max(0, 4 - String(scalar.value, radix: 16).count)))\(String(scalar.value, radix: 16, uppercase: true))]"
        default: nil
        }
    }
}
