import GodwitCore
import HTTPTypes

/// The `Godwit-Session` header: a client's session and the number of the request's first transaction in it, as an item with parameters
/// (RFC 9651, section 3.3): `"9f3c…"; n=5; ack=4; repeat`.
enum SessionHeader {
    static let field = "Godwit-Session"

    /// - Throws: ``Problem`` for two headers, and for one that is not as above.
    static func of(_ fields: HTTPFields) throws(Problem) -> SessionCommit? {
        let values = fields[values: .godwitSession]
        guard values.count <= 1 else { throw .invalid(field, "\(field) stands more than once: say it once") }
        guard let text = values.first else { return nil }
        let parts = text.split(separator: ";", omittingEmptySubsequences: false).map { $0.drop { $0 == " " }.trimmedSuffix }
        var id = parts[0]
        if id.hasPrefix("\"") {
            guard id.count >= 2, id.hasSuffix("\"") else { throw broken }
            id = id.dropFirst().dropLast()
        }
        guard !id.contains(where: { $0 == "\"" || $0 == "\\" }), !String(id).hasControlCharacters else { throw broken }
        var session = SessionCommit(id: String(id), number: 0)
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            switch (pair[0], pair.count > 1 ? pair[1] : nil) {
            case ("n", let number?): session.number = try Self.number(number)
            case ("ack", let number?): session.acknowledged = try Self.number(number)
            case ("repeat", nil), ("repeat", "?1"): session.isRepeat = true
            case ("repeat", "?0"): session.isRepeat = false
            default: throw broken
            }
        }
        do throws(BrokerError) { try session.validate() } catch { throw .invalid(field, error.message) }
        return session
    }

    private static func number(_ text: Substring) throws(Problem) -> UInt64 {
        guard let number = UInt64(text) else { throw broken }
        return number
    }

    private static let broken = Problem.invalid(
        field,
        "say the session and its number such as \"9f3c\"; n=5; ack=4, and repeat where the request may have been carried out before"
    )
}

extension Substring {
    fileprivate var trimmedSuffix: Substring {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
