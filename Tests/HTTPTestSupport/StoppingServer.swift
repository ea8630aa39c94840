import GodwitCore
package import GodwitServer
package import ServiceLifecycle

/// A server that is told to stop by the test.
package struct StoppingServer: Sendable {
    package let server: GodwitServer
    package let group: ServiceGroup
    package let running: Task<Void, any Error>
    package let client: TestServer

    package static func start(drain: Duration, shutdown: Duration = .seconds(10)) async throws -> StoppingServer {
        let broker = try await TestServer.engine()
        var options = ServerOptions()
        options.port = 0
        options.drainTime = drain
        options.shutdownTimeout = shutdown
        let server = GodwitServer(broker: broker, options: options, logger: TestServer.logger)
        let group = ServiceGroup(configuration: .init(services: [.init(service: server)], logger: TestServer.logger))
        let running = Task { try await group.run() }
        return StoppingServer(
            server: server,
            group: group,
            running: running,
            client: TestServer(broker: broker, address: try await server.address)
        )
    }

    package func end() async throws {
        try await running.value
        await client.broker.close()
    }
}
