import GodwitCore
public import Logging

extension JobClient {
    /// Opens a store by its URL.
    ///
    /// | URL | what it is |
    /// | --- | --- |
    /// | `embedded:PATH` | the durable engine in this process, on a folder that is created when it is not there; one process at a time |
    /// | `memory:` | the same engine, forgotten when it is closed: for trying things out |
    ///
    /// - Parameters:
    ///   - url: What to open.
    ///   - logger: Used by the store, the client, and its workers unless they are given one of their own.
    /// - Throws: ``BrokerError``: `unsupportedURL`, `storeLocked` (another process has the folder open: reach it through `godwit serve`),
    ///   `storeCorrupt` (names the file and the offset; nothing was changed), `storeFailed`.
    public static func open(_ url: String, logger: Logger = Logger(label: "godwit")) async throws -> JobClient {
        let colon = url.firstIndex(of: ":") ?? url.endIndex
        let rest = url[colon...].dropFirst()
        switch url[..<colon].lowercased() {
        case "embedded":
            guard !rest.isEmpty, !rest.hasPrefix("//") else {
                throw BrokerError.invalidArgument(
                    "url",
                    "embedded: is followed by the path of a folder, without //: embedded:./data or embedded:/var/data"
                )
            }
            return try await open(directory: String(rest), logger: logger)
        case "memory":
            guard rest.isEmpty else {
                throw BrokerError.invalidArgument("url", "memory: is followed by nothing: there is one store for each open")
            }
            return try await openMemory(logger: logger)
        case let scheme:
            throw BrokerError(.unsupportedURL, unsupported(scheme), field: "url")
        }
    }

    private static func unsupported(_ scheme: String) -> String {
        let known = "use embedded:PATH, or memory:"
        let trait: String? =
            switch scheme {
            case "http", "https": "Remote"
            case "amqp", "amqps": "RabbitMQ"
            case "redis", "rediss", "valkey", "valkeys": "Redis"
            case "sqs": "SQS"
            default: nil
            }
        guard let trait else { return "no store is opened by URLs of the scheme \"\(scheme.prefix(32))\": \(known)" }
        return "URLs of the scheme \"\(scheme)\" need the package trait \(trait), which does not exist in this version of Godwit: \(known)"
    }
}
