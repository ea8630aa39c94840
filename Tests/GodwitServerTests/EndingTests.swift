import GodwitCore
import HTTPTestSupport
import ServiceLifecycle
import Testing

@testable import GodwitServer

@Suite("The end of a server's connections", .serialized, .timeLimit(.minutes(2)))
struct EndingTests {
    /// Connects again and again, until nobody is there any more.
    private func storm(on client: TestServer) -> Task<Void, Never> {
        Task {
            await withDiscardingTaskGroup { group in
                for _ in 0..<16 {
                    group.addTask {
                        var open: [HTTPConnection] = []
                        while open.count < 200, let connection = try? await client.connect() {
                            try? await connection.send("GET /healthz HTTP/1.1\r\n")
                            open.append(connection)
                        }
                        for connection in open { try? await connection.close() }
                    }
                }
            }
        }
    }

    @Test("a server that many are about to connect to ends at once all the same", arguments: [false, true])
    func storm(isCancelled: Bool) async throws {
        for round in 0..<10 {
            let stopping = try await StoppingServer.start(drain: .seconds(60))
            let storm = self.storm(on: stopping.client)
            try await Task.sleep(for: .milliseconds(5 * round))
            if isCancelled {
                stopping.running.cancel()
                _ = await stopping.running.result
                await stopping.client.broker.close()
            } else {
                await stopping.group.triggerGracefulShutdown()
                stopping.server.hurry()
                try await stopping.end()
            }
            await storm.value
        }
    }

    @Test("whoever cannot wait does not: connections are closed, whatever runs")
    func hurry() async throws {
        let stopping = try await StoppingServer.start(drain: .seconds(60))
        let client = stopping.client
        let id = try await client.publish("q", "1")
        _ = try await client.lease("q", query: "?lease=1m")
        // In the middle of a stream, of a request that waits, of one that is being sent, and of none.
        let streaming = try await client.connect(), waiting = try await client.connect(), sending = try await client.connect()
        let idle = try await client.connect()
        try await idle.request("GET", "/healthz")
        _ = try await idle.reply()
        try await streaming.request("GET", "/v1/jobs/\(id)/events")
        _ = try await streaming.head()
        try await waiting.request("POST", "/v1/queues/empty/leases?wait=60s", body: [])
        try await client.eventually { try await client.broker.queue(QueueName("empty")) != nil }
        try await sending.send("POST /v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1")
        let start = ContinuousClock.now
        await stopping.group.triggerGracefulShutdown()
        stopping.server.hurry()
        for connection in [streaming, waiting, sending, idle] {
            #expect(try await connection.isClosedByServer(within: .seconds(5)))
        }
        try await stopping.end()
        #expect(start.duration(to: .now) < .seconds(5), "neither the drain nor the clients were waited for")
        await #expect(throws: (any Error).self) { try await client.connect() }
    }

    /// Connections to which answers of different lengths were given that nobody reads: some of them have what the network does not take, and less
    /// than what makes the server wait with the next answer.
    private func unread(_ client: TestServer) async throws -> [HTTPConnection] {
        let payload = "\"" + String(repeating: "x", count: 20_000) + "\""
        let id = try await client.publish("q", payload)
        var connections: [HTTPConnection] = []
        for count in 1...10 {
            let connection = try await HTTPConnection.open(port: client.address.port, isNarrow: true)
            try await connection.stopReading()
            for number in 1...count {
                let headers = number == count ? [("Connection", "close")] : []
                try await connection.request("GET", "/v1/jobs/\(id)/payload", headers: headers)
            }
            connections.append(connection)
        }
        // Until all is written that will be.
        try await Task.sleep(for: .milliseconds(300))
        return connections
    }

    @Test("a second signal ends connections whose answers nobody reads")
    func unreadAndHurry() async throws {
        let stopping = try await StoppingServer.start(drain: .seconds(60))
        let connections = try await unread(stopping.client)
        await stopping.group.triggerGracefulShutdown()
        let start = ContinuousClock.now
        stopping.server.hurry()
        try await stopping.end()
        #expect(start.duration(to: .now) < .seconds(5))
        for connection in connections { try? await connection.close() }
    }

    @Test("so does the time that requests have to end")
    func unreadAndTimeout() async throws {
        let stopping = try await StoppingServer.start(drain: .zero, shutdown: .milliseconds(300))
        let connections = try await unread(stopping.client)
        let start = ContinuousClock.now
        await stopping.group.triggerGracefulShutdown()
        try await stopping.end()
        #expect(start.duration(to: .now) < .seconds(5))
        for connection in connections { try? await connection.close() }
    }

    @Test("whoever waits for the address of a server that is stopped before it listens is told so")
    func address() async throws {
        /// Ends as soon as it begins, and the group with it.
        struct Ending: Service { func run() async throws {} }
        for _ in 0..<20 {
            let broker = try await TestServer.engine()
            var options = ServerOptions()
            options.port = 0
            options.drainTime = .zero
            let server = GodwitServer(broker: broker, options: options, logger: TestServer.logger)
            let ending = ServiceGroupConfiguration.ServiceConfiguration(
                service: Ending(),
                successTerminationBehavior: .gracefullyShutdownGroup
            )
            let group = ServiceGroup(configuration: .init(services: [.init(service: server), ending], logger: TestServer.logger))
            async let waiting = server.address
            try await group.run()
            do {
                _ = try await waiting
            } catch let error as ServerError {
                #expect(error.code == .failed)
            }
            await broker.close()
        }
    }
}
