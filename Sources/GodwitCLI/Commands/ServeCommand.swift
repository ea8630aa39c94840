import ArgumentParser
import Godwit
import GodwitHTTP
import GodwitServer
import Logging
import ServiceLifecycle

/// `godwit serve`.
struct ServeCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a folder's jobs by HTTP.",
        discussion: """
            Prints the folder's absolute path and the server's address once it can be reached; logs to standard error. SIGTERM and \
            SIGINT drain: new work is refused, running jobs can be settled for a while, the store is closed. A second one stops at once.

            Only this machine can reach the server, and no web page can. Any other address needs a token, or --insecure. \
            SIGHUP reads the certificate, the file of tokens and that of --watch-keys again.

            What is not said here is looked for in the environment (--max-queues is GODWIT_MAX_QUEUES), then in the file of --config \
            ("max_queues"). --print-config tells what is in force.

              godwit serve
              godwit serve --data /var/lib/godwit --http 0.0.0.0:8080 --token-file /etc/godwit/token
              godwit serve --http 127.0.0.1:0 --json
              godwit serve --config /etc/godwit/config.json --print-config
            """
    )

    @OptionGroup var flags: ServeFlags

    @Flag(help: "Print each setting and where it comes from, and do not start; nothing secret is shown.")
    var printConfig = false

    @OptionGroup var output: OutputOptions

    func run() async throws {
        Daemon.ignoreEarlyReloads()
        let settings = try ServeSettings(flags)
        guard !printConfig else {
            let entries = settings.entries
            for warning in settings.strays.warnings { Output.message("godwit: \(warning)") }
            for line in output.json ? [SettingEntry.json(entries)] : SettingEntry.table(entries) { try Output.line(line) }
            return
        }
        LoggingSystem.bootstrap { settings.logFormat.handler(label: $0) }
        var logger = Logger(label: "godwit")
        logger.logLevel = settings.logLevel
        for warning in settings.strays.warnings { logger.warning("\(warning)") }
        do {
            var options = try settings.serverOptions()
            let (client, folder) = try await Folder.open(settings.data, logger: logger) { settings.configure(&$0) }
            let asJSON = output.json
            options.onListening = { address in
                Self.announce(folder: folder, address: address, asJSON: asJSON)
                ServiceManager.ready("Serving \(folder) at \(address.url)")
            }
            let server = GodwitServer(client: client, options: options, logger: logger)
            // Listed first, the client closes last: the server's requests under way still have their store.
            let group = ServiceGroup(
                configuration: .init(services: [.init(service: client), .init(service: server)], logger: logger)
            )
            try await Daemon(server: server, logger: logger).run {
                try await group.run()
            } stop: {
                await group.triggerGracefulShutdown()
            }
        } catch let error as ServerError {
            throw CommandFailure(error)
        }
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
