package import GodwitCore
import GodwitEngine
package import GodwitHTTP
package import GodwitJournal
package import GodwitServer
package import Logging
import ServiceLifecycle

/// A running server on an engine in memory, and a client for it.
package struct TestServer: Sendable {
    package let broker: any Broker
    package let address: ServerAddress

    package init(broker: any Broker, address: ServerAddress) {
        self.broker = broker
        self.address = address
    }

    /// Starts a server on a free port, runs the test and stops it.
    package static func run(
        _ options: ServerOptions = ServerOptions(),
        createsQueues: Bool = true,
        broker: (any Broker)? = nil,
        audit: Audit? = nil,
        _ test: @Sendable @escaping (TestServer) async throws -> Void
    ) async throws {
        let broker: any Broker = if let broker { broker } else { try await engine(createsQueues: createsQueues) }
        var options = options
        options.port = 0
        options.drainTime = .milliseconds(20)
        options.shutdownTimeout = .seconds(2)
        let server = GodwitServer(broker: broker, options: options, logger: Self.logger, audit: audit)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            do {
                try await test(TestServer(broker: broker, address: server.address))
            } catch {
                group.cancelAll()
                throw error
            }
            group.cancelAll()
        }
        await broker.close()
    }

    package static let logger: Logger = {
        var logger = Logger(label: "test", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = .error
        return logger
    }()

    package static func engine(
        createsQueues: Bool = true,
        segmentBytes: Int = 4 << 20,
        storage: MemoryStorage = MemoryStorage()
    ) async throws -> any Broker {
        var options = EngineOptions()
        options.createsQueues = createsQueues
        options.logger = logger
        options.segmentBytes = segmentBytes
        return try await Engine.open(storage: storage, options: options)
    }

    package func connect() async throws -> HTTPConnection { try await HTTPConnection.open(port: address.port) }

    /// One request on a connection of its own.
    package func send(
        _ method: String,
        _ path: String,
        headers: [(String, String)] = [],
        body: String? = nil
    ) async throws -> HTTPReply {
        let connection = try await connect()
        // Body or none, a POST says how long it is.
        try await connection.request(method, path, headers: headers, body: body.map { Array($0.utf8) } ?? (method == "POST" ? [] : nil))
        let reply = try await connection.reply(to: method)
        try await connection.close()
        return reply
    }

    package func get(_ path: String, headers: [(String, String)] = []) async throws -> HTTPReply {
        try await send("GET", path, headers: headers)
    }

    package func post(_ path: String, _ body: String? = nil, type: String? = "application/json", headers: [(String, String)] = [])
        async throws -> HTTPReply
    {
        try await send("POST", path, headers: (body == nil ? [] : type.map { [("Content-Type", $0)] } ?? []) + headers, body: body)
    }

    /// Publishes a job and answers its id.
    package func publish(_ queue: String = "q", _ body: String = "{}", query: String = "") async throws -> String {
        let reply = try await post("/v1/queues/\(queue)/jobs\(query)", body)
        guard reply.status == 202, let id = try reply.json["id"].string else {
            throw TestFailure("not published: \(reply.status) \(reply.text)")
        }
        return id
    }

    /// Leases one job and answers it.
    package func lease(_ queue: String = "q", query: String = "") async throws -> JSONTree {
        let reply = try await post("/v1/queues/\(queue)/leases\(query)")
        guard reply.status == 200, try reply.json["leases"].count == 1 else {
            throw TestFailure("not leased: \(reply.status) \(reply.text)")
        }
        return try reply.json["leases"][0]
    }

    /// Waits until something is so.
    package func eventually(within limit: Duration = .seconds(15), _ condition: () async throws -> Bool) async throws {
        let end = ContinuousClock.now + limit
        while try await !condition() {
            guard ContinuousClock.now < end else { throw TestFailure("it did not become so in \(limit)") }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}
