/// What a route does with jobs, in the words of OpenTelemetry's semantic conventions for messaging.
struct MessagingOperation: Sendable {
    static let publish = MessagingOperation(name: "publish", type: "send")
    static let commit = MessagingOperation(name: "commit", type: "send")
    static let lease = MessagingOperation(name: "lease", type: "receive")
    static let settle = MessagingOperation(name: "settle", type: "settle")

    /// `messaging.operation.name` and `messaging.operation.type`.
    let name: String
    let type: String
}
