package import GodwitCore

/// Base64 with the standard alphabet and padding (RFC 4648, section 4).
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    package static func encode(_ bytes: Bytes) -> String {
        bytes.withUnsafeBytes { source in
            let count = (source.count + 2) / 3 * 4
            return String(unsafeUninitializedCapacity: count) { target in
                var from = 0, to = 0
                while from < source.count {
                    let left = source.count - from
                    let a = UInt32(source[from]), b = left > 1 ? UInt32(source[from + 1]) : 0, c = left > 2 ? UInt32(source[from + 2]) : 0
                    let group = a << 16 | b << 8 | c
                    target[to] = alphabet[Int(group >> 18)]
                    target[to + 1] = alphabet[Int(group >> 12 & 63)]
                    target[to + 2] = left > 1 ? alphabet[Int(group >> 6 & 63)] : 0x3d
                    target[to + 3] = left > 2 ? alphabet[Int(group & 63)] : 0x3d
                    from += 3
                    to += 4
                }
                return count
            }
        }
    }

    /// The bytes, or nil when the text is anything else than padded base64 without spaces.
    package static func decode(_ text: String) -> [UInt8]? { decode(Array(text.utf8)[...]) }

    package static func decode(_ digits: ArraySlice<UInt8>) -> [UInt8]? {
        guard digits.count % 4 == 0 else { return nil }
        let padding = digits.reversed().prefix(2).prefix(while: { $0 == 0x3d }).count
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 4 * 3)
        var group: UInt32 = 0
        for (index, digit) in digits.enumerated() {
            let isPadding = index >= digits.count - padding
            guard let value = isPadding ? 0 : value(of: digit) else { return nil }
            group = group << 6 | value
            if index % 4 == 3 {
                bytes.append(UInt8(truncatingIfNeeded: group >> 16))
                bytes.append(UInt8(truncatingIfNeeded: group >> 8))
                bytes.append(UInt8(truncatingIfNeeded: group))
                group = 0
            }
        }
        bytes.removeLast(padding)
        return bytes
    }

    private static func value(of digit: UInt8) -> UInt32? {
        switch digit {
        case 0x41...0x5a: UInt32(digit) - 0x41
        case 0x61...0x7a: UInt32(digit) - 0x61 + 26
        case 0x30...0x39: UInt32(digit) - 0x30 + 52
        case 0x2b: 62
        case 0x2f: 63
        default: nil
        }
    }
}
