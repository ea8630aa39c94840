import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Time to live, expected wait and overflow", .timeLimit(.minutes(2)))
struct BoundsTests {
    @Test("a queue's time to live counts from when a job may first run, and the shorter one holds")
    func ttl() async throws {
        let store = try await Fixture()
        try await store.configure { $0.ttl = .seconds(10) }
        let plain = try await store.publish()
        let delayed = try await store.publish { $0.start = .after(.seconds(5)) }
        let scheduled = try await store.publish { $0.start = .at(Fixture.start + .seconds(7)) }
        let own = try await store.publish { $0.expires = .seconds(3) }
        let started = try await store.publish { $0.priority = 9 }
        let token = try await store.leaseOne().token
        // Another setting changes nothing for those that are there.
        try await store.configure { _ in }
        await store.clock.advance(by: .seconds(3))
        #expect(try await store.job(own).state == .expired)
        await store.clock.advance(by: .seconds(6))
        #expect(try await store.job(plain).state == .queued)
        let again = try await store.killed()
        await again.clock.advance(by: .seconds(1))
        #expect(try await again.job(plain).state == .expired)
        #expect(try await again.job(delayed).state == .queued)
        await again.clock.advance(by: .seconds(5))
        #expect(try await again.job(delayed).state == .expired)
        #expect(try await again.job(scheduled).state == .queued)
        await again.clock.advance(by: .seconds(2))
        #expect(try await again.job(scheduled).state == .expired)
        try await again.run(.release(token, delay: nil, counted: false))
        await again.clock.advance(by: .seconds(100))
        #expect(try await again.job(started).state == .queued)
    }

    /// Two jobs a second, for so long, while others wait.
    private func work(_ store: Fixture, jobs: Int) async throws {
        for _ in 0..<jobs {
            let token = try await store.leaseOne().token
            await store.clock.advance(by: .milliseconds(500))
            try await store.run(.complete(token, result: nil))
        }
    }

    @Test("a newcomer that would wait for too long is refused until a tenth of the bound is free")
    func maxWait() async throws {
        let store = try await Fixture()
        for _ in 0..<100 { try await store.publish() }
        try await work(store, jobs: 20)
        // 80 jobs wait, two end a second: 40 s.
        try await store.configure { $0.maxWait = .seconds(41) }
        for _ in 0..<3 { try await store.publish() }
        try await store.configure { $0.maxWait = .seconds(30) }
        let error = await expectError(.busy) { try await store.publish() }
        #expect(try await store.status().expectedWait == .milliseconds(41_500), "it is told as it is refused by")
        // (83 - 0.9 x 60) / 2
        #expect(error?.retryAfter == .milliseconds(14_500))
        #expect(try await store.status().totals.refused == 1)
        try await work(store, jobs: 23)
        try await store.publish()
        _ = await expectError(.busy) { try await store.publish() }
        // Two in one transaction count as two.
        let message = NewMessage(queue: .work, payload: Content("{}"))
        try await work(store, jobs: 2)
        _ = await expectError(.busy) { try await store.run(.enqueue(message), .enqueue(message), .enqueue(message)) }
        try await store.run(.enqueue(message), .enqueue(message))
    }

    @Test("a job that takes long is time for as long as it takes, though nobody looks at its queue meanwhile")
    func longJobs() async throws {
        let store = try await Fixture()
        try await store.configure { $0.maxWait = .seconds(60) }
        for _ in 0..<16 { try await store.publish() }
        for _ in 0..<10 {
            let token = try await store.leaseOne().token
            await store.clock.advance(by: .seconds(20))
            try await store.run(.complete(token, result: nil))
        }
        // Six wait, and ten ended in 180 s.
        let wait = try #require(await expectError(.busy) { try await store.publish() }?.retryAfter)
        #expect(abs(wait.inMilliseconds - 54_000) <= 1)
    }

    @Test("a machine that slept was not busy")
    func sleep() throws {
        let clock = ManualClock(start: Fixture.start)
        var core = try Core.open(MemoryStorage(), clock)
        func turn(_ core: inout EngineCore, _ command: Command) throws -> Answer? {
            core.turn([(1, command)], at: clock.now())
            try Core.sync(&core)
            return core.takeAnswers().first?.1
        }
        var settings = QueueSettings()
        settings.maxWait = .seconds(10)
        _ = try turn(&core, .configure(.work, settings, .anything))
        for _ in 0..<30 { _ = try turn(&core, Core.publish) }
        for number in 0..<20 {
            guard let job = try turn(&core, Core.lease(term: .fixed(.seconds(3_600))))?.deliveries?.first else {
                return fail("nothing is leased")
            }
            // While the first one runs.
            clock.leap(by: number == 0 ? .seconds(8 * 3_600) : .milliseconds(100))
            _ = try turn(&core, .commit([.one(.complete(LeaseName(sequence: job.view.sequence, fencing: job.fencing), result: nil))], nil))
        }
        // Ten wait behind twenty that took three seconds, of which one is the sleep's.
        guard case .outcomes(let outcomes)? = try turn(&core, Core.publish), case .one? = outcomes.first else {
            return fail("it is refused")
        }
    }

    @Test("a queue is busy from the opening on when somebody holds a lease of it")
    func busyAfterOpening() throws {
        let clock = ManualClock(start: Fixture.start), storage = MemoryStorage()
        var core = try Core.open(storage, clock)
        for command in [Core.publish, Core.publish, Core.lease(term: .fixed(.seconds(3_600)))] {
            core.turn([(1, command)], at: clock.now())
        }
        core.close()
        var again = try Core.open(storage, clock)
        for _ in 0..<5 {
            clock.leap(by: .seconds(1))
            again.turn([], at: clock.now())
        }
        let number = try #require(again.state.queues.numbers[.work])
        let counted = again.state.queues.at(number).pointee.throughput.counted(at: again.state.leaseNow)
        #expect(counted == (5_000, 0))
    }

    @Test("a quiet queue takes a burst whole: its wait is not known")
    func burst() async throws {
        let store = try await Fixture()
        try await store.configure { $0.maxWait = .seconds(5) }
        for _ in 0..<60 {
            try await store.publish()
            try await store.run(.complete(try await store.leaseOne().token, result: nil))
            await store.clock.advance(by: .seconds(1))
        }
        for _ in 0..<1_000 { try await store.publish() }
        #expect(try await store.status().counts.queued == 1_000)
    }

    @Test("what a settle enqueues and what is retried is not refused by the wait bound")
    func settles() async throws {
        let store = try await Fixture()
        for _ in 0..<100 { try await store.publish() }
        try await work(store, jobs: 20)
        try await store.configure { $0.maxWait = .seconds(1) }
        let message = NewMessage(queue: .work, payload: Content("{}"))
        _ = await expectError(.busy) { try await store.run(.enqueue(message)) }
        try await store.run(.complete(try await store.leaseOne().token, result: nil), .enqueue(message))
    }

    @Test("a full queue drops its oldest jobs for new ones, and says so")
    func dropOldest() async throws {
        let store = try await Fixture()
        try await store.configure {
            $0.maxJobs = 3
            $0.overflow = .dropOldest
            $0.deadLetterQueue = "dead"
        }
        var ids: [JobID] = []
        for index in 0..<5 { ids.append(try await store.publish(.work, "\(index)")) }
        for fixture in [store, try await store.killed(), try await store.crashed()] {
            for id in ids[..<2] {
                let job = try await fixture.job(id)
                #expect(job.state == .failed && job.reason == .dropped && job.errors.map(\.code) == [FailureCode.dropped])
            }
            #expect(try await fixture.status().counts.queued == 3)
            #expect(try await fixture.status().counts.failed == 2)
            let letters = try await fixture.lease(9, .name("dead"))
            #expect(letters.map(\.text) == ["0", "1"] && letters.allSatisfy { $0.job.deaths.first?.reason == .dropped })
            #expect(try await fixture.lease(9).map(\.text) == ["2", "3", "4"])
        }
        let totals = try await store.status().totals
        #expect(totals.dropped == 2 && totals.failed == 0)
    }

    @Test("only queued jobs of no higher priority are dropped: the lowest first, and running ones never")
    func whoIsDropped() async throws {
        let store = try await Fixture()
        try await store.configure {
            $0.maxJobs = 4
            $0.overflow = .dropOldest
        }
        let running = try await store.publish()
        _ = try await store.leaseOne()
        let scheduled = try await store.publish { $0.start = .after(.seconds(60)) }
        let high = try await store.publish { $0.priority = 5 }
        let low = try await store.publish { $0.priority = 1 }
        let middle = try await store.publish { $0.priority = 3 }
        #expect(try await store.job(low).state == .failed)
        _ = await expectError(.busy) { try await store.publish { $0.priority = 2 } }
        let newer = try await store.publish { $0.priority = 3 }
        #expect(try await store.job(middle).state == .failed)
        #expect(try await store.job(newer).state == .queued)
        #expect(try await store.job(high).state == .queued)
        #expect(try await store.job(running).state == .running)
        #expect(try await store.job(scheduled).state == .scheduled)
    }

    @Test("jobs that stand behind others of their group are dropped, too, the oldest first")
    func droppedFromGroups() async throws {
        let store = try await Fixture()
        for _ in 0..<2 { try await store.publish { $0.group = "early" } }
        try await store.configure {
            $0.maxJobs = 5
            $0.overflow = .dropOldest
        }
        let leased = try await store.lease(9)
        #expect(leased.count == 1)
        var ids: [JobID] = []
        for index in 0..<3 { ids.append(try await store.publish(.work, "\(index)") { $0.group = index < 2 ? "a" : "early" }) }
        // One runs; the oldest that waits came before the queue dropped any, behind the one that runs.
        let early = try await store.engine.list(JobQuery(queue: .work, isOldestFirst: true)).jobs[1].id
        try await store.publish(.work, "3")
        #expect(try await store.job(early).reason == .dropped)
        // The head of "a" stands in line, and is older than who stands behind it and behind the running one.
        let again = try await store.killed()
        for index in 0..<3 {
            try await again.publish(.work, "\(4 + index)")
            #expect(try await again.job(ids[index]).reason == .dropped, "job \(index)")
        }
        #expect(try await again.lease(9).map(\.text) == ["3", "4", "5", "6"])
        try await again.run(.complete(leased[0].token, result: nil))
    }

    @Test("of all that wait the lowest priority goes first, wherever it stands")
    func droppedByPriority() async throws {
        let store = try await Fixture()
        try await store.configure {
            $0.maxJobs = 4
            $0.overflow = .dropOldest
        }
        _ = try await store.publish { ($0.group, $0.priority) = ("g", 3) }
        let behind = try await store.publish { ($0.group, $0.priority) = ("g", 1) }
        let ahead = try await store.publish { $0.priority = 2 }
        try await store.publish { $0.priority = 3 }
        try await store.publish { $0.priority = 3 }
        #expect(try await store.job(behind).reason == .dropped)
        #expect(try await store.job(ahead).state == .queued)
        _ = await expectError(.busy) { try await store.publish { $0.priority = 1 } }
        try await store.publish { $0.priority = 2 }
        #expect(try await store.job(ahead).reason == .dropped)
    }

    @Test("a transaction drops as many as it takes, and none when it is refused")
    func transaction() async throws {
        let store = try await Fixture()
        try await store.configure {
            $0.maxBytes = 100 + 4 * Content.json.utf8.count
            $0.overflow = .dropOldest
        }
        let payload = String(repeating: "1", count: 25)
        var ids: [JobID] = []
        for _ in 0..<4 { ids.append(try await store.publish(.work, payload)) }
        let message = NewMessage(queue: .work, payload: Content(Bytes(payload)))
        let key = RecordKey("k")
        let put = GodwitCore.Operation.put(key, value: Bytes("1"), expecting: .version(Version(1)), lifetime: nil)
        _ = await expectError(.versionConflict) { try await store.run(.enqueue(message), .enqueue(message), put) }
        #expect(try await store.status().counts.queued == 4)
        try await store.run(.enqueue(message), .enqueue(message), .enqueue(message))
        #expect(try await store.engine.read(ids).map { $0.snapshot?.state } == [.failed, .failed, .failed, .queued])
        // More than fits into the queue when it is empty is too large, not a reason to drop.
        _ = await expectError(.tooLarge) { try await store.publish(.work, String(repeating: "1", count: 1_000)) }
        #expect(try await store.status().counts.queued == 4)
    }

    @Test("a job that runs for the first time in ten years is refused")
    func farAway() async throws {
        let store = try await Fixture()
        let error = await expectError(.invalidArgument) {
            try await store.publish { $0.start = .at(Fixture.start + Limits.longestDuration + .milliseconds(1)) }
        }
        #expect(error?.field == "run_at")
        try await store.publish { $0.start = .at(Fixture.start + Limits.longestDuration) }
    }
}
