import GodwitCore

/// How options are read, from a query as from JSON: one reading, one wording of each refusal.
enum OptionText {
    static func duration(_ field: String, _ text: String, in range: ClosedRange<Duration>? = nil) throws(Problem) -> Duration {
        guard let duration = Duration(text: text) else {
            throw .invalid(field, "\(field) must be a duration that is not negative, such as 200ms, 5s, 2m, 1h or 7d")
        }
        if let range, !range.contains(duration) {
            throw .invalid(field, "\(field) must be \(range.lowerBound.text) to \(range.upperBound.text)")
        }
        return duration
    }

    static func time(_ field: String, _ text: String) throws(Problem) -> Timestamp {
        // A query that was not encoded has a space where the plus of the offset was.
        // An offset can lead out of the years that RFC 3339 can write.
        guard let time = Timestamp(rfc3339: text) ?? Timestamp(rfc3339: text.withOffsetSign), Limits.times.contains(time) else {
            throw .invalid(field, "\(field) must be a time as RFC 3339 writes it, such as 2026-11-24T22:07:43Z")
        }
        return time
    }

    static func integer(_ field: String, _ text: String, in range: ClosedRange<Int>) throws(Problem) -> Int {
        guard let number = Int(text) else { throw .invalid(field, "\(field) must be a whole number") }
        return try check(field, number, in: range)
    }

    static func check(_ field: String, _ number: Int, in range: ClosedRange<Int>) throws(Problem) -> Int {
        guard range.contains(number) else {
            throw .invalid(field, "\(field) must be \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// What a job died of.
    static func reason(_ field: String, _ text: String) throws(Problem) -> DeathReason {
        guard let reason = DeathReason(rawValue: text) else {
            throw .invalid(field, "\(field) must be one of \(DeathReason.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return reason
    }

    /// A text of one line: what one interface lets through all the others must be able to say, in a header or a query.
    static func text(_ field: String, _ text: String, limit: Int) throws(Problem) -> String {
        guard !text.hasControlCharacters else {
            throw .invalid(field, "\(field) has a control character, such as a line end: leave it out")
        }
        return try lines(field, text, limit: limit)
    }

    /// A text of any characters.
    static func lines(_ field: String, _ text: String, limit: Int) throws(Problem) -> String {
        guard !text.isEmpty else { throw .invalid(field, "\(field) is empty: leave it out, or say a value") }
        guard text.utf8.count <= limit else { throw .invalid(field, "\(field) has \(text.utf8.count) bytes: use at most \(limit)") }
        return text
    }
}

extension String {
    fileprivate var withOffsetSign: String {
        guard let space = lastIndex(of: " ") else { return self }
        return self[..<space] + "+" + self[index(after: space)...]
    }
}
