import GodwitCore
public import Logging

extension JobClient {
    /// Opens a store by its URL.
    ///
    /// | URL | what it is |
    /// | --- | --- |
    /// | `embedded:PATH` | the durable engine in this process, on a folder that is created when it is not there; one process at a time |
    /// | `memory:` | the same engine, forgotten when it is closed: for trying things out |
    /// | `http://HOST:PORT`, `https://HOST:PORT` | the engine of a server (`godwit serve`), shared by as many processes as you like; needs the package trait `Remote` |
    ///
    /// Everything works in the same way with each of them. A server need not run yet when it is opened: what is asked of it waits for it a
    /// while, and throws `unavailable` when it does not come. When the connection is lost while jobs are enqueued or completed, that is asked
    /// for again and done once; where nobody can say whether it was done, `outcomeUnknown` is thrown.
    ///
    /// - Parameters:
    ///   - url: What to open.
    ///   - token: What a server wants to be shown (`godwit serve --token-file`). By default it is read from the file that the
    ///     environment variable `GODWIT_TOKEN_FILE` names, else from `GODWIT_TOKEN`. It never stands in the URL, for URLs are logged.
    ///   - remote: How a server is reached: whose certificates are believed, how long to wait.
    ///   - embedded: How an engine in this process is opened: what it is bounded by, whether it makes queues.
    ///   - logger: Used by the store, the client, and its workers unless they are given one of their own.
    /// - Throws: ``BrokerError``: `invalidArgument` names the argument that is wrong; `unsupportedURL`, `storeLocked` (another process has the
    ///   folder open: reach it through `godwit serve`), `storeCorrupt` (names the file and the offset; nothing was changed), `storeNewer` (a newer
    ///   version wrote it), `restoreUnfinished`, `storeFailed`.
    public static func open(
        _ url: String,
        token: String? = nil,
        remote: RemoteOptions = RemoteOptions(),
        embedded: EmbeddedOptions = EmbeddedOptions(),
        logger: Logger = Logger(label: "godwit")
    ) async throws -> JobClient {
        let colon = url.firstIndex(of: ":") ?? url.endIndex
        let rest = url[colon...].dropFirst()
        let scheme = url[..<colon].lowercased()
        if token != nil, scheme == "embedded" || scheme == "memory" {
            throw BrokerError.invalidArgument("token", "a store in this process needs no token: leave it away, or give a server's URL")
        }
        switch scheme {
        case "embedded":
            guard !rest.isEmpty, !rest.hasPrefix("//") else {
                throw BrokerError.invalidArgument(
                    "url",
                    "embedded: is followed by the path of a folder, without //: embedded:./data or embedded:/var/data"
                )
            }
            return try await open(directory: String(rest), options: embedded, logger: logger)
        case "memory":
            guard rest.isEmpty else {
                throw BrokerError.invalidArgument("url", "memory: is followed by nothing: there is one store for each open")
            }
            return try await openMemory(options: embedded, logger: logger)
        #if Remote
        case "http", "https": return try openRemote(url, token: token, options: remote, logger: logger)
        #endif
        default:
            throw BrokerError(.unsupportedURL, unsupported(scheme), field: "url")
        }
    }

    private static func unsupported(_ scheme: String) -> String {
        #if Remote
        let known = "use embedded:PATH, memory:, or a server's http://HOST:PORT"
        #else
        let known = "use embedded:PATH, or memory:"
        #endif
        switch scheme {
        case "http", "https":
            return "URLs of the scheme \"\(scheme)\" need the package trait Remote, which is off: "
                + "say traits: [\"Remote\"] where your package depends on Godwit, or \(known)"
        case "amqp", "amqps": return missing("RabbitMQ", scheme, known)
        case "redis", "rediss", "valkey", "valkeys": return missing("Redis", scheme, known)
        case "sqs": return missing("SQS", scheme, known)
        default: return "no store is opened by URLs of the scheme \"\(scheme.prefix(32))\": \(known)"
        }
    }

    private static func missing(_ trait: String, _ scheme: String, _ known: String) -> String {
        "URLs of the scheme \"\(scheme)\" need the package trait \(trait), which does not exist in this version of Godwit: \(known)"
    }
}
