package import GodwitCore
import HTTPTypes

/// A JSON object read strictly: what is taken is remembered, and what is left over at the end is refused by name.
///
/// A member that is null counts as not given.
package struct ObjectReader {
    private let members: [(name: String, value: JSONValue)]
    private var taken: [String] = []
    /// What stands before a member's name in a refusal, such as `[3].`.
    let path: String
    /// Whether it comes from another store, which may be older than the rules what texts are made of and how deep a payload is nested.
    let isImported: Bool

    /// - Throws: ``Problem`` when the value is no object, or has a member twice.
    package init(_ value: JSONValue, path: String = "", isImported: Bool = false) throws(Problem) {
        let field = path.isEmpty ? "body" : String(path.dropLast())
        do {
            guard let members = try value.members() else { throw Problem.invalid(field, "\(field) must be a JSON object") }
            self.members = members
        } catch let error as JSONError {
            throw .invalidJSON(error, field: field)
        } catch let problem as Problem {
            throw problem
        } catch {
            throw .invalid(field, "\(field) must be a JSON object")
        }
        self.path = path
        self.isImported = isImported
    }

    /// All members, for objects whose names are the caller's own.
    var all: [(name: String, value: JSONValue)] { members }

    /// A member as it stands, null included; nil when there is none.
    mutating func raw(_ name: String) -> JSONValue? {
        taken.append(name)
        return members.first { $0.name == name }?.value
    }

    package mutating func value(_ name: String) -> JSONValue? {
        raw(name).flatMap { $0.isNull ? nil : $0 }
    }

    package mutating func text(_ name: String, limit: Int) throws(Problem) -> String? {
        guard let value = value(name) else { return nil }
        guard let text = value.string else { throw .invalid(path + name, "\(name) must be a string") }
        guard !isImported else { return try OptionText.lines(path + name, text, limit: limit) }
        return try OptionText.text(path + name, text, limit: limit)
    }

    /// A text that may have several lines.
    mutating func lines(_ name: String, limit: Int) throws(Problem) -> String? {
        guard let value = value(name) else { return nil }
        guard let text = value.string else { throw .invalid(path + name, "\(name) must be a string") }
        return try OptionText.lines(path + name, text, limit: limit)
    }

    mutating func duration(_ name: String, in range: ClosedRange<Duration>? = nil) throws(Problem) -> Duration? {
        guard let value = value(name) else { return nil }
        return try OptionText.duration(path + name, value.string ?? "", in: range)
    }

    package mutating func time(_ name: String) throws(Problem) -> Timestamp? {
        guard let value = value(name) else { return nil }
        return try OptionText.time(path + name, value.string ?? "")
    }

    mutating func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let value = value(name) else { return nil }
        guard let number = value.integer else { throw .invalid(path + name, "\(name) must be a whole number") }
        return try OptionText.check(path + name, number, in: range)
    }

    mutating func bool(_ name: String) throws(Problem) -> Bool? {
        guard let value = value(name) else { return nil }
        guard let bool = value.bool else { throw .invalid(path + name, "\(name) must be true or false") }
        return bool
    }

    /// - Throws: ``Problem`` with the given code when there is a member that nobody took.
    package func finish(refusing code: String = "unknown_option") throws(Problem) {
        guard let extra = members.first(where: { !taken.contains($0.name) }) else { return }
        let kind = code == "unknown_setting" ? "setting" : "option"
        throw Problem(
            .badRequest,
            code,
            "unknown \(kind) \(extra.name.prefix(100)): there is \(taken.joined(separator: ", "))",
            field: path + extra.name.prefix(100)
        )
    }
}
