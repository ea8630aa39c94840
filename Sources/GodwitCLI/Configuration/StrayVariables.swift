/// Variables that look like settings and are none: a misspelled one would go unnoticed for long.
///
/// They end no start, as an unknown key of a file does: the environment is everybody's, and a newer program's variables stand in it, too.
struct StrayVariables: Sendable {
    /// What Kubernetes tells the containers of a service that is called godwit.
    private static let links = ["GODWIT_SERVICE_HOST", "GODWIT_SERVICE_PORT", "GODWIT_PORT"]

    /// What commands, service managers and workers' own commands are told by variables of the same prefix.
    private static let others: Set<String> = [
        "GODWIT_SERVER", "GODWIT_CA_FILE", "GODWIT_OPTIONS", "GODWIT_JOB_ID", "GODWIT_JOB_NAME", "GODWIT_QUEUE", "GODWIT_ATTEMPT",
        "GODWIT_CONTENT_TYPE",
    ]

    /// Each with the variable that may be meant.
    let found: [(name: String, meant: String?)]

    /// - Parameter settings: their names, as in a file.
    init(in environment: some Sequence<String>, settings: [String]) {
        let known = settings.map(SettingReader.variable)
        let names = environment.filter { name in
            name.hasPrefix(SettingReader.variable("")) && !known.contains(name) && !Self.others.contains(name)
                && !Self.links.contains { name == $0 || name.hasPrefix($0 + "_") }
        }
        found = names.sorted().map { name in (name, known.first { Self.letters($0) == Self.letters(name) }) }
    }

    /// What to tell of each.
    var warnings: [String] {
        found.map { name, meant in
            let advice = meant.map { "is \($0) meant?" } ?? "`godwit serve --print-config` tells all settings"
            return "\(JobText.printable(String(name.prefix(100)))) is no setting, and not looked at: \(advice)"
        }
    }

    /// As they stand among the settings that are shown.
    var entries: [SettingEntry] {
        found.map { SettingEntry(name: $0.name, value: .none, source: .environment, origin: "\($0.name), which is no setting") }
    }

    private static func letters(_ name: String) -> String { name.filter(\.isLetter) }
}
