import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Transient messages wait for no disk", .timeLimit(.minutes(2)))
struct TransientTests {
    /// The one answer that may leave.
    private static func answer(_ core: inout EngineCore) -> Answer? {
        let answers = core.takeAnswers()
        #expect(answers.count == 1)
        return answers.first?.1
    }

    @Test("from the second on, they are confirmed, delivered, delivered again, settled and shown before anything is synced")
    func noSync() throws {
        let clock = ManualClock(start: Fixture.start)
        var core = try Core.reserved(MemoryStorage(), clock)
        core.turn([(3, Core.transient())], at: clock.now())
        guard case .outcomes(let outcomes)? = Self.answer(&core), case .one(.enqueued(let sequence, _, _, _, _))? = outcomes.first else {
            return fail("it was not confirmed")
        }
        #expect(sequence == 3)
        let resolver = core.resolver, synced = core.syncedChange
        for ticket in Ticket(4)...5 {
            // The first one that is delivered is the one before.
            core.turn([(ticket, Core.lease())], at: clock.now())
            guard let job = Self.answer(&core)?.deliveries?.first else { return fail("it was not delivered") }
            let delivery = resolver.deliveries([job]).readable
            #expect(delivery.first?.text == "1" && delivery.first?.job.isTransient == true)
            core.turn(
                [(10 + ticket, .commit([.one(Core.settle(job) { .release($0, PreparedRelease(isCounted: true)) })], nil))],
                at: clock.now()
            )
            guard case .outcomes? = Self.answer(&core) else { return fail("it was not given back") }
        }
        core.turn([(20, Core.lease())], at: clock.now())
        guard let job = Self.answer(&core)?.deliveries?.first else { return fail("it was not delivered") }
        core.turn(
            [(21, .commit([.one(Core.settle(job) { .complete($0, result: Content("result")) })], nil))],
            at: clock.now()
        )
        guard case .outcomes? = Self.answer(&core) else { return fail("it was not settled") }
        let id = core.state.identity.jobID(job.view.sequence)
        core.turn([(22, .read([id]))], at: clock.now())
        guard case .lookups(let views)? = Self.answer(&core) else { return fail("it was not shown") }
        #expect(resolver.lookup(views[0]).snapshot?.state == .succeeded)
        core.turn([(23, .result(id))], at: clock.now())
        guard case .content(let content?)? = Self.answer(&core) else { return fail("its result was not shown") }
        #expect(try resolver.content(content) == Content("result"))
        #expect(core.syncedChange == synced)
        let need = core.syncNeed
        #expect(need == .later(10))
    }

    @Test("when the write fails that a delivery points to, its caller is told of the failure, and not of damage")
    func failedWrite() throws {
        let clock = ManualClock(start: Fixture.start), storage = MemoryStorage()
        var core = try Core.reserved(storage, clock)
        core.turn([(3, Core.lease())], at: clock.now())
        _ = core.takeAnswers()
        storage.fail(.write)
        core.turn([(4, Core.transient()), (5, Core.lease())], at: clock.now())
        let answers = core.takeAnswers()
        #expect(answers.map(\.0).sorted() == [4, 5])
        for (_, answer) in answers {
            guard case .refused(let error) = answer else { return fail("it was answered") }
            #expect(error.code == .storeFailed)
        }
    }

    @Test("batches of them are confirmed, delivered and completed without a sync, and those of others are not")
    func batches() throws {
        let clock = ManualClock(start: Fixture.start)
        var core = try Core.reserved(MemoryStorage(), clock)
        let holder = HolderOptions(id: HolderID("h"), queues: [.work], capacity: 1, isEmbedded: true)
        func batch(_ isTransient: Bool) -> Command {
            var batch = MessageBatch(to: BatchQueues(.work), isTransient: isTransient)
            for _ in 0..<3 { Array("body".utf8).withUnsafeBytes { _ = batch.append($0) } }
            return .publishBatch(batch)
        }
        func lease(_ max: Int) -> Command { .lease(LeaseRequest(holder: holder, max: max, term: .holderLife, wait: 0, isBatch: true)) }
        core.turn([(3, batch(true)), (4, lease(4))], at: clock.now())
        let answers = core.takeAnswers()
        guard case .batch(let leased)? = answers.last?.1 else { return fail("they were not delivered") }
        #expect(answers.map(\.0) == [3, 4] && leased.count == 4)
        let bodies = try core.journal.reader.bodies(at: leased.items.map(\.message))
        #expect(bodies.withBody(3) { String(decoding: $0, as: UTF8.self) } == "body")
        core.turn([(5, .completeBatch(leased))], at: clock.now())
        guard case .count(4)? = Self.answer(&core) else { return fail("they were not completed") }

        core.turn([(6, batch(true)), (7, batch(false)), (8, lease(6))], at: clock.now())
        let first = core.takeAnswers()
        #expect(first.map(\.0) == [6])
        try Core.sync(&core)
        let then = core.takeAnswers()
        #expect(then.map(\.0) == [7, 8])
        guard case .batch(let mixed)? = then.last?.1 else { return fail("they were not delivered") }
        core.turn([(9, .completeBatch(mixed))], at: clock.now())
        let last = core.takeAnswers()
        #expect(last.isEmpty)
    }

    @Test("a transaction with anything durable in it waits, and so does what a new queue or a spent reservation is needed for")
    func waits() throws {
        let clock = ManualClock(start: Fixture.start)
        var core = try Core.reserved(MemoryStorage(), clock)
        let one = NewMessage(queue: .work, payload: Content("1"), isTransient: true),
            other = NewMessage(queue: .work, payload: Content("2"))
        let new = NewMessage(queue: .name("new"), payload: Content("3"), isTransient: true)
        let both = PreparedTransaction.many([.enqueue(MessageBox(one)), .enqueue(MessageBox(other))])
        let put = PreparedOperation.put(RecordKey("k"), value: "v", expecting: .anything, lifetime: nil)
        let session = SessionCommit(id: "session", number: 1, acknowledged: 0, isRepeat: false)
        core.turn(
            [
                (3, .commit([both], nil)), (4, .commit([.many([.enqueue(MessageBox(one)), put])], nil)),
                (5, .commitOne(.one(.enqueue(MessageBox(new))))),
                (6, .commit([.one(.enqueue(MessageBox(one)))], session)),
            ],
            at: clock.now()
        )
        let early = core.takeAnswers()
        #expect(early.isEmpty)
        try Core.sync(&core)
        let late = core.takeAnswers()
        #expect(late.count == 4)
        // Durable jobs took the numbers that were reserved.
        core.state.nextSequence = core.reservations.end
        core.turn([(7, Core.transient())], at: clock.now())
        let held = core.takeAnswers()
        #expect(held.isEmpty)
        try Core.sync(&core)
        let confirmed = core.takeAnswers()
        #expect(confirmed.count == 1)
        core.turn([(8, Core.transient())], at: clock.now())
        let at = core.takeAnswers()
        #expect(at.count == 1)
    }

    @Test("what a transient message follows waits: a step that makes a counter full is not confirmed by what it brings about")
    func following() throws {
        let clock = ManualClock(start: Fixture.start)
        var core = try Core.reserved(MemoryStorage(), clock)
        let message = NewMessage(queue: .work, payload: Content("1"), isTransient: true)
        let step = PreparedOperation.add(Addition(key: RecordKey("k"), step: "a", target: 1, then: [.enqueue(message)]))
        core.turn([(3, .commitOne(.one(step)))], at: clock.now())
        let early = core.takeAnswers()
        #expect(early.isEmpty)
        try Core.sync(&core)
        let late = core.takeAnswers()
        #expect(late.map(\.0) == [3])
        core.turn([(4, Core.lease())], at: clock.now())
        guard let job = Self.answer(&core)?.deliveries?.first else { return fail("it was not delivered") }
        let other = PreparedOperation.add(Addition(key: RecordKey("other"), step: "a", target: 1, then: [.enqueue(message)]))
        core.turn(
            [(5, .commit([.many([Core.settle(job) { .complete($0, result: nil) }, other])], nil))],
            at: clock.now()
        )
        let before = core.takeAnswers()
        #expect(before.isEmpty)
        try Core.sync(&core)
        let after = core.takeAnswers()
        #expect(after.map(\.0) == [5])
    }

    @Test("its delivery waits as long as its number is not reserved on disk")
    func unreservedDelivery() throws {
        let clock = ManualClock(start: Fixture.start)
        var core = try Core.open(MemoryStorage(), clock)
        core.turn([(1, Core.transient()), (2, Core.lease())], at: clock.now())
        let early = core.takeAnswers()
        #expect(early.isEmpty)
        try Core.sync(&core)
        let late = core.takeAnswers()
        #expect(late.map(\.0) == [1, 2])
    }
}

/// What tests of transient messages share.
extension Core {
    /// A core that has its queues and its first reservation on disk.
    static func reserved(_ storage: MemoryStorage, _ clock: ManualClock) throws -> EngineCore {
        var core = try open(storage, clock)
        core.turn([(1, transient()), (2, publish(.other))], at: clock.now())
        let early = core.takeAnswers()
        #expect(early.isEmpty)
        try sync(&core)
        _ = core.takeAnswers()
        return core
    }

    static func transient(_ change: (inout NewMessage) -> Void = { _ in }) -> Command {
        publish { message in
            message.isTransient = true
            change(&message)
        }
    }

    static func settle(_ job: LeasedJob, _ settle: (LeaseName) -> PreparedOperation) -> PreparedOperation {
        settle(LeaseName(sequence: job.view.sequence, fencing: job.fencing))
    }
}
