package import Logging

/// Writes down who did what cannot be undone, or changes what others may do: one line each, when it is done.
package struct Audit: Sendable {
    private let logger: Logger

    /// - Parameter logger: says where the lines go; its label tells them apart from the rest.
    package init(_ logger: Logger) { self.logger = logger }

    /// - Parameters:
    ///   - act: such as `purge`.
    ///   - subject: what it was done to, by kind: `queue`, `job`, `counter`.
    package func note(_ act: String, _ subject: KeyValuePairs<String, String> = [:], by access: Access, from address: String?) {
        note(act, subject, byName: access.name, from: address)
    }

    /// - Parameter name: who did it, where it was nobody who asked for something: a signal.
    package func note(_ act: String, _ subject: KeyValuePairs<String, String> = [:], byName name: String, from address: String? = nil) {
        var metadata: Logger.Metadata = ["act": "\(act)", "by": "\(name)"]
        if let address { metadata["from"] = "\(address)" }
        for (kind, name) in subject { metadata[kind] = "\(name)" }
        logger.notice("audit", metadata: metadata)
    }
}
