import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("What follows jobs' ends", .timeLimit(.minutes(2)))
struct OnFinalTests {
    private func message(_ payload: String, _ queue: QueueName = .other) -> GodwitCore.Operation {
        .enqueue(NewMessage(queue: queue, payload: Content(Bytes(payload))))
    }

    private let each: [FinalStates] = [.succeeded, .failed, .cancelled, .expired]

    /// One message for each state.
    private var named: [FollowUp] {
        zip(each, ["succeeded", "failed", "cancelled", "expired"]).map { FollowUp(message($1), when: $0) }
    }

    private func waiting(_ store: Fixture, _ queue: QueueName = .other) async throws -> [String] {
        guard try await store.engine.queue(queue) != nil else { return [] }
        return try await store.engine.browse(BrowseQuery(queue: queue)).jobs.compactMap { $0.payload?.bytes.text }
    }

    enum End: String, CaseIterable {
        case completed, completedInBatch, failed, rejected, leaseExpired, delivered, cancelled, cancelledRunning, expired, dropped
        case purged, deleted, deletedRunning

        var followedAs: String {
            switch self {
            case .completed, .completedInBatch: "succeeded"
            case .failed, .rejected, .leaseExpired, .delivered, .dropped: "failed"
            case .expired: "expired"
            default: "cancelled"
            }
        }
    }

    @Test("whatever ends a job, what follows is done once, the job being kept or not, and over crashes", arguments: End.allCases)
    func ends(_ end: End) async throws {
        for isKept in [true, false] {
            var store = try await Fixture()
            try await store.configure {
                if !isKept { $0.retention = .none }
                if end == .expired { $0.ttl = .seconds(60) }
                if end == .delivered { $0.maxDeliveries = 1 }
                if end == .dropped { ($0.overflow, $0.maxJobs) = (.dropOldest, 1) }
            }
            let job = try await store.publish(.work, "payload") {
                $0.onFinal = named
                $0.maxAttempts = end == .failed || end == .leaseExpired ? 1 : nil
            }
            #expect(try await store.engine.payload(of: job).bytes.text == "payload")
            store = try await store.killed()
            #expect(try await waiting(store) == [])
            switch end {
            case .completed:
                let lease = try await store.leaseOne()
                #expect(lease.text == "payload")
                try await store.run(.complete(lease.token, result: nil))
            case .completedInBatch:
                let holder = HolderOptions(id: HolderID("h"), queues: [.work], capacity: 1, isEmbedded: true)
                let batch = try await store.engine.lease(1, for: holder)
                let bodies = try store.engine.bodies(of: batch)
                #expect(bodies.withBody(0) { String(decoding: $0, as: UTF8.self) } == "payload")
                #expect(try await store.engine.complete(batch) == 1)
            case .failed: try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .standard))
            case .rejected: try await store.run(.deadLetter(try await store.leaseOne().token, Failure(message: "no"), to: .name("dead")))
            case .leaseExpired:
                _ = try await store.leaseOne(term: .fixed(.seconds(1)))
                for _ in 0..<3 { await store.clock.advance(by: .seconds(1)) }
            case .delivered: try await store.run(.release(try await store.leaseOne().token, delay: nil, counted: false))
            case .cancelled: try await store.run(.cancel(job))
            case .cancelledRunning:
                _ = try await store.leaseOne()
                try await store.run(.cancel(job))
            case .expired: await store.clock.advance(by: .seconds(60))
            case .dropped: try await store.publish()
            case .purged: _ = try await store.engine.purge(.work)
            case .deleted: try await store.engine.delete(.work, purging: true)
            case .deletedRunning:
                _ = try await store.leaseOne()
                try await store.engine.delete(.work, purging: true)
            }
            if [.purged, .deleted, .deletedRunning].contains(end) {
                try await eventually("what is owed is paid") { try await waiting(store) == [end.followedAs] }
            }
            for _ in 0..<2 {
                #expect(try await waiting(store) == [end.followedAs], "\(end), kept: \(isKept)")
                store = try await store.crashed()
            }
        }
    }

    @Test("a job that is retried after its end does what follows again when it ends again")
    func retried() async throws {
        var store = try await Fixture()
        let job = try await store.publish { $0.onFinal = named }
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .never))
        #expect(try await waiting(store) == ["failed"])
        store = try await store.killed()
        try await store.run(.retry(job))
        store = try await store.killed()
        try await store.run(.complete(try await store.leaseOne().token, result: nil))
        #expect(try await waiting(store) == ["failed", "succeeded"])
        // Also within one transaction; a dead letter elsewhere has none of it.
        let other = try await store.publish { $0.onFinal = named }
        try await store.run(.cancel(other), .retry(other), .cancel(other))
        #expect(try await waiting(store).suffix(2) == ["succeeded", "cancelled"])
        let third = try await store.publish { $0.onFinal = named }
        try await store.run(.deadLetter(try await store.leaseOne().token, Failure(message: "no"), to: .name("dead")))
        try await store.run(.complete(try await store.leaseOne(.name("dead")).token, result: nil))
        #expect(try await waiting(store).suffix(2) == ["cancelled", "failed"])
        #expect(try await store.job(third).state == .failed)
    }

    @Test("a batch: each job's end is a step, and the last one's enqueues what follows them all, once")
    func batch() async throws {
        var store = try await Fixture()
        let key = RecordKey("batch")
        for index in 0..<20 {
            try await store.publish {
                $0.onFinal = [FollowUp(.add(Addition(key: key, step: "\(index)", target: 20, then: [message("all")])))]
            }
        }
        let leases = try await store.lease(20)
        for (index, lease) in leases.enumerated() {
            if index % 5 == 0 { store = try await store.crashed() }
            #expect(try await waiting(store) == [])
            try await store.run(index % 2 == 0 ? .complete(lease.token, result: nil) : .cancel(lease.job.id))
        }
        #expect(try await waiting(store) == ["all"])
        // One that is retried counts for nothing more.
        try await store.run(.retry(leases[1].job.id))
        try await store.run(.complete(try await store.leaseOne().token, result: nil))
        #expect(try await waiting(store) == ["all"])
        #expect(try await store.engine.read([key])[0]?.counter == CounterValue(count: 20, target: 20))
    }

    @Test("jobs that end each other end, however long the chain")
    func chain() async throws {
        let store = try await Fixture()
        try await store.configure { $0.retention = .none }
        var last = try await store.publish { $0.onFinal = [FollowUp(message("end"))] }
        for _ in 0..<2_000 {
            let next = last
            last = try await store.publish { $0.onFinal = [FollowUp(.cancel(next))] }
        }
        try await store.run(.cancel(last))
        try await eventually("the chain has ended") { try await waiting(store) == ["end"] }
        #expect(try await store.status().counts.unfinished == 0)
    }

    @Test("a purge of many ends each with what follows it, over crashes on the way")
    func purge() async throws {
        let clock = ManualClock(start: Fixture.start)
        var storage = MemoryStorage()
        var core = try Core.open(storage, clock)
        let count = 10_000
        for start in stride(from: 0, to: count, by: 1_000) {
            let transactions = (start..<start + 1_000).map { index in
                var message = NewMessage(queue: .work, payload: Content("1"))
                let addition = Addition(key: RecordKey("batch"), step: "\(index)", target: count, then: [self.message("all")])
                message.onFinal = [FollowUp(.add(addition))]
                return PreparedTransaction.one(.enqueue(MessageBox(message)))
            }
            core.turn([(1, .commit(transactions, nil))], at: clock.now())
            try Core.sync(&core)
        }
        core.turn([(1, .purge(.work))], at: clock.now())
        try Core.sync(&core)
        for turn in 0..<20 {
            core.turn([], at: clock.now())
            if turn.isMultiple(of: 2) {
                if turn.isMultiple(of: 4) {
                    Core.checkpoint(&core)
                } else if let sync = core.beginSync() {
                    try sync.run()
                    core.endSync(sync, failure: nil)
                }
                storage = storage.crash(seed: UInt64(turn))
                core = try Core.open(storage, clock)
            }
        }
        #expect(core.nextTurn != 0)
        #expect(core.state.counters[RecordKey("batch")]?.counter == CounterValue(count: count, target: count))
        let queue = try #require(core.state.queues.numbers[.other])
        #expect(core.state.queues.at(queue).pointee.counts.queued == 1)
        #expect(core.state.owed.isEmpty)
    }

    @Test("the engine that is stepped gives a batch's bodies without what follows, too")
    func stepped() throws {
        let clock = ManualClock(start: Fixture.start)
        var options = EngineOptions()
        options.clock = clock
        options.segmentBytes = 1 << 20
        var engine = try SteppedEngine.open(MemoryStorage(), options: options, at: clock.now())
        let message = NewMessage(queue: .work, payload: Content("payload"))
        var followed = message
        followed.onFinal = named
        let holder = HolderOptions(id: HolderID("h"), queues: [.work], capacity: 1, isEmbedded: true)
        engine.turn(
            [(1, .commit([Transaction([.enqueue(message), .enqueue(followed)])])), (2, .leaseBatch(holder, max: 2))],
            at: clock.now()
        )
        if let sync = engine.beginSync() {
            try sync.run()
            engine.endSync(sync, failure: nil)
        }
        for case (2, .batch(let batch, let ids)) in engine.takeReplies() {
            let bodies = try engine.bodies(of: batch)
            #expect(ids.count == 2 && bodies == [Array("payload".utf8), Array("payload".utf8)])
            return
        }
        fail("nothing was leased")
    }

    @Test("on a full disk jobs end, and what follows them waits for room: none of it is lost")
    func diskFull() async throws {
        let store = try await Fixture()
        let job = try await store.publish { $0.onFinal = named }
        try await store.run(.add(Addition(key: RecordKey("c"), step: "a", target: 2, then: [message("counted", .name("third"))])))
        try await store.engine.delete(.name("third"), purging: true)
        try await store.untilPrepared()
        store.storage.capacity = 1
        // Down to the last block: what is missing is room for a queue's record.
        for size in [100_000, 1_000, 1] {
            _ = await expectError(.diskFull) {
                for _ in 0..<1_100 { try await store.publish(.name("full"), String(repeating: "x", count: size)) }
            }
        }
        try await store.run(.cancel(job))
        #expect(try await waiting(store) == [])
        _ = await expectError(.diskFull) { try await store.run(.add(Addition(key: RecordKey("c"), step: "b", target: 2))) }
        store.storage.capacity = nil
        try await eventually("there is room again") {
            await store.clock.advance(by: .seconds(6))
            return try await waiting(store) == ["cancelled"]
        }
        #expect(try await store.run(.add(Addition(key: RecordKey("c"), step: "b", target: 2)))[0].added?.completes == true)
        #expect(try await waiting(store, .name("third")) == ["counted"])
    }

    @Test("limits are said with the field; a fingerprint tells what follows apart")
    func limits() async throws {
        let store = try await Fixture { $0.createsQueues = false }
        try await store.configure { _ in }
        func refused(_ field: String, _ followUps: [FollowUp], code: BrokerError.Code = .invalidArgument) async {
            #expect(await expectError(code) { try await store.publish { $0.onFinal = followUps } }?.field == field)
        }
        await refused("on_final", Array(repeating: FollowUp(message("1", .work)), count: 101))
        await refused("on_final[0].operation", [FollowUp(.forget(JobID("x")))])
        await refused("on_final[0].enqueue.queue", [FollowUp(message("1"))], code: .queueNotFound)
        let much = message(String(repeating: "x", count: Limits.followUpBytes), .work)
        await refused("on_final", [FollowUp(much)], code: .tooLarge)
        var message = NewMessage(queue: .work, payload: Content("1"))
        let plain = message.fingerprint
        message.onFinal = [FollowUp(self.message("1"))]
        let one = message.fingerprint, size = message.size
        message.onFinal = [FollowUp(self.message("1"), when: .failed)]
        #expect(Set([plain, one, message.fingerprint]).count == 3)
        #expect(size > 64)
    }

    @Test("a fingerprint tells apart where keys are at home, how deep operations stand, and the keys of messages that follow")
    func fingerprints() {
        func fingerprint(_ operations: GodwitCore.Operation...) -> UInt64 {
            var message = NewMessage(queue: .work, payload: Content("1"))
            message.onFinal = operations.map { FollowUp($0) }
            return message.fingerprint
        }
        func put(_ home: RecordKey.Home) -> GodwitCore.Operation {
            .put(RecordKey("k", home: home), value: "1", expecting: .anything, lifetime: nil)
        }
        func add(_ then: [GodwitCore.Operation], _ home: RecordKey.Home = .own) -> GodwitCore.Operation {
            .add(Addition(key: RecordKey("k", home: home), step: "s", target: 1, then: then))
        }
        let a = message("a"), b = message("b"), homes: [RecordKey.Home] = [.own, .queue(.work), .job(JobID("work"))]
        #expect(Set(homes.map { fingerprint(put($0)) }).count == 3)
        #expect(Set(homes.map { fingerprint(add([], $0)) }).count == 3)
        #expect(Set([fingerprint(add([a]), b), fingerprint(add([a, b])), fingerprint(add([]), a, b)]).count == 3)
        #expect(fingerprint(add([add([a]), b])) != fingerprint(add([add([a, b])])))
        let keyed = ["1", "2"].map { key in
            fingerprint(.enqueue(NewMessage(queue: .other, payload: Content("1"), deduplication: .init(key: key))))
        }
        #expect(keyed[0] != keyed[1])
    }

    @Test("a message that follows and runs at a time is refused when that is too far off, and never passed over later")
    func startTooFar() async throws {
        let store = try await Fixture()
        let wall = store.clock.now().wall, longest = Limits.longestDuration.inMilliseconds
        func late(_ milliseconds: Int64) -> GodwitCore.Operation {
            .enqueue(NewMessage(queue: .other, payload: Content("1"), start: .at(Timestamp(milliseconds: wall + milliseconds))))
        }
        let tooLate = late(longest + 1)
        let nested = GodwitCore.Operation.add(Addition(key: RecordKey("k"), step: "s", target: 1, then: [late(1), tooLate]))
        for (field, operation) in [("on_final[0].run_at", tooLate), ("on_final[0].then[1].run_at", nested)] {
            let error = await expectError(.invalidArgument) { try await store.publish { $0.onFinal = [FollowUp(operation)] } }
            #expect(error?.field == field)
        }
        #expect(await expectError(.invalidArgument) { try await store.run(nested) }?.field == "then[1].run_at")
        #expect(try await store.engine.read([RecordKey("k")]) == [nil])
        // At the limit it is taken, and comes though the wall clock was put back meanwhile.
        let job = try await store.publish { $0.onFinal = [FollowUp(late(longest))] }
        store.clock.jumpWall(by: .seconds(-3_600))
        try await store.run(.cancel(job))
        #expect(try await store.status(.other).counts.scheduled == 1)
    }

    @Test("what follows is exported with its job")
    func export() async throws {
        let store = try await Fixture()
        try await store.publish(.work, "payload") { $0.onFinal = named }
        let page = try await store.engine.exportPage(ExportQuery())
        let message = try page.jobs[0].message.get()
        #expect(page.jobs.count == 1 && message.payload.bytes.text == "payload")
        #expect(message.onFinal.map(\.when) == each)
    }
}
