import GodwitCore

/// A request's query, read strictly: an item that the request does not take is refused by name, never ignored.
package struct QueryItems: Sendable {
    /// A query has no more items than this.
    package static let limit = 1_100

    private var items: [(name: String, value: String)] = []

    /// - Parameters:
    ///   - query: what stands after the question mark, or nil.
    ///   - known: the items that the request takes, each once.
    ///   - repeatable: those that may stand several times.
    /// - Throws: ``Problem`` `unknown_option`, or `invalid_argument` for one that stands twice or is badly encoded.
    package init(_ query: String?, known: [String], repeatable: Set<String> = []) throws(Problem) {
        guard let query, !query.isEmpty else { return }
        let parts = query.split(separator: "&", maxSplits: Self.limit, omittingEmptySubsequences: true)
        guard parts.count <= Self.limit else { throw .invalid("query", "the query has more than \(Self.limit) items") }
        for part in parts {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentCoding.decode(pair[0], plusIsSpace: true) else {
                throw .invalid(String(pair[0].prefix(100)), "this query item is not properly percent-encoded UTF-8")
            }
            guard known.contains(name) else { throw .unknownOption(name, known: known) }
            guard let value = PercentCoding.decode(pair.count > 1 ? pair[1] : "", plusIsSpace: true) else {
                throw .invalid(name, "the value of \(name) is not properly percent-encoded UTF-8")
            }
            guard repeatable.contains(name) || !items.contains(where: { $0.name == name }) else {
                throw .invalid(name, "\(name) stands more than once: say it once")
            }
            items.append((name, value))
        }
    }

    package var isEmpty: Bool { items.isEmpty }
    package subscript(name: String) -> String? { items.first { $0.name == name }?.value }
    package func all(_ name: String) -> [String] { items.filter { $0.name == name }.map(\.value) }

    func text(_ name: String, limit: Int) throws(Problem) -> String? {
        guard let text = self[name] else { return nil }
        return try OptionText.text(name, text, limit: limit)
    }

    func duration(_ name: String, in range: ClosedRange<Duration>? = nil) throws(Problem) -> Duration? {
        guard let text = self[name] else { return nil }
        return try OptionText.duration(name, text, in: range)
    }

    func time(_ name: String) throws(Problem) -> Timestamp? {
        guard let text = self[name] else { return nil }
        return try OptionText.time(name, text)
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = self[name] else { return nil }
        return try OptionText.integer(name, text, in: range)
    }

    /// What a job died of.
    func reason() throws(Problem) -> DeathReason? {
        guard let text = self["reason"] else { return nil }
        return try OptionText.reason("reason", text)
    }

    func flag(_ name: String) throws(Problem) -> Bool {
        switch self[name] {
        case nil, "false": return false
        case "true": return true
        default: throw .invalid(name, "\(name) must be true or false")
        }
    }
}
