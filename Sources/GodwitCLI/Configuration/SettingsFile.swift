import Configuration
import Foundation
import GodwitCore
import GodwitHTTP

/// A file of settings: one JSON object, with the settings' names as keys.
///
/// It is strict where swift-configuration's own JSON is not: a key that stands twice, `true` for 1 and null for nothing are errors here.
struct SettingsFile: ConfigSnapshot {
    private struct WrongType: Error {}

    private static let largest = 1 << 20

    let path: String
    private let members: [String: JSONValue]

    /// - Throws: ``CommandFailure`` (`usage`) with the file, and the line where it is no JSON.
    init(path: String) throws(CommandFailure) {
        let bytes: Data
        do {
            bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw .usage("the configuration \(path) cannot be read: name a readable file of JSON")
        }
        guard bytes.count <= Self.largest else { throw .usage("the configuration \(path) has more than \(Self.largest) bytes") }
        try self.init(path: path, Bytes(Array(bytes)))
    }

    init(path: String, _ bytes: Bytes) throws(CommandFailure) {
        self.path = path
        let members: [(name: String, value: JSONValue)]?
        do throws(JSONError) {
            members = try JSONValue(parsing: bytes).members()
        } catch {
            let line = bytes.slice.prefix(error.offset).count { $0 == UInt8(ascii: "\n") } + 1
            throw .usage("\(path), line \(line): \(error.message)")
        }
        guard let members else { throw .usage("\(path): write one object, such as {\"drain\": \"5s\"}") }
        self.members = Dictionary(members.map { ($0.name, $0.value) }) { first, _ in first }
    }

    // MARK: ConfigSnapshot

    var providerName: String { "SettingsFile[\(path)]" }

    func value(forKey key: AbsoluteConfigKey, type: ConfigType) throws -> LookupResult {
        let name = key.description
        guard let member = members[name] else { return LookupResult(encodedKey: name, value: nil) }
        let content: ConfigContent? =
            switch type {
            case .string: member.string.map { .string($0) }
            case .int: member.integer.map { .int($0) }
            case .bool: member.bool.map { .bool($0) }
            case .stringArray: Self.texts(member).map { .stringArray($0) }
            default: nil
            }
        guard let content else { throw WrongType() }
        return LookupResult(encodedKey: name, value: ConfigValue(content, isSecret: false))
    }

    private static func texts(_ value: JSONValue) -> [String]? {
        guard let elements = value.elements else { return nil }
        let texts = elements.compactMap(\.string)
        return texts.count == elements.count ? texts : nil
    }

    // MARK: What is wrong with it

    /// The value as it is written, in short.
    func written(_ name: String) -> String? { members[name].map { JobText.printable(String($0.text.prefix(100))) } }

    /// Refuses what is no setting: a misspelled one would go unnoticed for long.
    /// - Throws: ``CommandFailure`` (`usage`) with the file and the key.
    func refuseUnknown(among names: [String]) throws(CommandFailure) {
        for name in members.keys.sorted() where !names.contains(name) {
            let advice: String
            if name == ServeSettings.token {
                advice = "the token has no place in this file: name a file that holds it, as token_file, or set GODWIT_TOKEN"
            } else if let meant = names.first(where: { Self.letters($0) == Self.letters(name) }) {
                advice = "write \(meant)"
            } else {
                advice = "the settings are \(names.sorted().joined(separator: ", "))"
            }
            throw .usage("\(path): there is no setting \(JobText.printable(String(name.prefix(100)))): \(advice)")
        }
    }

    /// A name without what its spellings differ by: `max-connections`, `maxConnections`.
    private static func letters(_ name: String) -> String { name.lowercased().filter(\.isLetter) }
}
