import GodwitCore
import HTTPTypes

/// The `Idempotency-Key` header: a string in quotes (RFC 9651, section 3.3.3) or bare; both spell the same key.
enum IdempotencyKey {
    static let field = "Idempotency-Key"

    /// - Throws: ``Problem`` for two headers, which a proxy would join to another key, and for a quoted string that is not whole.
    static func of(_ fields: HTTPFields) throws(Problem) -> String? {
        let values = fields[values: .idempotencyKey]
        guard values.count <= 1 else { throw .invalid(field, "\(field) stands more than once: say it once") }
        guard let text = values.first else { return nil }
        return try OptionText.text(field, try text.hasPrefix("\"") ? unquoted(text) : text, limit: Limits.key)
    }

    private static func unquoted(_ text: String) throws(Problem) -> String {
        var key = ""
        var rest = text.dropFirst()
        while let character = rest.popFirst() {
            switch character {
            case "\\":
                guard let escaped = rest.popFirst(), escaped == "\\" || escaped == "\"" else { throw broken }
                key.append(escaped)
            case "\"":
                guard rest.isEmpty else { throw broken }
                return key
            default: key.append(character)
            }
        }
        throw broken
    }

    private static let broken = Problem.invalid(
        field,
        "a key that begins with a quote must end with one, have no other but \\\" inside and nothing behind: or leave the quotes out"
    )
}
