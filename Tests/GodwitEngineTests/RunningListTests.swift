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

    @Test("more leases than a page looks at are still found there, in their order, whatever came since", arguments: [true, false])
    func many(isOldestFirst: Bool) async throws {
        let store = try await Fixture()
        let first = try await store.publish(.name("other"))
        let message = NewMessage(queue: .work, payload: Content(Bytes("{}")))
        func publish(_ count: Int) async throws {
            for _ in 0..<(count / 1_000) {
                _ = try await store.engine.commit([Transaction((0..<1_000).map { _ in .enqueue(message) })])
            }
        }
        let jobs = Limits.pageScan + 1_000
        try await publish(jobs)
        for _ in 0..<(jobs / 1_000) { _ = try await store.lease(1_000, term: .fixed(.seconds(3_600))) }
        _ = try await store.lease(1, .name("other"), term: .fixed(.seconds(3_600)))
        try await publish(jobs)
        let running = try #require(try await store.engine.queue(.work)).counts.running
        #expect(running == jobs)
        // The first page is whole, and the pages together are all of them.
        var query = JobQuery(state: .running, isOldestFirst: isOldestFirst, limit: 900)
        var listed: [JobID] = []
        repeat {
            let page = try await store.engine.list(query)
            #expect(page.jobs.count == 900 || page.next == nil)
            listed += page.jobs.map(\.id)
            query.cursor = page.next
        } while query.cursor != nil
        #expect(listed.count == jobs + 1)
        #expect(Set(listed).count == jobs + 1)
        #expect((isOldestFirst ? listed.first : listed.last) == first)
    }

    @Test("of some queues alone they are listed as all others are", arguments: [JobState.running, .queued])
    func within(state: JobState) async throws {
        let store = try await Fixture()
        var own: [JobID] = []
        for _ in 0..<3 {
            own.append(try await store.publish(.name("mine")))
            _ = try await store.publish(.name("theirs"))
            own.append(try await store.publish(.name("ours")))
        }
        if state == .running { for queue in ["mine", "theirs", "ours"] { _ = try await store.lease(9, .name(queue)) } }
        let queues: [QueueName] = [.name("mine"), .name("ours"), .name("none")]
        var query = JobQuery(state: state, isOldestFirst: true, limit: 4)
        let first = try await store.engine.list(query, within: queues)
        #expect(first.jobs.map(\.id) == Array(own.prefix(4)))
        #expect(first.next != nil)
        query.cursor = first.next
        #expect(try await store.engine.list(query, within: queues).jobs.map(\.id) == Array(own.suffix(2)))
        query.cursor = nil
        #expect(try await store.engine.list(query, within: []).jobs.isEmpty)
        query.queue = .name("theirs")
        #expect(try await store.engine.list(query, within: queues).jobs.isEmpty)
        query.queue = .name("ours")
        #expect(try await store.engine.list(query, within: queues).jobs.count == 3)
    }
}
