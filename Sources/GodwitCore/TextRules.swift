/// What names, keys and headers are made of, so that every interface can say what another one took: in a header field, in a query, in a line.
extension String {
    /// Whether it has a control character (Unicode's general category Cc).
    package var hasControlCharacters: Bool {
        var text = self
        return text.withUTF8 { utf8 in
            var previous: UInt8 = 0
            for byte in utf8 {
                // Beyond ASCII they are U+0080 to U+009F.
                if byte < 0x20 || byte == 0x7f || (previous == 0xc2 && byte < 0xa0) { return true }
                previous = byte
            }
            return false
        }
    }

    /// Whether it can name a header (RFC 9110, section 5.6.2).
    package var isToken: Bool {
        !isEmpty
            && utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}

extension String {
    /// The longest beginning of at most so many bytes that ends between two characters, as people see them.
    package func cut(to bytes: Int) -> String {
        guard utf8.count > bytes else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: bytes)
        while end > startIndex, String.Index(end, within: self) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
