import GodwitCore
import GodwitServer
import HTTPTestSupport
import Synchronization

@testable import GodwitRemote

/// A client of a test's server.
enum RemoteFixture {
    /// Opens a broker for the time of `body`.
    static func run<Value: Sendable>(
        _ url: String,
        token: String? = nil,
        _ change: (inout RemoteConfiguration) -> Void = { _ in },
        _ body: @Sendable (RemoteBroker) async throws -> Value
    ) async throws -> Value {
        var configuration = RemoteConfiguration(url: try ServerURL(url), token: token)
        change(&configuration)
        let broker = try RemoteBroker(configuration, logger: TestServer.logger)
        do {
            let value = try await body(broker)
            await broker.close()
            return value
        } catch {
            await broker.close()
            throw error
        }
    }

    /// A server and a client of it.
    static func serve(_ body: @Sendable @escaping (RemoteBroker, TestServer) async throws -> Void) async throws {
        try await TestServer.run { server in
            try await run(server.address.url) { broker in try await body(broker, server) }
        }
    }

    /// A server, a client of it, and between them a proxy.
    static func serveThroughProxy(_ body: @Sendable @escaping (RemoteBroker, CuttingProxy, TestServer) async throws -> Void) async throws {
        try await TestServer.run { server in
            try await CuttingProxy.run(to: server.address.port) { proxy in
                try await run(proxy.url) { broker in try await body(broker, proxy, server) }
            }
        }
    }
}

extension QueueName {
    static var work: QueueName {
        get throws { try QueueName("work") }
    }
}

extension Operation {
    static func enqueue(_ text: String) throws -> Operation {
        .enqueue(NewMessage(queue: try .work, payload: Content(Bytes(text), type: Content.text)))
    }
}

extension TestServer {
    /// The payloads of all jobs that wait, in order, as the store has them.
    func waiting(_ queue: String = "work") async throws -> [String] {
        var query = BrowseQuery(queue: try QueueName(queue), limit: 1_000)
        var texts: [String] = []
        repeat {
            let page = try await broker.browse(query)
            texts += page.jobs.map { $0.payload?.bytes.text ?? "unreadable" }
            query.cursor = page.next
        } while query.cursor != nil
        return texts
    }
}
