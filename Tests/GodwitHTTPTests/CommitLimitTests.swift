import GodwitCore
import GodwitWire
import HTTPTestSupport
import HTTPTypes
import Testing

@testable import GodwitHTTP

@Suite("How much one commit may ask for")
struct CommitLimitTests {
    private func transactions(_ counts: [Int]) -> [Transaction] {
        counts.map { Transaction(Array(repeating: .forget(JobID("x")), count: $0)) }
    }

    @Test("10,000 operations of all transactions together are taken, in frames one more is refused before anything is done")
    func frames() async throws {
        try await TestServer.run { server in
            #expect(try await server.commit(transactions(Array(repeating: 1_000, count: 10))).count == 10)
            for counts in [Array(repeating: 1_000, count: 10) + [1], [10_001], Array(repeating: 11, count: 1_000)] {
                let body = Wire.encode(CommitRequest([try .job()] + transactions(counts)[..<min(999, counts.count)]))
                let reply = try await server.frames("/v1/commit", body)
                #expect(reply.status == 400)
                #expect(try reply.json["field"].string == "transactions")
            }
            #expect(try await server.broker.queues().isEmpty)
        }
    }

    @Test("and in JSON, before more of it is read")
    func json() async throws {
        try await TestServer.run { server in
            func body(_ counts: [Int]) -> String {
                let each = counts.map { "{\"operations\": [\(Array(repeating: "{\"forget\": \"x\"}", count: $0).joined(separator: ","))]}" }
                return "{\"transactions\": [\(each.joined(separator: ","))]}"
            }
            #expect(try await server.post("/v1/commit", body(Array(repeating: 1_000, count: 10))).status == 200)
            let reply = try await server.post("/v1/commit", body(Array(repeating: 1_000, count: 10) + [1]))
            #expect(reply.status == 400)
            #expect(try reply.json["field"].string == "transactions")
        }
    }

    @Test("the queue of a name that HTTP cannot make is asked for once")
    func names() async throws {
        let broker = try await TestServer.engine(), odd = try QueueName("größe")
        _ = try await broker.configure(odd, QueueSettings(), expecting: .absent)
        var names = KnownNames()
        let message = NewMessage(queue: odd, payload: Content("1"))
        try await names.check([.enqueue(message)], field: "operations", at: broker)
        await broker.close()
        // Nobody is asked any more.
        try await names.check(Array(repeating: .enqueue(message), count: 1_000), field: "operations", at: broker)
        await #expect(throws: BrokerError.self) { try await names.check(QueueName("größer"), field: "queue", at: broker) }
    }

    @Test("jobs are looked up for those alone who may administer, each once")
    func lookUps() async throws {
        let broker = try await TestServer.engine()
        let job = try #require(try await broker.commit(Transaction.job("mail").operations[0]).jobID)
        func permissions(_ actions: Set<JobRoutes.Action>) -> Permissions {
            let grant = Grant(name: "t", actions: actions, queues: [QueuePattern("billing")])
            return Permissions(served: Set(JobRoutes.Action.allCases), access: .known(grant), authorize: nil)
        }
        let cancels = Array(repeating: Transaction(.cancel(job)), count: 3_000)
        var admin = permissions([.publish, .admin]), publisher = permissions([.publish])
        try await admin.prepare(for: cancels, making: .publish, at: broker)
        #expect(admin.forbidden(in: cancels[0], making: .publish) == 0)
        await broker.close()
        try await publisher.prepare(for: cancels, making: .publish, at: broker)
        #expect(publisher.forbidden(in: cancels[0], making: .publish) == 0)
        await #expect(throws: BrokerError.self) { try await admin.prepare(for: cancels, making: .publish, at: broker) }
    }

    @Test("a commit's body may take what is kept free for workers when it is small, or can be nobody else's")
    func workersShare() async throws {
        let broker = try await TestServer.engine()
        let commit = try #require(JobRoutes(broker: broker, serving: [.work]).table.first { $0.path == "commit" })
        await broker.close()
        func isWork(_ actions: Set<JobRoutes.Action>?, length: Int?) -> Bool {
            let access = actions.map { Access.known(Grant(name: "t", actions: $0)) } ?? .everybody
            let permissions = Permissions(served: Set(JobRoutes.Action.allCases), access: access, authorize: nil)
            return commit.isWork(of: permissions, length.map { [.contentLength: String($0)] } ?? [:])
        }
        #expect(isWork([.work], length: 16 << 20) && isWork([.work], length: nil))
        #expect(isWork(nil, length: 256 << 10) && isWork([.work, .publish], length: 100))
        #expect(!isWork(nil, length: 256 << 10 + 1) && !isWork(nil, length: nil))
        #expect(!isWork([.publish], length: 100) && !isWork([.publish, .admin], length: 100) && !isWork([.admin], length: 1))
    }
}
