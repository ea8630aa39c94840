import GodwitHTTP

/// Where a value comes from; the first of these that has one counts.
enum SettingSource: String, Sendable, CaseIterable {
    case flag, environment, file, `default`
}

/// A value as it is shown.
enum SettingValue: Sendable, Equatable {
    case text(String)
    case integer(Int)
    case flag(Bool)
    case list([String])
    /// There is one, and nobody sees it.
    case secret
    /// There is none.
    case none

    /// For people.
    var text: String {
        switch self {
        case .text(let text): text
        case .integer(let number): "\(number)"
        case .flag(let value): "\(value)"
        case .list(let texts): texts.isEmpty ? "-" : texts.joined(separator: ",")
        case .secret: "(hidden)"
        case .none: "-"
        }
    }

    func write(to json: inout JSONWriter) {
        switch self {
        case .text(let text): json.string(text)
        case .integer(let number): json.integer(number)
        case .flag(let value): json.bool(value)
        case .list(let texts): json.array { json in texts.forEach { json.string($0) } }
        case .secret, .none: json.null()
        }
    }
}

/// A setting, its value, and where that came from.
struct SettingEntry: Sendable, Equatable {
    /// As in a file: `max_connections`.
    var name: String
    var value: SettingValue
    var source: SettingSource
    /// What it is called there: `--max-connections`, `GODWIT_MAX_CONNECTIONS`, or the file; nil for a default.
    var origin: String?
}

extension SettingEntry {
    /// All as a table.
    static func table(_ entries: [SettingEntry]) -> [String] {
        var table = Table([("setting", .left), ("value", .left), ("from", .left)])
        for entry in entries {
            let from = entry.source.rawValue + (entry.origin.map { " \(JobText.printable($0))" } ?? "")
            table.add([entry.name, JobText.printable(entry.value.text), from])
        }
        return table.lines
    }

    /// All as one object, by their names.
    static func json(_ entries: [SettingEntry]) -> String {
        JSONWriter.text { json in
            json.object { json in
                for entry in entries {
                    json.key(entry.name)
                    json.object { json in
                        json.key("value")
                        entry.value.write(to: &json)
                        if entry.value == .secret { json.member("hidden", true) }
                        json.member("source", entry.source.rawValue)
                        json.member("origin", entry.origin)
                    }
                }
            }
        }
    }
}
