/// Base 32 in Douglas Crockford's alphabet, lower case: no sign that a URL, a shell or an option parser would mind.
package enum Base32 {
    private static let alphabet: [UInt8] = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xff, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    /// The text of a word, most significant bits first: 13 digits, of which the first holds four bits.
    package static func text(_ word: UInt64) -> String { text(word, 0, 0, count: 1) }
    package static func text(_ a: UInt64, _ b: UInt64) -> String { text(a, b, 0, count: 2) }
    static func text(_ a: UInt64, _ b: UInt64, _ c: UInt64) -> String { text(a, b, c, count: 3) }

    private static func text(_ a: UInt64, _ b: UInt64, _ c: UInt64, count: Int) -> String {
        String(unsafeUninitializedCapacity: 13 * count) { buffer in
            alphabet.withUnsafeBufferPointer { alphabet in
                for index in 0..<count {
                    var word = index == 0 ? a : index == 1 ? b : c
                    for digit in (0..<13).reversed() {
                        buffer[13 * index + digit] = alphabet[Int(word & 31)]
                        word >>= 5
                    }
                }
                return 13 * count
            }
        }
    }

    /// Reads back `count` words; nil for anything that ``text(_:)`` does not write.
    package static func words(_ text: String, count: Int) -> (UInt64, UInt64, UInt64)? {
        var text = text
        return text.withUTF8 { utf8 in
            guard utf8.count == 13 * count else { return nil }
            return values.withUnsafeBufferPointer { values in
                var result: (UInt64, UInt64, UInt64) = (0, 0, 0)
                for index in 0..<count {
                    var word: UInt64 = 0
                    let first = values[Int(utf8[13 * index])]
                    guard first < 16 else { return nil }
                    for digit in 0..<13 {
                        let value = values[Int(utf8[13 * index + digit])]
                        guard value < 32 else { return nil }
                        word = word << 5 | UInt64(value)
                    }
                    switch index {
                    case 0: result.0 = word
                    case 1: result.1 = word
                    default: result.2 = word
                    }
                }
                return result
            }
        }
    }
}
