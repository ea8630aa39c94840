import Configuration
import GodwitCore

/// Reads settings from where they may stand: the command line first, then the environment, then a file, and notes where each was found.
struct SettingReader {
    /// What the names of variables begin with: `drain` is `GODWIT_DRAIN`.
    static let prefix = "godwit"

    private struct Layer {
        let source: SettingSource
        let values: any ConfigSnapshot
        /// What a setting is called there, for people.
        let name: (String) -> String
        /// What is written there, as far as it may be shown.
        let written: (String) -> String?
    }

    private let layers: [Layer]
    private let file: SettingsFile?
    private let variableNames: [String]
    private(set) var entries: [SettingEntry] = []

    /// - Parameters:
    ///   - flags: what stood on the command line, by the settings' names.
    ///   - environment: variables; an empty one is as good as none.
    init(flags: [String: ConfigContent], environment: [String: String], file: SettingsFile?) {
        let flagValues = InMemoryProvider(
            values: Dictionary(uniqueKeysWithValues: flags.map { (AbsoluteConfigKey([$0.key]), ConfigValue($0.value, isSecret: false)) })
        )
        let variables = environment.filter { !$0.value.isEmpty }
        var layers = [
            Layer(source: .flag, values: flagValues.snapshot(), name: Self.option, written: { flags[$0]?.written }),
            Layer(
                source: .environment,
                values: EnvironmentVariablesProvider(environmentVariables: variables).prefixKeys(with: [Self.prefix]).snapshot(),
                name: Self.variable,
                written: { variables[Self.variable($0)].map { JobText.printable(String($0.prefix(100))) } }
            ),
        ]
        if let file {
            layers.append(Layer(source: .file, values: file, name: { "\($0) in \(file.path)" }, written: { file.written($0) }))
        }
        self.layers = layers
        variableNames = Array(variables.keys)
        self.file = file
    }

    /// `max_connections` on the command line.
    static func option(_ name: String) -> String { "--" + name.map { $0 == "_" ? "-" : String($0) }.joined() }

    /// `max_connections` in the environment.
    static func variable(_ name: String) -> String { "\(prefix)_\(name)".uppercased() }

    /// The setting; nil when it stands nowhere.
    /// - Parameter sources: where it may stand.
    /// - Throws: ``CommandFailure`` (`usage`) with what the setting is called where it stands, and what is allowed.
    mutating func read<Value>(
        _ name: String,
        _ kind: SettingKind<Value>,
        in sources: [SettingSource] = SettingSource.allCases
    ) throws(CommandFailure) -> Value? {
        for layer in layers where sources.contains(layer.source) {
            let value: Value?
            do {
                guard let found = try layer.values.value(forKey: AbsoluteConfigKey([name]), type: kind.type).value else { continue }
                value = kind.convert(found.content)
            } catch {
                value = nil
            }
            guard let value else {
                let written = kind.isSecret ? nil : layer.written(name)
                throw .usage("\(layer.name(name)) must be \(kind.allowed)" + (written.map { ", not \($0)" } ?? ""))
            }
            note(name, kind.shown(value), layer.source)
            return value
        }
        note(name, .none, .default)
        return nil
    }

    /// The setting, or its default.
    mutating func read<Value>(_ name: String, _ kind: SettingKind<Value>, or standard: Value) throws(CommandFailure) -> Value {
        if let value = try read(name, kind) { return value }
        entries[entries.count - 1].value = kind.shown(standard)
        return standard
    }

    /// - Throws: ``CommandFailure`` (`usage`) when the file has keys that were not read.
    func refuseUnknown() throws(CommandFailure) {
        try file?.refuseUnknown(among: entries.map(\.name).filter { $0 != ServeSettings.token && $0 != ServeSettings.config })
    }

    /// Variables that look like settings, and were not read.
    var strays: StrayVariables { StrayVariables(in: variableNames, settings: entries.map(\.name)) }

    /// - Returns: where the setting that was read last under this name came from.
    func source(of name: String) -> SettingSource { entries.last { $0.name == name }?.source ?? .default }

    /// Notes that a setting is not in force, because another one is.
    mutating func overrule(_ name: String, by other: String) {
        guard let index = entries.firstIndex(where: { $0.name == name }) else { return }
        entries[index].value = .none
        entries[index].origin = (entries[index].origin ?? name) + ", overruled by \(other)"
    }

    private mutating func note(_ name: String, _ value: SettingValue, _ source: SettingSource) {
        let origin: String? =
            switch source {
            case .flag: Self.option(name)
            case .environment: Self.variable(name)
            case .file: file?.path
            case .default: nil
            }
        entries.append(SettingEntry(name: name, value: value, source: source, origin: origin))
    }
}

extension ConfigContent {
    /// As it stood on the command line, for people.
    fileprivate var written: String? {
        switch self {
        case .string(let text): JobText.printable(String(text.prefix(100)))
        case .int(let number): "\(number)"
        case .bool(let value): "\(value)"
        case .stringArray(let texts): JobText.printable(String(texts.joined(separator: ",").prefix(100)))
        default: nil
        }
    }
}
