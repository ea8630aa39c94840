import GodwitCore
import Testing

@testable import GodwitEngine

@Suite("Running jobs are found among the leases, and say who holds them")
struct RunningListTests {
    @Test("a job has a holder while it is running, and no longer")
    func holder() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        #expect(try await store.job(id).holder == nil)
        let lease = try #require(try await store.lease(holder: "one").first)
        #expect(lease.job.holder == HolderID("one"))
        #expect(try await store.job(id).holder == HolderID("one"))
        try await store.run(.fail(lease.token, Failure(message: "again"), retry: .after(.zero)))
        #expect(try await store.job(id).holder == nil)
        _ = try await store.lease(holder: "two")
        #expect(try await store.engine.list(JobQuery(state: .running)).jobs.map(\.holder) == [HolderID("two")])
    }

    @Test("a lease that is out when the store is killed is its holder's afterwards")
    func restart() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        _ = try await store.lease(term: .fixed(.seconds(60)), holder: "one")
        try await store.engine.check()
        let opened = try await store.killed()
        #expect(try await opened.job(id).holder == HolderID("one"))
    }

    @Test(
        "they are listed in order, by queue, in pages that follow each other, however many jobs wait between them",
        arguments: [false, true]
    )
    func pages(isOldestFirst: Bool) async throws {
        let store = try await Fixture()
        var running: [JobID] = []
        for round in 0..<7 {
            for _ in 0..<50 { try await store.publish(.name("waiting")) }
            running.append(try await store.publish(round == 3 ? .name("other") : .work))
        }
        _ = try await store.lease(10)
        _ = try await store.lease(1, .name("other"))
        let order = isOldestFirst ? running : running.reversed()
        var query = JobQuery(state: .running, isOldestFirst: isOldestFirst, limit: 3)
        var listed: [[JobID]] = []
        repeat {
            let page = try await store.engine.list(query)
            listed.append(page.jobs.map(\.id))
            query.cursor = page.next
        } while query.cursor != nil
        #expect(listed == [Array(order.prefix(3)), Array(order.dropFirst(3).prefix(3)), Array(order.dropFirst(6))])
        query = JobQuery(queue: .name("other"), state: .running, isOldestFirst: isOldestFirst)
        #expect(try await store.engine.list(query).jobs.map(\.id) == [running[3]])
        query.cursor = "sideways"
        _ = await expectError(.invalidArgument) { _ = try await store.engine.list(query) }
    }

    @Test("what was published after the first page was made is left out of those that say so")
    func end() async throws {
        let store = try await Fixture()
        let first = try await store.publish()
        _ = try await store.lease()
        let end = try await store.engine.list(JobQuery(state: .running)).end
        let second = try await store.publish()
        _ = try await store.lease()
        for isOldestFirst in [false, true] {
            var query = JobQuery(state: .running, isOldestFirst: isOldestFirst)
            #expect(Set(try await store.engine.list(query).jobs.map(\.id)) == [first, second])
            query.end = end
            #expect(try await store.engine.list(query).jobs.map(\.id) == [first])
        }
    }
}
