import GodwitCore
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

/// The audit of one request.
struct RequestAudit: Sendable {
    let audit: Audit?
    let access: Access

    func note(_ act: String, _ subject: KeyValuePairs<String, String> = [:]) {
        audit?.note(act, subject, by: access, from: Connection.current?.address)
    }

    /// What of a commit is worth a line: jobs of others that are ended, made again or forgotten, and counters that are deleted.
    func note(_ transaction: Transaction) {
        guard audit != nil else { return }
        for operation in transaction.operations {
            switch operation {
            case .redrive(let id): note("redrive", ["job": id.description])
            case .forget(let id): note("forget", ["job": id.description])
            case .cancel(let id): note("cancel", ["job": id.description])
            case .retry(let id): note("retry", ["job": id.description])
            case .delete(let key, _): if let name = key.counterName { note("delete", ["counter": name]) }
            default: break
            }
        }
    }
}
