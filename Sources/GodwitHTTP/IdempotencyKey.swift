import GodwitCore

/// The `Idempotency-Key` header: a string in quotes (RFC 9651, section 3.3.3) or bare; both spell the same key.
enum IdempotencyKey {
    static func parse(_ text: String?) throws(Problem) -> String? {
        guard let text else { return nil }
        var key = text
        if text.utf8.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") {
            key = ""
            var isEscaped = false
            for character in text.dropFirst().dropLast() {
                if !isEscaped, character == "\\" {
                    isEscaped = true
                } else {
                    key.append(character)
                    isEscaped = false
                }
            }
        }
        return try OptionText.text("Idempotency-Key", key, limit: Limits.key)
    }
}
