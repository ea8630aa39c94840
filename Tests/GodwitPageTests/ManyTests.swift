import GodwitCore
import HTTPTestSupport
import Testing

@testable import GodwitPage

@Suite("Of many the page shows what somebody looks for", .serialized)
struct ManyTests {
    @Test("few jobs in a state are found under any number of others, and looked for once")
    func rare() async throws {
        let broker = try await TestServer.engine(segmentBytes: 32 << 20)
        let queue = try QueueName("mail")
        let message = NewMessage(queue: queue, payload: Content(Bytes("{}")))
        let id = try #require(try await broker.commit(.enqueue(message)).jobID)
        _ = try await broker.commit(.cancel(id))
        for _ in 0..<300 { _ = try await broker.commit([Transaction((0..<1_000).map { _ in .enqueue(message) })]) }
        try await TestServer.run(broker: broker) { server in
            let page = try await server.get("/page/jobs?state=cancelled")
            #expect(page.text.contains(id.description))
            #expect(page.link("Next page") == nil)
            #expect(page.text.contains("data-stream=\"/page/jobs?state=cancelled&amp;shown=\(id)\""))
        }
    }

    @Test("of very many workers those are shown that hold a job the longest, each has a page, and it is said how many more there are")
    func workers() async throws {
        let broker = try await TestServer.engine()
        let queue = try QueueName("mail")
        let message = NewMessage(queue: queue, payload: Content(Bytes("{}")))
        let count = WorkersView.mostWorkers + 5
        _ = try await broker.commit([Transaction((0..<count + 30).map { _ in .enqueue(message) })])
        for number in 0..<count {
            let holder = try await broker.open(
                HolderOptions(id: HolderID("worker-\(number)"), queues: [queue], capacity: 1, isEmbedded: false)
            )
            _ = try await holder.lease(max: number == 0 ? 31 : 1, term: .fixed(.seconds(3_600)), wait: .zero)
        }
        try await TestServer.run(broker: broker) { server in
            let page = try await server.get("/page/workers")
            #expect(page.text.components(between: "data-key=\"worker ", and: "\"").count == WorkersView.mostWorkers)
            #expect(page.shows("105 workers hold 135 jobs."))
            #expect(page.shows("And 5 more workers, whose jobs began later."))
            #expect(page.shows("And 11 more: all of this worker"))
            let one = try await server.get("/page/workers?holder=worker-0")
            #expect(one.links.count { $0.hasPrefix("/page/job?id=") } == 31)
            #expect(!one.text.contains("worker-1"))
            #expect(try await server.get("/page/workers?holder=nobody").shows("It holds no job."))
        }
    }

    @Test("schedules are found under any number of other records")
    func schedules() async throws {
        let broker = try await TestServer.engine(segmentBytes: 32 << 20)
        let queue = try QueueName("work")
        let value = Bytes(#"{"last":"2026-01-01T00:00:00Z","next":"2999-01-01T00:00:00Z"}"#)
        for step in 0..<15 {
            let puts = (0..<1_000).map { Operation.put(RecordKey("other-\(step)-\($0)"), value: value, expecting: .absent, lifetime: nil) }
            _ = try await broker.commit([Transaction(puts)])
        }
        for number in 0..<20 {
            _ = try await broker.commit(
                .put(RecordKey("schedule:\(number)", home: .queue(queue)), value: value, expecting: .absent, lifetime: nil)
            )
        }
        try await TestServer.run(broker: broker) { server in
            let page = try await server.get("/page/schedules")
            #expect(page.text.components(between: "data-key=\"work ", and: "\"").count == 20)
            #expect(!page.shows("there may be more schedules"))
        }
    }
}

extension String {
    /// What stands between each pair of these.
    fileprivate func components(between start: String, and end: Character) -> [Substring] {
        split(separator: start, omittingEmptySubsequences: false).dropFirst().map { $0.prefix { $0 != end } }
    }
}
