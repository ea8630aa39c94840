import GodwitCore
import GodwitServer
import GodwitWire
import HTTPTestSupport
import Hummingbird
import NIOCore
import Synchronization
import Testing

@testable import GodwitHTTP

@Suite("The memory for all answers", .timeLimit(.minutes(1)))
struct AnswerBudgetTests {
    private func connection() -> Connection {
        let connection = Connection()
        connection.requestBegan(by: .everybody)
        return connection
    }

    private func answer(_ count: Int) -> Response {
        Response(status: .ok, body: ResponseBody(byteBuffer: ByteBuffer(repeating: 0, count: count)))
    }

    @Test("what is reserved takes room before there is an answer, and what the answer takes counts in its place")
    func reserving() throws {
        let budget = AnswerBudget(limit: 400_000)
        let connections = (0..<4).map { _ in connection() }, last = connection()
        for connection in connections { try budget.reserve(100_000, for: connection) }
        #expect(throws: Problem.self) { try budget.reserve(20_000, for: last) }
        #expect(!budget.admits(answer(20_000), to: last, isRead: true))
        #expect(budget.admits(answer(10_000), to: last, isRead: true), "small ones are not counted")
        // The first one's answer is smaller than was thought.
        #expect(budget.admits(answer(40_000), to: connections[0], isRead: true))
        try budget.reserve(60_000, for: last)
        #expect(throws: Problem.self) { try budget.reserve(80_000, for: last) }
        // What was taken before stays: the others still find no room.
        #expect(!budget.admits(answer(20_000), to: connection(), isRead: true))
        connections[0].responseWritten(1, succeeded: true)
        try budget.reserve(80_000, for: last)
    }

    @Test("it is given back with the answer, whatever becomes of it")
    func givingBack() throws {
        let budget = AnswerBudget(limit: 100_000)
        // One that is let go of without an answer, one whose answer is small, one that another request follows, and one that is gone.
        try budget.reserve(25_000, for: connection())
        let small = connection()
        try budget.reserve(25_000, for: small)
        #expect(budget.admits(answer(1), to: small, isRead: true))
        let next = connection()
        try budget.reserve(25_000, for: next)
        next.requestBegan(by: .everybody)
        let gone = connection()
        #expect(budget.admits(answer(100_000), to: gone, isRead: true))
        #expect(!budget.admits(answer(20_000), to: connection(), isRead: true))
        gone.end()
        for _ in 0..<2 {
            #expect(budget.admits(answer(100_000), to: connection(), isRead: true), "a connection that nobody has gives back what it took")
        }
    }

    @Test("an answer to what was done is written whatever others take, and work has room when readers have none")
    func done() throws {
        let budget = AnswerBudget(limit: 400_000)
        let reader = connection()
        #expect(budget.admits(answer(400_000), to: reader, isRead: true))
        #expect(!budget.admits(answer(20_000), to: connection(), isRead: true))
        #expect(throws: Problem.self) { try budget.reserve(20_000, for: connection()) }
        let worker = connection()
        try budget.reserve(50_000, for: worker, isWork: true)
        #expect(throws: Problem.self) { try budget.reserve(20_000, for: connection(), isWork: true) }
        let publisher = connection()
        #expect(budget.admits(answer(60_000), to: publisher, isRead: false))
        // It counts as long as it is there.
        worker.requestBegan(by: .everybody)
        reader.end()
        let other = connection()
        #expect(budget.admits(answer(340_000), to: other, isRead: true))
        #expect(!budget.admits(answer(20_000), to: connection(), isRead: true))
        publisher.end()
        #expect(budget.admits(answer(20_000), to: connection(), isRead: true))
    }

    @Test("no answer is too large to be reserved for")
    func large() throws {
        let budget = AnswerBudget(limit: 100_000)
        let connection = connection()
        try budget.reserve(1 << 30, for: connection)
        #expect(budget.admits(answer(90_000), to: connection, isRead: true))
    }

    @Test("a page of payloads is read when there is room for it alone")
    func browsing() async throws {
        let entered = Mutex(0), gate = Latch()
        var broker = HookedBroker(try await TestServer.engine())
        broker.onBrowse = {
            entered.withLock { $0 += 1 }
            while !gate.isSet { try? await Task.sleep(for: .milliseconds(5)) }
        }
        var options = ServerOptions()
        options.maxAnswerBytes = 1 << 20
        try await TestServer.run(options, broker: broker) { server in
            _ = try await server.publish()
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<4 { group.addTask { try await server.get("/v1/queues/q/browse").status } }
                try await server.eventually { entered.withLock { $0 } == 4 }
                let refused = try await server.get("/v1/queues/q/browse")
                #expect(refused.status == 503)
                #expect(try refused.json["code"].string == "overloaded")
                #expect(entered.withLock { $0 } == 4, "nothing was read for it")
                let answers = try await server.calls([.browse(BrowseQuery(queue: QueueName("q"))), .check])
                guard case .refused(let error) = answers[0], case .done = answers[1] else { throw TestFailure("\(answers)") }
                #expect(error.code == .busy)
                gate.set()
                for try await status in group { #expect(status == 200) }
            }
            try await server.eventually { try await server.get("/v1/queues/q/browse").status == 200 }
        }
    }
}
