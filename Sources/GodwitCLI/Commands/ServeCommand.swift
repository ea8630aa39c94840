import ArgumentParser
import Foundation
import Godwit
import GodwitCore
import GodwitEngine
import GodwitHTTP
import GodwitServer
import Logging
import ServiceLifecycle
import UnixSignals

/// `godwit serve`.
struct ServeCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a folder's jobs by HTTP.",
        discussion: """
            Prints the folder's absolute path and the server's address once it can be reached; logs to standard error. SIGTERM and \
            SIGINT drain: new work is refused, requests under way finish, the store is closed.

            Only this machine can reach the server, and no web page can. Any other address needs a token, or --insecure. \
            SIGHUP reads the certificate and the file of tokens again.

              godwit serve
              godwit serve --data /var/lib/godwit --http 0.0.0.0:8080 --token-file /etc/godwit/token
              godwit serve --http 127.0.0.1:0 --json
            """
    )

    @Option(help: ArgumentHelp("The folder of the store; it is created when it is not there.", valueName: "dir"), completion: .directory)
    var data = "./godwit-data"

    @Option(help: ArgumentHelp("Where to listen; port 0 takes a free one.", valueName: "host:port"))
    var http = "127.0.0.1:8080"

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

    @Flag(help: "Listen where others can reach the server without a token.")
    var insecure = false

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

    @Flag(help: "Refuse queues that were not made by `godwit queue set` or PUT.")
    var noAutoCreate = false

    @Option(help: "The most queues.")
    var maxQueues: Int?

    @Option(help: ArgumentHelp("Refuse publishes while the process uses more memory than this.", valueName: "bytes"))
    var maxMemory: Int?

    @Option(help: ArgumentHelp("Refuse publishes while the store's folder is larger than this.", valueName: "bytes"))
    var maxDisk: Int?

    @Option(help: ArgumentHelp("The largest payload, and the largest result.", valueName: "bytes"))
    var maxJobBytes = ServerOptions().limits.jobBytes

    @Option(help: ArgumentHelp("How long to answer that the server is stopping, before it stops.", valueName: "duration"))
    var drain = DurationText(ServerOptions().drainTime)

    @Flag(help: "Believe a wall clock that jumped by more than 7 days while the machine was off, and drop what is too old by it.")
    var acceptClock = false

    @Option(
        help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"),
        completion: .list(Logger.Level.allCases.map(\.rawValue))
    )
    var logLevel = Logger.Level.info.rawValue

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard Logger.Level(rawValue: logLevel) != nil else { throw ValidationError("--log-level \(logLevel) is no level") }
        guard (1...Limits.transactionBytes).contains(maxJobBytes) else {
            throw ValidationError("--max-job-bytes must be 1 to \(Limits.transactionBytes)")
        }
        for (name, value) in [("--max-queues", maxQueues), ("--max-memory", maxMemory), ("--max-disk", maxDisk)] {
            if let value, value < 1 { throw ValidationError("\(name) must be at least 1") }
        }
    }

    func run() async throws {
        Daemon.ignoreEarlyReloads()
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "godwit")
        logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
        do {
            var options = try serverOptions()
            try options.validate()
            let (client, folder) = try await Folder.open(data, logger: logger) { options in
                options.createsQueues = !noAutoCreate
                options.acceptsClock = acceptClock
                if let maxQueues { options.maxQueues = maxQueues }
                options.maxMemoryBytes = maxMemory
                options.maxDiskBytes = maxDisk
            }
            let asJSON = output.json
            options.onListening = { address in
                Self.announce(folder: folder, address: address, asJSON: asJSON)
                ServiceManager.ready("Serving \(folder) at \(address.url)")
            }
            let server = GodwitServer(client: client, options: options, logger: logger)
            // Listed first, the client closes last: the server's requests under way still have their store.
            let group = ServiceGroup(
                configuration: .init(
                    services: [.init(service: client), .init(service: server), .init(service: Daemon(server: server, logger: logger))],
                    gracefulShutdownSignals: [.sigterm, .sigint],
                    logger: logger
                )
            )
            try await group.run()
        } catch let error as ServerError {
            throw CommandFailure(error)
        }
    }

    private func serverOptions() throws -> ServerOptions {
        var options = ServerOptions()
        let address = try ServerOptions.parseAddress(http)
        options.host = address.host
        options.port = address.port
        options.token = try Token.read(file: tokenFile)
        options.tokenTable = tokens
        options.watchKeys = watchKeys
        options.tlsCertificate = tlsCert
        options.tlsKey = tlsKey
        options.isInsecure = insecure
        options.allowedHosts = allowHost
        options.allowedOrigins = allowOrigin
        options.limits.jobBytes = maxJobBytes
        options.drainTime = drain.duration
        options.version = GodwitVersion.current
        return options
    }

    /// Says where the server is; nothing is done about a reader that is gone.
    private static func announce(folder: String, address: ServerAddress, asJSON: Bool) {
        guard asJSON else {
            try? Output.line("data  \(folder)\nhttp  \(address.url)")
            return
        }
        try? Output.line(
            JSONWriter.text { json in
                json.object { json in
                    json.member("data", folder)
                    json.member("http", address.url)
                }
            }
        )
    }
}

extension CommandFailure {
    /// What keeps a server from starting.
    init(_ error: ServerError) {
        switch error.code {
        case .options: self = .usage(error.description)
        case .addressInUse: self = CommandFailure(exit: .unreachable, message: error.description, code: "address_in_use")
        case .addressUnavailable: self = CommandFailure(exit: .unreachable, message: error.description, code: "address_unavailable")
        case .failed: self = CommandFailure(exit: .failed, message: error.description, code: "server_failed")
        }
    }
}
