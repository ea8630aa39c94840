import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Bounds of queues and messages in batches", .timeLimit(.minutes(1)))
struct BatchBoundsTests {
    private func publish(_ store: Fixture, _ count: Int) async throws {
        var batch = MessageBatch(to: BatchQueues(.work))
        for index in 0..<count { #expect(Array("\(index)".utf8).withUnsafeBytes { batch.append($0) }) }
        try await publish(store, batch)
    }

    private func publish(_ store: Fixture, _ batch: MessageBatch) async throws {
        let result: Result<PublishedRange, BrokerError> = await withCheckedContinuation { continuation in
            store.engine.publish(batch) { continuation.resume(returning: $0) }
        }
        _ = try result.get()
    }

    @Test("a batch in a queue with a time to live expires, and one in a full queue drops the oldest or is refused")
    func bounds() async throws {
        var store = try await Fixture()
        try await store.configure { $0.ttl = .seconds(5) }
        try await publish(store, 3)
        store = try await store.killed()
        await store.clock.advance(by: .seconds(5))
        #expect(try await store.status().counts.expired == 3)
        try await store.configure {
            $0.maxJobs = 4
            $0.overflow = .dropOldest
        }
        try await publish(store, 3)
        try await publish(store, 3)
        #expect(try await store.status().counts.queued == 4)
        #expect(try await store.status().totals.dropped == 2)
        _ = await expectError(.tooLarge) { try await publish(store, 5) }
        try await store.configure { $0.maxJobs = 4 }
        _ = await expectError(.busy) { try await publish(store, 1) }
        let again = try await store.killed()
        #expect(try await again.lease(9).map(\.text) == ["2", "0", "1", "2"])
    }

    private func fill(_ store: Fixture, _ queue: QueueName, running: Int, queued: Int) async throws {
        for _ in 0..<running + queued { try await store.publish(queue) }
        if running > 0 { #expect(try await store.lease(running, queue).count == running) }
    }

    @Test("a batch for which dropping makes too little room is refused, and nobody is dropped for it")
    func tooFewToDrop() async throws {
        let store = try await Fixture()
        try await store.configure {
            $0.maxJobs = 10
            $0.overflow = .dropOldest
        }
        try await fill(store, .work, running: 5, queued: 5)
        _ = await expectError(.busy) { try await publish(store, 10) }
        let status = try await store.status()
        #expect(status.counts.queued == 5 && status.counts.failed == 0 && status.totals.dropped == 0 && status.totals.refused == 1)
        try await publish(store, 5)
        #expect(try await store.status().totals.dropped == 5)
        // In their order, as if nothing had been refused before.
        #expect(try await store.lease(10).map(\.text) == ["0", "1", "2", "3", "4"])
    }

    @Test("a batch that one of its queues refuses drops nobody in the others")
    func oneQueueRefuses() async throws {
        let store = try await Fixture()
        try await store.configure {
            $0.maxJobs = 3
            $0.overflow = .dropOldest
            $0.deadLetterQueue = "dead"
        }
        try await store.configure(.other) { $0.maxJobs = 3 }
        try await fill(store, .work, running: 0, queued: 3)
        try await fill(store, .other, running: 0, queued: 3)
        var batch = MessageBatch(to: try BatchQueues([.work, .other]))
        for index in 0..<4 { Array("\(index)".utf8).withUnsafeBytes { _ = batch.append($0, to: index % 2) } }
        _ = await expectError(.busy) { try await publish(store, batch) }
        #expect(try await store.status().counts.queued == 3)
        #expect(try await store.status().totals.dropped == 0)
        // The lines are as they were.
        let ids = try await store.engine.list(JobQuery(queue: .work, isOldestFirst: true)).jobs.map(\.id)
        #expect(try await store.lease(10).map(\.job.id) == ids)
    }

    @Test("a batch ends no more jobs for its own than it brings, or than a transaction may")
    func mostDropped() async throws {
        let store = try await Fixture()
        try await publish(store, Limits.drops + 20)
        try await store.configure {
            $0.maxJobs = 10
            $0.overflow = .dropOldest
        }
        _ = await expectError(.busy) { try await publish(store, 1) }
        let status = try await store.status()
        #expect(status.counts.queued == Limits.drops + 20 && status.totals.dropped == 0)
        try await store.configure {
            $0.maxJobs = 30
            $0.overflow = .dropOldest
        }
        try await publish(store, 10)
        #expect(try await store.status().totals.dropped == Limits.drops)
    }

    @Test("a batch for which more dead letters would be left behind than fit a segment is refused, and a smaller one is taken")
    func tooManyLetters() throws {
        let storage = MemoryStorage(), clock = ManualClock(start: Fixture.start)
        var core = try Core.open(storage, clock, segmentBytes: 64 << 10)
        func answer(_ command: Command) throws -> Answer? {
            core.turn([(1, command)], at: clock.now())
            if let sync = core.beginSync() {
                try sync.run()
                core.endSync(sync, failure: nil)
            }
            Core.maintain(&core)
            return core.takeAnswers().first?.1
        }
        var settings = QueueSettings()
        (settings.maxJobs, settings.overflow, settings.deadLetterQueue) = (8, .dropOldest, "dead")
        _ = try answer(.configure(.name("dead"), QueueSettings(), .anything))
        _ = try answer(.configure(.work, settings, .anything))
        for _ in 0..<8 { _ = try answer(Core.publish { $0.payload = Content(Bytes([UInt8](repeating: 120, count: 10_000))) }) }
        func batch(_ count: Int) -> Command {
            var batch = MessageBatch(to: BatchQueues(.work))
            for _ in 0..<count { _ = Array("new".utf8).withUnsafeBytes { batch.append($0) } }
            return .publishBatch(batch)
        }
        guard case .refused(let error)? = try answer(batch(8)) else { return fail("it was taken") }
        #expect(error.code == .tooLarge)
        guard case .published? = try answer(batch(4)) else { return fail("it was refused") }
        let number = try #require(core.state.queues.numbers[.name("dead")]), letters = core.state.queues.at(number).pointee.counts.queued
        #expect(letters == 4)
    }

    @Test("what is dropped for a batch and the batch are one: on a full disk neither happens")
    func fullDisk() throws {
        let storage = MemoryStorage(), clock = ManualClock(start: Fixture.start)
        var core = try Core.open(storage, clock)
        func done(_ command: Command) throws -> Answer? {
            core.turn([(1, command)], at: clock.now())
            try Core.sync(&core)
            return core.takeAnswers().first?.1
        }
        var settings = QueueSettings()
        settings.maxJobs = 3
        settings.overflow = .dropOldest
        _ = try done(.configure(.work, settings, .anything))
        for _ in 0..<3 { _ = try done(Core.publish) }
        Core.maintain(&core)
        storage.capacity = 1
        // Until a publish has no room, and a settle still has.
        while (try? core.journal.reserve(100, for: .publish)) != nil {
            let value = StoredValue(key: RecordKey("filler"), value: Bytes([UInt8](repeating: 0, count: 9_000)), valueBytes: 9_000)
            try? core.record(.put(value), for: .publish)
            _ = try? core.journal.write()
        }
        var batch = MessageBatch(to: BatchQueues(.work))
        for _ in 0..<2 { Array("new".utf8).withUnsafeBytes { _ = batch.append($0) } }
        core.turn([(2, .publishBatch(batch))], at: clock.now())
        if let sync = core.beginSync() {
            try sync.run()
            core.endSync(sync, failure: nil)
        }
        guard case .refused(let error)? = core.takeAnswers().first?.1 else { return fail("it was taken") }
        #expect(error.code == .diskFull)
        let number = try #require(core.state.queues.numbers[.work])
        #expect(core.state.queues.at(number).pointee.counts.queued == 3)
        #expect(core.state.queues.at(number).pointee.totals.dropped == 0)
    }
}
