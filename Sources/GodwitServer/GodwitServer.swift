package import Godwit
package import GodwitCore
package import GodwitHTTP
import GodwitPage
import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// The HTTP server that `godwit serve` runs: everything of ``JobRoutes`` under `/v1`, with the gate, the limits, health and
/// metrics around it.
///
/// A graceful shutdown drains it: `/readyz`, publishes and leases are answered 503, waits end, and when the ``Drain`` is over the listener
/// closes and the requests under way finish. Settles and heartbeats are served to the end. The store is not closed here: its owner does.
package final class GodwitServer: Service {
    private let broker: any Broker
    private let options: ServerOptions
    private let logger: Logger
    private let audit: Audit
    private let draining = Latch()
    private let hurrying = Latch()
    private let secrets = Once<ServerSecrets>()
    private let listening = Once<ServerAddress>()

    /// - Parameter client: whose store is served.
    package convenience init(client: JobClient, options: ServerOptions, logger: Logger) {
        self.init(broker: client.broker, options: options, logger: logger)
    }

    /// - Parameter audit: where the audit goes, if not to a logger of its own.
    package init(broker: any Broker, options: ServerOptions, logger: Logger, audit: Audit? = nil) {
        self.broker = broker
        self.options = options
        self.logger = logger
        self.audit = audit ?? Audit(Self.named("godwit.audit", logger))
    }

    /// Where the server can be reached; waits until it can be.
    /// - Throws: what kept it from listening, the server's end among it.
    package var address: ServerAddress { get async throws { try await listening.value } }

    /// Serves until a graceful shutdown has drained it, or the task is cancelled.
    /// - Throws: ``ServerError`` when the options are refused or the address cannot be listened on.
    package func run() async throws {
        do {
            try options.validate()
            let secrets = try ServerSecrets(options)
            self.secrets.set(.success(secrets))
            try await serve(secrets)
            // Heard by those who wait for an address when the end came before it.
            listening.set(.failure(ServerError(.failed, "the server was stopped before it could be reached")))
        } catch {
            secrets.set(.failure(error))
            let error = ServerError(error, listeningOn: ServerAddress(host: options.host, port: options.port))
            listening.set(.failure(error))
            throw error
        }
    }

    /// Reads the certificate, the tokens and the keys for tickets anew: new connections get the one, and the next requests are judged by the others.
    /// - Throws: ``ServerError`` that names the file; what was in use stays in use.
    package func reload() async throws {
        let secrets = try await secrets.value
        let changes = try secrets.reload(options)
        logger.info("Read the certificate, the tokens and the keys for tickets again")
        // Who may do what is worth a line that is kept.
        for name in changes.tokens { audit.note("token", ["token": name], byName: "signal") }
        for name in changes.watchKeys { audit.note("watch_key", ["key": name], byName: "signal") }
    }

    /// Ends without waiting for anybody: connections are closed, requests under way are given up.
    package func hurry() { hurrying.set() }

    private func serve(_ secrets: ServerSecrets) async throws {
        var options = options
        // The store's files come first: a connection more than there are descriptors for would take them from it.
        options.maxConnections = min(options.maxConnections, FileLimit.connections(of: FileLimit.raise()))
        if options.token != nil, options.tokenTable != nil {
            logger.notice("The token of --token-file or GODWIT_TOKEN is good beside those of the file, for everything")
        }
        let statistics = ServerStatistics()
        let answers = AnswerBudget(limit: options.maxAnswerBytes)
        let glance = QueuesGlance()
        let routes = JobRoutes(
            broker: broker,
            serving: Set(JobRoutes.Action.allCases),
            limits: options.limits,
            draining: draining,
            access: { Connection.current?.access ?? .nobody },
            audit: audit,
            watchKeys: secrets.watchKeys,
            answers: answers,
            glance: glance,
            logger: logger
        )
        let serverRoutes = ServerRoutes(broker: broker, options: options, statistics: statistics, glance: glance, draining: draining)
        let gatekeeper = Gatekeeper(
            tokens: secrets.tokens,
            watchKeys: secrets.watchKeys,
            allowedHosts: options.allowedHosts,
            allowedOrigins: options.allowedOrigins,
            logger: logger
        )
        let page = OperatorsPage(
            broker: broker,
            glance: glance,
            draining: draining,
            gate: gatekeeper.asksForTokens ? gatekeeper : nil,
            isEncrypted: secrets.tls != nil,
            audit: audit,
            version: options.version,
            logger: logger
        )
        let responder = ServerResponder(
            routes: routes,
            serverRoutes: serverRoutes,
            page: page,
            gatekeeper: gatekeeper,
            answers: answers,
            logger: logger
        )
        let census = ConnectionCensus(options)
        let builder = HTTPServerBuilder { [options] in
            ConnectionChannel(responder: $0, options: options, tls: secrets.tls, statistics: statistics, census: census)
        }
        let server = try builder.buildServer(
            configuration: ServerConfiguration(address: .hostname(options.host, port: options.port), backlog: 1_024),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: Self.quiet(logger)
        ) { request, writer, channel in
            let response = try await responder.respond(to: request, channel: channel)
            try await writer.write(response: response.head, body: response.body)
        } onServerRunning: { [self] channel in
            await census.listens(channel)
            await announce(channel)
        }
        try await run(server, census, Drain(broker: broker, statistics: statistics, longest: options.drainTime))
    }

    /// Runs the listener in a group of its own, which hears of the shutdown only when the drain is over.
    private func run(_ server: any Service, _ census: ConnectionCensus, _ drain: Drain) async throws {
        let group = ServiceGroup(configuration: .init(services: [.init(service: server)], logger: Self.quiet(logger)))
        let serving = Task.detached { try await group.run() }
        let draining = draining, options = options, logger = logger
        let isStopping = Once<Void>()
        let end: @Sendable () async -> Void = {
            await census.end()
            serving.cancel()
        }
        let closing = Task.detached {
            try await isStopping.value
            logger.info("Draining: no new work is taken, what runs can still be settled; a second signal stops at once")
            try await drain.wait()
            await group.triggerGracefulShutdown()
            // A limit: `closing` is cancelled as soon as the last request has ended.
            try await Task.sleep(for: options.shutdownTimeout)
            logger.warning("Some requests did not end in time: closing their connections")
            await end()
        }
        let hurry = hurrying.onSet { Task.detached { await end() } }
        defer {
            hurrying.remove(hurry)
            closing.cancel()
            isStopping.set(.failure(CancellationError()))
        }
        do {
            try await withTaskCancellationHandler {
                try await withGracefulShutdownHandler {
                    try await serving.value
                } onGracefulShutdown: {
                    draining.set()
                    isStopping.set(.success(()))
                }
            } onCancel: {
                draining.set()
                Task.detached { await end() }
            }
        } catch is CancellationError {
            logger.debug("The server was cancelled")
        } catch let error as ServiceGroupError where census.isOver || error.errorCode == .alreadyFinished {
            // Its listener was closed before its cancelling came, or it was to end before it had begun.
            logger.debug("The server was cancelled", metadata: ["error": "\(error)"])
        }
    }

    private func announce(_ channel: any Channel) async {
        let address = ServerAddress(
            host: channel.localAddress?.ipAddress ?? options.host,
            port: channel.localAddress?.port ?? options.port,
            isSecure: options.tlsCertificate != nil
        )
        logger.info("Listening", metadata: ["url": "\(address.url)"])
        listening.set(.success(address))
        await options.onListening?(address)
    }

    /// A logger of the same level under another label.
    private static func named(_ label: String, _ logger: Logger) -> Logger {
        var named = Logger(label: label)
        named.logLevel = min(logger.logLevel, .notice)
        return named
    }

    /// The libraries below tell of each start and stop; what matters of that is told here.
    private static func quiet(_ logger: Logger) -> Logger {
        var logger = logger
        logger.logLevel = max(logger.logLevel, .warning)
        return logger
    }
}
