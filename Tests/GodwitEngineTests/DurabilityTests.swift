import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Nothing leaves that is not durable", .timeLimit(.minutes(2)))
struct DurabilityTests {
    @Test("an outcome is held until its group is synced")
    func outcomes() throws {
        let clock = ManualClock(start: Fixture.start)
        var core = try Core.open(MemoryStorage(), clock)
        core.turn([(1, Core.publish)], at: clock.now())
        let taken1 = core.takeAnswers()
        #expect(taken1.isEmpty)
        let need2 = core.syncNeed
        #expect(need2 == .now)
        let begun = core.beginSync()
        let sync = try #require(begun)
        let taken3 = core.takeAnswers()
        #expect(taken3.isEmpty)
        try sync.run()
        let taken4 = core.takeAnswers()
        #expect(taken4.isEmpty)
        core.endSync(sync, failure: nil)
        let taken5 = core.takeAnswers()
        #expect(taken5.map(\.0) == [1])
        let need6 = core.syncNeed
        #expect(need6 == .none)
    }

    @Test("what came during a sync is confirmed by the next one")
    func overlapping() throws {
        let clock = ManualClock(start: Fixture.start)
        var core = try Core.open(MemoryStorage(), clock)
        core.turn([(1, Core.publish)], at: clock.now())
        let begun = core.beginSync()
        let first = try #require(begun)
        core.turn([(2, Core.publish)], at: clock.now())
        // Written, but not covered by the sync that is under way.
        let second = core.beginSync()
        #expect(second == nil)
        try first.run()
        core.endSync(first, failure: nil)
        let taken7 = core.takeAnswers()
        #expect(taken7.map(\.0) == [1])
        try Core.sync(&core)
        let taken8 = core.takeAnswers()
        #expect(taken8.map(\.0) == [2])
    }

    @Test("a first delivery waits for its publication's sync, not for its lease's; a redelivery waits for its own")
    func deliveries() throws {
        let clock = ManualClock(start: Fixture.start)
        var core = try Core.open(MemoryStorage(), clock)
        core.turn([(1, Core.publish), (2, Core.lease())], at: clock.now())
        let taken9 = core.takeAnswers()
        #expect(taken9.isEmpty)
        try Core.sync(&core)
        let taken10 = core.takeAnswers()
        #expect(taken10.count == 2)

        core.turn([(3, Core.publish)], at: clock.now())
        try Core.sync(&core)
        _ = core.takeAnswers()
        core.turn([(4, Core.lease())], at: clock.now())
        let answers = core.takeAnswers()
        guard case .deliveries(let jobs)? = answers.first?.1 else { return #expect(Bool(false), "no delivery") }
        #expect(jobs.count == 1)
        let need11 = core.syncNeed
        #expect(need11 == .later(10))
        clock.leap(by: .milliseconds(10))
        core.turn([], at: clock.now())
        let need12 = core.syncNeed
        #expect(need12 == .now)
        try Core.sync(&core)

        let lease = LeaseName(sequence: jobs[0].view.sequence, fencing: jobs[0].fencing)
        core.turn([(5, .commit([.one(.release(lease, PreparedRelease(isCounted: true)))], nil))], at: clock.now())
        try Core.sync(&core)
        _ = core.takeAnswers()
        core.turn([(6, Core.lease())], at: clock.now())
        let taken13 = core.takeAnswers()
        #expect(taken13.isEmpty)
        let need14 = core.syncNeed
        #expect(need14 == .now)
        try Core.sync(&core)
        let taken15 = core.takeAnswers()
        #expect(taken15.map(\.0) == [6])
    }

    @Test("reads, watches and refusals wait for the sync of what they rest on, and for nothing else")
    func reads() throws {
        let clock = ManualClock(start: Fixture.start)
        var core = try Core.open(MemoryStorage(), clock)
        core.turn([(1, Core.publish)], at: clock.now())
        try Core.sync(&core)
        _ = core.takeAnswers()
        let id = core.state.identity.jobID(1), other = core.state.identity.jobID(2)
        core.turn([(2, .watch([.job(id, known: Version(core.state.change))], wait: 60_000))], at: clock.now())
        core.turn([(3, Core.publish), (4, .read([id])), (5, .read([other]))], at: clock.now())
        let taken16 = core.takeAnswers()
        #expect(taken16.map(\.0) == [4])
        core.turn(
            [(6, .commit([.one(.cancel(JobName(id: id, sequence: 1)))], nil)), (7, .read([id])), (8, .payload(id)), (9, .queue(.work))],
            at: clock.now()
        )
        let taken17 = core.takeAnswers()
        #expect(taken17.isEmpty)
        try Core.sync(&core)
        let taken18 = core.takeAnswers()
        #expect(taken18.map(\.0).sorted() == [2, 3, 5, 6, 7, 8, 9])
    }

    @Test("everything that was confirmed survives a power failure", arguments: UInt64(1)...24)
    func powerFailure(seed: UInt64) async throws {
        let store = try await Fixture()
        let lost = try await Self.survey(store, seed: seed)
        #expect(lost.isEmpty)
    }

    @Test("the test before would notice if nothing were synced")
    func powerFailureWithoutSync() async throws {
        var noticed = 0
        for seed in 1...12 as ClosedRange<UInt64> {
            let store = try await Fixture()
            store.storage.ignoresSyncs = true
            let lost = try? await Self.survey(store, seed: seed)
            if lost?.isEmpty != true { noticed += 1 }
        }
        #expect(noticed > 6)
    }

    /// Does one of each kind, lets the power fail, and answers what was confirmed and is not there.
    private static func survey(_ store: Fixture, seed: UInt64) async throws -> [String] {
        let done = try await store.publish(.work, "done") { $0.deduplication = .init(key: "k") }
        try await store.run(.complete(try await store.leaseOne().token, result: Content("result")))
        let cancelled = try await store.publish()
        try await store.run(.cancel(cancelled))
        let failed = try await store.publish { $0.maxAttempts = 1 }
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "why"), retry: .never))
        let queued = try await store.publish(.other, "queued")
        let key = RecordKey("r")
        try await store.run(.put(key, value: "v", expecting: .absent, lifetime: nil))

        let again = try await store.crashed(seed: seed)
        var lost: [String] = []
        func check(_ what: String, _ holds: () async throws -> Bool) async { if (try? await holds()) != true { lost.append(what) } }
        await check("result") { try await again.engine.result(of: done)?.bytes.text == "result" }
        await check("key") { try await again.enqueue { $0.deduplication = .init(key: "k") } == .duplicate(done) }
        func job(_ id: JobID) async throws -> JobSnapshot? { try await again.engine.read([id])[0].snapshot }
        await check("cancel") { try await job(cancelled)?.state == .cancelled }
        await check("error") { try await job(failed)?.errors.map(\.message) == ["why"] }
        await check("queued") {
            guard try await job(queued)?.state == .queued else { return false }
            return try await again.leaseOne(.other).text == "queued"
        }
        await check("record") { try await again.engine.read([key])[0]?.value == "v" }
        await again.engine.close()
        return lost
    }

    @Test("after a failed sync nothing is confirmed any more, and everybody is told")
    func failedSync() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let holder = try await store.holder("h", [.other])
        let wait = Task { try await holder.lease(max: 1, term: .queue, wait: .seconds(3_600)) }
        try await eventually("it waits") { try await store.engine.queue(.other) != nil }
        _ = await expectError(.storeFailed) { try await store.publishUntilFailing(.sync) }
        _ = await expectError(.storeFailed) { _ = try await store.engine.read([id]) }
        _ = await expectError(.storeFailed) { try await store.engine.check() }
        _ = await expectError(.storeFailed) { _ = try await wait.value }
        await store.engine.close()
        let again = try await store.killed()
        #expect(try await again.job(id).state == .queued)
        try await again.engine.check()
    }

    @Test("a failed write stops the store as well")
    func failedWrite() async throws {
        let store = try await Fixture()
        _ = await expectError(.storeFailed) { try await store.publishUntilFailing(.write) }
        _ = await expectError(.storeFailed) { try await store.engine.check() }
    }

    @Test("a full disk refuses publishes, and lets workers go on")
    func diskFull() async throws {
        let store = try await Fixture()
        let text = String(repeating: "x", count: 100_000)
        var ids: [JobID] = []
        try await store.untilPrepared()
        store.storage.capacity = 1
        let error = await expectError(.diskFull) {
            for _ in 0..<200 { ids.append(try await store.publish(.work, text)) }
        }
        #expect(error?.retryAfter != nil)
        #expect(ids.count > 5)
        let delivery = try await store.leaseOne()
        #expect(delivery.text == text)
        #expect(try await store.run(.complete(delivery.token, result: Content("1"))) == [.state(.succeeded)])
        try await store.engine.check()
        store.storage.capacity = nil
        await store.clock.advance(by: .seconds(6))
        try await eventually("there is room again") {
            let outcome = try await store.engine.commit([Transaction([.enqueue(NewMessage(queue: .work, payload: Content(Bytes(text))))])])
            return (try? outcome[0].get()) != nil
        }
        #expect(try await store.killed().status().counts.unfinished == ids.count)
    }

    @Test("closed, a store answers `closed`, and gives its folder back")
    func closing() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let holder = try await store.holder("h", [.other])
        let wait = Task { try await holder.lease(max: 1, term: .queue, wait: .seconds(3_600)) }
        try await eventually("it waits") { try await store.engine.queue(.other) != nil }
        _ = await expectError(.storeLocked) { _ = try await Engine.open(storage: store.storage, options: store.options) }
        await store.engine.close()
        await store.engine.close()
        #expect(try await wait.value.isEmpty)
        _ = await expectError(.closed) { try await store.publish() }
        _ = await expectError(.closed) { try await store.engine.check() }
        let again = try await Fixture(storage: store.storage, clock: store.clock)
        #expect(try await again.job(id).state == .queued)
    }
}
