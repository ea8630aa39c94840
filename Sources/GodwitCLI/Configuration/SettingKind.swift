import Configuration
import GodwitCore
import GodwitServer

/// What a setting can be: how it is read, wherever it stands, and what to tell whoever wrote something else.
struct SettingKind<Value: Sendable>: Sendable {
    let type: ConfigType
    /// What is allowed, as the end of "must be …".
    let allowed: String
    /// Nil for what is not allowed.
    let convert: @Sendable (ConfigContent) -> Value?
    let shown: @Sendable (Value) -> SettingValue
    /// Whether it is never shown, not even where it is wrong.
    var isSecret = false
}

extension SettingKind<String> {
    static func text(_ allowed: String) -> Self {
        SettingKind(type: .string, allowed: allowed) {
            if case .string(let text) = $0, !text.isEmpty { text } else { nil }
        } shown: {
            .text($0)
        }
    }

    /// A text that is never shown.
    static func secret(_ allowed: String) -> Self {
        SettingKind(type: .string, allowed: allowed, convert: text(allowed).convert, shown: { _ in .secret }, isSecret: true)
    }
}

extension SettingKind<Int> {
    static func integer(_ range: ClosedRange<Int>) -> Self {
        SettingKind(type: .int, allowed: "a whole number from \(range.lowerBound) to \(range.upperBound)") {
            if case .int(let number) = $0, range.contains(number) { number } else { nil }
        } shown: {
            .integer($0)
        }
    }

    /// A number of bytes, or a count, of at least 1.
    static var positive: Self {
        let any = integer(1...Int.max)
        return SettingKind(type: .int, allowed: "a whole number of at least 1", convert: any.convert, shown: any.shown)
    }
}

extension SettingKind<Bool> {
    static var flag: Self {
        SettingKind(type: .bool, allowed: "true or false") {
            if case .bool(let value) = $0 { value } else { nil }
        } shown: {
            .flag($0)
        }
    }
}

extension SettingKind<[String]> {
    /// Texts: an array in a file, separated by commas in the environment, an option that is given repeatedly.
    static func list(_ allowed: String) -> Self {
        SettingKind(type: .stringArray, allowed: allowed) {
            if case .stringArray(let texts) = $0, texts.allSatisfy({ !$0.isEmpty }) { texts } else { nil }
        } shown: {
            .list($0)
        }
    }
}

extension SettingKind<Duration> {
    static func duration(_ range: ClosedRange<Duration>) -> Self {
        SettingKind(type: .string, allowed: "a duration from \(range.lowerBound.text) to \(range.upperBound.text), such as 500ms, 5s or 2m")
        {
            guard case .string(let text) = $0, let duration = Duration(text: text), range.contains(duration) else { return nil }
            return duration
        } shown: {
            .text($0.text)
        }
    }
}

extension SettingKind<ServerAddress> {
    static var address: Self {
        SettingKind(type: .string, allowed: "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080") {
            if case .string(let text) = $0 { try? ServerOptions.parseAddress(text) } else { nil }
        } shown: {
            .text("\($0)")
        }
    }
}

extension SettingKind where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of a few words.
    static var choice: Self {
        SettingKind(type: .string, allowed: "one of " + Value.allCases.map(\.rawValue).joined(separator: ", ")) {
            if case .string(let text) = $0 { Value(rawValue: text) } else { nil }
        } shown: {
            .text($0.rawValue)
        }
    }
}
