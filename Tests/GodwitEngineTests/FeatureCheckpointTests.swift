import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("What checkpoints hold of groups, claims, sessions and dead letters", .timeLimit(.minutes(2)))
struct FeatureCheckpointTests {
    @Test("after a clean stop, which settles the store in checkpoints, all of it is as before")
    func cleanStop() async throws {
        var store = try await Fixture()
        try await store.configure {
            $0.ttl = .seconds(900)
            $0.maxWait = .seconds(77)
            $0.maxDeliveries = 9
            $0.overflow = .dropOldest
            $0.deadLetterQueue = "dead"
        }
        for index in 0..<3 {
            try await store.publish(.other, "g\(index)") {
                $0.group = "g"
                $0.claim = "c\(index)"
            }
        }
        let running = try await store.leaseOne(.other)
        try await store.publish(.work, "dies")
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .never))
        let original = try #require(try await store.engine.list(JobQuery(queue: .work)).jobs.first)
        try await store.publish(.work, "amended")
        try await store.run(
            .release(try await store.leaseOne().token, delay: nil, counted: false, to: .back, amending: [Header(name: "a", value: "1")])
        )
        let session = SessionCommit(id: "s", number: 1)
        let enqueue = Transaction(.enqueue(NewMessage(queue: .name("third"), payload: Content("1"))))
        let outcome = try await store.engine.commit([enqueue], in: session)[0].get()
        let settings = try await store.status().settings
        for _ in 0..<3 {
            await store.engine.close()
            store = try await Fixture(storage: store.storage, clock: store.clock)
            #expect(try await store.status().settings == settings)
            #expect(try await store.lease(9, .other).isEmpty, "the first of the group is running")
            #expect(
                try await store.enqueue(.other) { $0.claim = "c1" }
                    == .duplicate(try await store.engine.browse(BrowseQuery(queue: .other)).jobs[0].job.id)
            )
            _ = await expectError(.wrongState) { try await store.run(.retry(original.id)) }
            let waiting = try await store.engine.browse(BrowseQuery(queue: .work)).jobs
            #expect(waiting.map(\.headers) == [[Header(name: "a", value: "1")]])
            let dead = try await store.engine.browse(BrowseQuery(queue: .name("dead"))).jobs
            #expect(dead.map(\.job.deaths.first?.job) == [original.id])
            var again = session
            again.isRepeat = true
            #expect(try await store.engine.commit([enqueue], in: again)[0].get() == outcome)
        }
        try await store.run(.complete(running.token, result: nil))
        #expect(try await store.lease(9, .other).map(\.text) == ["g1"])
        await store.engine.close()
    }
}
