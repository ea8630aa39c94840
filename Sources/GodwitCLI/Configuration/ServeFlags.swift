import ArgumentParser
import Configuration
import GodwitCore
import GodwitEngine
import GodwitHTTP
import GodwitServer
import Logging

/// What `godwit serve` can be told on its command line. Nothing has a default here: what is not said may be in the environment, or in a file.
struct ServeFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A file of JSON with what is said neither here nor in the environment. (default: $GODWIT_CONFIG)",
            valueName: "file"
        ),
        completion: .file(extensions: ["json"])
    )
    var config: String?

    @Option(
        help: ArgumentHelp(
            "The folder of the store; it is created when it is not there. (default: \(ServeSettings.defaultFolder))",
            valueName: "dir"
        ),
        completion: .directory
    )
    var data: String?

    @Option(help: ArgumentHelp("Where to listen; port 0 takes a free one. (default: 127.0.0.1:8080)", valueName: "host:port"))
    var http: String?

    @Option(
        help: ArgumentHelp("A file with the bearer token that clients must show. (default: the token in $GODWIT_TOKEN)", valueName: "file"),
        completion: .file()
    )
    var tokenFile: String?

    @Option(
        help: ArgumentHelp("A file of tokens with what each may do, and in which queues; see the operators' manual.", valueName: "file"),
        completion: .file(extensions: ["json"])
    )
    var tokens: String?

    @Option(
        help: ArgumentHelp(
            "A file of secrets that sign tickets for watching a job, one a line. (default: one that ends with the process)",
            valueName: "file"
        ),
        completion: .file()
    )
    var watchKeys: String?

    @Option(
        help: ArgumentHelp("Serve HTTPS with this certificate, and those between it and the root (PEM).", valueName: "file"),
        completion: .file(extensions: ["pem", "crt"])
    )
    var tlsCert: String?

    @Option(
        help: ArgumentHelp("The certificate's private key (PEM, without a password).", valueName: "file"),
        completion: .file(extensions: ["pem", "key"])
    )
    var tlsKey: String?

    @Flag(inversion: .prefixedNo, help: "Listen where others can reach the server without a token.")
    var insecure: Bool?

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp("Without a token: take requests for this host name, too; repeatable.", valueName: "host")
    )
    var allowHost: [String] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp("Let pages of this origin use the server, such as https://app.example.com; repeatable.", valueName: "origin")
    )
    var allowOrigin: [String] = []

    @Flag(
        inversion: .prefixedNo,
        help: "Make queues when they are first published to; else by `godwit queue set` or PUT alone. (default: yes)"
    )
    var autoCreate: Bool?

    @Option(help: ArgumentHelp("The most queues. (default: \(ServeSettings.engine.maxQueues))", valueName: "count"))
    var maxQueues: Int?

    @Option(help: ArgumentHelp("Refuse publishes while the process uses more memory than this.", valueName: "bytes"))
    var maxMemory: Int?

    @Option(help: ArgumentHelp("Refuse publishes while the store's folder is larger than this.", valueName: "bytes"))
    var maxDisk: Int?

    @Option(
        help: ArgumentHelp(
            "The largest payload, and the largest result. (default: \(ServeSettings.server.limits.jobBytes))",
            valueName: "bytes"
        )
    )
    var maxJobBytes: Int?

    @Option(
        help: ArgumentHelp(
            "The most connections, as far as the process may have files. (default: \(ServeSettings.server.maxConnections))",
            valueName: "count"
        )
    )
    var maxConnections: Int?

    @Option(
        help: ArgumentHelp(
            "The most connections of one address, in IPv6 of one network of 64 bits. (default: half of all; of this machine's own, all)",
            valueName: "count"
        )
    )
    var maxConnectionsPerAddress: Int?

    @Option(
        help: ArgumentHelp(
            "How long running jobs can still be settled after SIGTERM; less when none run. (default: \(ServeSettings.server.drainTime.text))",
            valueName: "duration"
        )
    )
    var drain: String?

    @Flag(
        inversion: .prefixedNo,
        help: "Believe a wall clock that jumped by more than 7 days while the machine was off, and drop what is too old by it."
    )
    var acceptClock: Bool?

    @Option(
        help: ArgumentHelp("trace, debug, info, notice, warning, error or critical. (default: info)", valueName: "level"),
        completion: .list(Logger.Level.allCases.map(\.rawValue))
    )
    var logLevel: String?

    @Option(
        help: ArgumentHelp("text, or json: one object a line. (default: text)", valueName: "format"),
        completion: .list(LogFormat.allCases.map(\.rawValue))
    )
    var logFormat: String?

    /// What was said, by the settings' names.
    var given: [String: ConfigContent] {
        var given: [String: ConfigContent] = [:]
        for (name, text) in [
            ("config", config), ("data", data), ("http", http), ("token_file", tokenFile), ("tokens", tokens), ("watch_keys", watchKeys),
            ("tls_cert", tlsCert), ("tls_key", tlsKey), ("drain", drain), ("log_level", logLevel), ("log_format", logFormat),
        ] { given[name] = text.map { .string($0) } }
        for (name, number) in [
            ("max_queues", maxQueues), ("max_memory", maxMemory), ("max_disk", maxDisk), ("max_job_bytes", maxJobBytes),
            ("max_connections", maxConnections), ("max_connections_per_address", maxConnectionsPerAddress),
        ] { given[name] = number.map { .int($0) } }
        for (name, value) in [("insecure", insecure), ("auto_create", autoCreate), ("accept_clock", acceptClock)] {
            given[name] = value.map { .bool($0) }
        }
        for (name, texts) in [("allow_host", allowHost), ("allow_origin", allowOrigin)] where !texts.isEmpty {
            given[name] = .stringArray(texts)
        }
        return given
    }
}
