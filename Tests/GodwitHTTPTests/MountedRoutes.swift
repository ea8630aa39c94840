import GodwitCore
import GodwitHTTP
import GodwitServer
import GodwitWire
import HTTPTestSupport
import Hummingbird

/// Routes as a test wants them, in a program of their own.
enum MountedRoutes {
    /// - Parameters:
    ///   - routes: made for a broker in memory.
    ///   - test: gets a client whose paths begin where the routes are mounted.
    static func run(
        _ routes: @Sendable (any Broker) -> JobRoutes,
        _ test: @Sendable @escaping (TestServer) async throws -> Void
    ) async throws {
        let broker = try await TestServer.engine()
        let router = Router()
        routes(broker).add(to: router)
        let ports = AsyncStream<Int>.makeStream()
        let app = Application(
            router: router,
            configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in ports.continuation.yield(channel.localAddress?.port ?? 0) },
            logger: TestServer.logger
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await app.run() }
            var iterator = ports.stream.makeAsyncIterator()
            guard let port = await iterator.next() else { throw TestFailure("the program did not listen") }
            try await test(TestServer(broker: broker, address: ServerAddress(host: "127.0.0.1", port: port)))
            group.cancelAll()
        }
        await broker.close()
    }
}

extension TestServer {
    /// A request in batch frames, on a connection of its own.
    func frames(_ path: String, _ body: [UInt8], headers: [(String, String)] = []) async throws -> HTTPReply {
        let connection = try await connect()
        try await connection.request("POST", path, headers: [("Content-Type", WireFormat.mediaType)] + headers, body: body)
        let reply = try await connection.reply(to: "POST")
        try await connection.close()
        return reply
    }

    /// A commit in batch frames, whose outcomes must be given.
    func commit(
        _ transactions: [Transaction],
        in session: SessionCommit? = nil,
        at path: String = "/v1/commit",
        headers: [(String, String)] = []
    ) async throws -> [TransactionOutcome] {
        let reply = try await frames(path, Wire.encode(CommitRequest(transactions, in: session)), headers: headers)
        guard reply.status == 200, reply["content-type"] == WireFormat.mediaType else {
            throw TestFailure("not committed: \(reply.status) \(reply.text)")
        }
        return try Wire.decodeOutcomes(Bytes(reply.body))
    }

    /// Leases jobs in batch frames.
    func lease(_ request: LeaseRequest) async throws -> [Delivery] {
        let reply = try await frames("/v1/leases", Wire.encode(request))
        guard reply.status == 200 else { throw TestFailure("not leased: \(reply.status) \(reply.text)") }
        return try Wire.decodeDeliveries(Bytes(reply.body))
    }

    func calls(_ calls: [Call], at path: String = "/v1/calls") async throws -> [CallAnswer] {
        let reply = try await frames(path, Wire.encode(calls))
        guard reply.status == 200 else { throw TestFailure("not answered: \(reply.status) \(reply.text)") }
        return try Wire.decodeAnswers(Bytes(reply.body))
    }
}

extension Transaction {
    /// A job of a test.
    static func job(_ queue: String = "q", _ payload: String = "1") throws -> Transaction {
        Transaction(.enqueue(NewMessage(queue: try QueueName(queue), payload: Content(Bytes(payload)))))
    }
}

extension LeaseRequest {
    static func of(_ queues: String..., max: Int = 1, wait: Duration = .zero) throws -> LeaseRequest {
        let names = try queues.map { try QueueName($0) }
        let holder = HolderOptions(id: HolderID("h"), queues: names, capacity: max, isEmbedded: false)
        return LeaseRequest(holder: holder, max: max, term: .fixed(.seconds(60)), wait: wait)
    }
}

extension TransactionOutcome {
    var error: BrokerError? { if case .aborted(_, let error) = self { error } else { nil } }
    var results: [OperationResult]? { if case .committed(let results) = self { results } else { nil } }
}
