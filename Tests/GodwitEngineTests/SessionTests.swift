import GodwitCore
import GodwitJournal
import Synchronization
import Testing

@testable import GodwitEngine

@Suite("Sessions", .timeLimit(.minutes(2)))
struct SessionTests {
    private func commit(
        _ store: Fixture,
        _ number: UInt64,
        acknowledged: UInt64 = 0,
        isRepeat: Bool = false,
        session: String = "s",
        _ transactions: [[GodwitCore.Operation]]
    ) async throws -> [TransactionOutcome] {
        let session = SessionCommit(id: session, number: number, acknowledged: acknowledged, isRepeat: isRepeat)
        return try await store.engine.commit(transactions.map { Transaction($0) }, in: session)
    }

    private let enqueue = GodwitCore.Operation.enqueue(NewMessage(queue: .work, payload: Content("1")))

    @Test("what is committed again is answered as the first time and not done again, also after a crash")
    func repetition() async throws {
        var store = try await Fixture()
        let key = RecordKey("k")
        let put = GodwitCore.Operation.put(key, value: Bytes("1"), expecting: .absent, lifetime: nil)
        var scheduled = NewMessage(queue: .work, payload: Content("2"))
        scheduled.start = .after(.seconds(60))
        let first = try await commit(
            store,
            1,
            [[enqueue], [put, .enqueue(scheduled)], [.delete(RecordKey("none"), expecting: .anything)]]
        )
        let results = try first.map { try $0.get() }
        let lease = try await store.leaseOne()
        let settled = try await commit(store, 4, [[.complete(lease.token, result: nil), enqueue]])[0].get()
        for _ in 0..<3 {
            store = try await store.crashed()
            let again = try await commit(
                store,
                1,
                isRepeat: true,
                [[enqueue], [put, .enqueue(scheduled)], [.delete(RecordKey("none"), expecting: .anything)]]
            )
            #expect(try again.map { try $0.get() } == results)
            // A stale lease, now; but then it was good.
            #expect(try await commit(store, 4, isRepeat: true, [[.complete(lease.token, result: nil), enqueue]])[0].get() == settled)
            #expect(try await store.status().counts.unfinished == 2)
        }
        // Half of a commit was lost: the rest is done.
        #expect(
            try await commit(store, 4, isRepeat: true, [[.complete(lease.token, result: nil), enqueue], [enqueue]])[1].get().count == 1
        )
        #expect(try await store.status().counts.unfinished == 3)
        // Another session is another story.
        _ = try await commit(store, 1, session: "other", [[enqueue]])
        #expect(try await store.status().counts.unfinished == 4)
    }

    @Test("duplicates and states are remembered, refusals are decided anew")
    func outcomes() async throws {
        let store = try await Fixture()
        try await store.configure { $0.maxJobs = 1 }
        var keyed = NewMessage(queue: .work, payload: Content("1"))
        keyed.deduplication = .init(key: "k")
        let id = try #require(try await commit(store, 1, [[.enqueue(keyed)]])[0].get()[0].jobID)
        #expect(try await commit(store, 2, [[.enqueue(keyed)]])[0].get() == [.duplicate(id)])
        let refused = try await commit(store, 3, [[enqueue]])
        #expect(await expectError(.busy) { _ = try refused[0].get() } != nil)
        #expect(try await commit(store, 4, [[.cancel(id)], [.forget(id)]]).map { try $0.get() } == [[.state(.cancelled)], [.forgotten]])
        let again = try await store.killed()
        #expect(try await commit(again, 2, isRepeat: true, [[.enqueue(keyed)]])[0].get() == [.duplicate(id)])
        #expect(
            try await commit(again, 4, isRepeat: true, [[.cancel(id)], [.forget(id)]]).map { try $0.get() } == [
                [.state(.cancelled)], [.forgotten],
            ]
        )
        // There is room now.
        #expect(try await commit(again, 3, isRepeat: true, [[enqueue]])[0].get()[0].jobID != nil)
    }

    @Test("a first request that arrives after its repetition was refused is refused like it", arguments: [false, true])
    func lateOriginal(inSession: Bool) async throws {
        let store = try await Fixture()
        try await store.configure { $0.maxJobs = 1 }
        let first = try #require(try await commit(store, 1, session: "other", [[enqueue]])[0].get()[0].jobID)
        // The very first request of a session cannot be repeated as such: perhaps it made the session.
        let session = inSession ? "other" : "new"
        let delete = GodwitCore.Operation.delete(RecordKey("k"), expecting: .version(Version(1)))
        let repetition = try await commit(store, 2, isRepeat: inSession, session: session, [[enqueue], [delete]])
        #expect(await expectError(.busy) { _ = try repetition[0].get() } != nil)
        try await store.run(.cancel(first))
        let late = try await commit(store, 2, session: session, [[enqueue], [delete]])
        #expect(await expectError(.busy) { _ = try late[0].get() } != nil)
        #expect(await expectError(.versionConflict) { _ = try late[1].get() } != nil)
        #expect(try await store.status().counts.unfinished == 0)
        // What is no such transaction is a mistake, and is told so.
        let mistaken = try await commit(store, 2, session: session, [[.cancel(first)]])
        #expect(await expectError(.keyConflict) { _ = try mistaken[0].get() }?.field == "session")
        // Other numbers are other requests; and who says that it repeats one is served.
        _ = try await commit(store, 4, session: session, [[enqueue]])[0].get()
        try await store.run(.complete(try await store.leaseOne().token, result: nil))
        _ = try await commit(store, 2, isRepeat: true, session: session, [[enqueue]])[0].get()
        #expect(try await commit(store, 2, session: session, [[enqueue]])[0].get().count == 1)
        #expect(try await store.status().counts.unfinished == 1)
    }

    @Test("one that its client ends is forgotten, also after a crash; one that is not there is none already")
    func ended() async throws {
        var store = try await Fixture()
        _ = try await commit(store, 1, [[enqueue]])
        _ = try await commit(store, 1, session: "other", [[enqueue]])
        for session in ["s", "s", "never"] { try await store.engine.end(session: session) }
        for _ in 0..<2 {
            let outcomes = try await commit(store, 1, isRepeat: true, [[enqueue]])
            #expect(await expectError(.outcomeUnknown) { _ = try outcomes[0].get() } != nil)
            #expect(try await commit(store, 1, isRepeat: true, session: "other", [[enqueue]])[0].get().count == 1)
            store = try await store.crashed()
        }
        #expect(try await store.status().counts.unfinished == 2)
        for bad in ["", String(repeating: "s", count: 65)] {
            #expect(await expectError(.invalidArgument) { try await store.engine.end(session: bad) }?.field == "session")
        }
    }

    @Test("what was refused takes bounded room, and none once nobody can ask late")
    func refusedNumbers() {
        var table = RefusedNumbers(most: 100)
        let refusal = RefusedNumbers.Refusal(kinds: 0, operation: 0, error: BrokerError(.busy, "full"))
        for number in 1...200 { table.note([1], UInt64(number), refusal, at: 0) }
        #expect(table.look([1], 200) != nil)
        for session in 2...50 { for number in 1...10 { table.note([UInt8(session)], UInt64(number), refusal, at: 1_000) } }
        #expect(table.look([50], 10) != nil && table.look([50], 1) == nil, "it keeps its share alone")
        table.note([1], 201, refusal, at: 1_000)
        #expect(table.look([1], 201) != nil && table.look([1], 199) == nil)
        table.sweep(at: 601_000)
        #expect(table.look([50], 10) == nil && table.look([1], 201) == nil)
    }

    @Test("what was acknowledged, and what was of a session that has ended, is unknown and not done again")
    func unknown() async throws {
        var store = try await Fixture()
        _ = try await commit(store, 1, [[enqueue]])
        _ = try await commit(store, 2, acknowledged: 1, [[enqueue]])
        func expectUnknown(_ number: UInt64, session: String = "s") async throws {
            let outcomes = try await commit(store, number, isRepeat: true, session: session, [[enqueue]])
            #expect(await expectError(.outcomeUnknown) { _ = try outcomes[0].get() } != nil)
        }
        try await expectUnknown(1)
        try await expectUnknown(1, session: "never")
        store = try await store.killed()
        try await expectUnknown(1)
        await store.clock.advance(by: .seconds(595))
        // A request keeps it alive, a repeated one too.
        _ = try await commit(store, 2, isRepeat: true, [[enqueue]])
        await store.clock.advance(by: .seconds(595))
        #expect(try await commit(store, 2, isRepeat: true, [[enqueue]])[0].get().count == 1)
        await store.clock.advance(by: .seconds(620))
        try await expectUnknown(2)
        store = try await store.killed()
        try await expectUnknown(2)
        #expect(try await store.status().counts.unfinished == 2)
        // It begins anew for one who knows nothing.
        _ = try await commit(store, 1, [[enqueue]])
        #expect(try await store.status().counts.unfinished == 3)
    }

    @Test("sessions are checked")
    func validation() async throws {
        let store = try await Fixture()
        for session in [
            SessionCommit(id: "", number: 1), SessionCommit(id: String(repeating: "s", count: 65), number: 1),
            SessionCommit(id: "s", number: 0), SessionCommit(id: "s", number: 3, acknowledged: 3), SessionCommit(id: "s", number: .max),
        ] {
            let error = await expectError(.invalidArgument) { _ = try await store.engine.commit([Transaction(enqueue)], in: session) }
            #expect(error?.field == "session")
        }
    }
}

@Suite("Bounds of the whole store", .timeLimit(.minutes(2)))
struct StoreBoundsTests {
    @Test("there are only so many queues; the others go on")
    func queues() async throws {
        let store = try await Fixture { $0.maxQueues = 2 }
        try await store.publish(.work)
        try await store.publish(.other)
        let third = QueueName.name("third")
        #expect(await expectError(.tooLarge) { try await store.publish(third) }?.field == "queue")
        _ = await expectError(.tooLarge) { _ = try await store.lease(1, third) }
        _ = await expectError(.tooLarge) { try await store.configure(third) { _ in } }
        try await store.configure { $0.deadLetterQueue = "third" }
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .never))
        #expect(try await store.status().counts.failed == 1, "its dead letter stays in its place")
        try await store.engine.delete(.other, purging: true)
        try await store.publish(third)
    }

    @Test("over its bounds of memory and disk the store takes no new jobs, but lets workers go on")
    func watermarks() async throws {
        let used = Mutex(50)
        let store = try await Fixture {
            $0.maxMemoryBytes = 100
            $0.memoryInUse = { used.withLock { $0 } }
        }
        try await store.publish()
        used.withLock { $0 = 101 }
        await store.clock.advance(by: .milliseconds(200))
        #expect(await expectError(.busy) { try await store.publish() }?.retryAfter == .seconds(5))
        #expect(try await store.status().totals.refused == 1)
        let message = NewMessage(queue: .work, payload: Content("1"))
        try await store.run(.complete(try await store.leaseOne().token, result: nil), .enqueue(message))
        used.withLock { $0 = 100 }
        await store.clock.advance(by: .milliseconds(200))
        try await store.publish()
        let small = try await Fixture { $0.maxDiskBytes = 1 }
        #expect(await expectError(.busy) { try await small.publish() }?.message.contains("disk") ?? false)
        #expect(ProcessMemory.resident() ?? 0 > 1 << 20)
    }

    @Test("ten thousand queues are made, filled and emptied")
    func manyQueues() async throws {
        let store = try await Fixture { $0.segmentBytes = 8 << 20 }
        let names = (0..<10_000).map { QueueName.name("q\($0)") }
        for start in stride(from: 0, to: names.count, by: 1_000) {
            let transactions = names[start..<start + 1_000].map { Transaction(.enqueue(NewMessage(queue: $0, payload: Content("1")))) }
            _ = try await store.engine.commit(transactions)
        }
        let again = try await store.killed()
        let holder = try await again.holder("all", Array(names[5_000..<6_000]))
        #expect(try await holder.lease(max: 1_000, term: .queue, wait: .zero).count == 1_000)
        #expect(try await again.engine.queues().count == 10_000)
    }
}
