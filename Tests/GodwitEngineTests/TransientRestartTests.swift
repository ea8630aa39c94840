import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Transient messages end with the process", .timeLimit(.minutes(2)))
struct TransientRestartTests {
    @Test(
        "after a kill and after a clean stop nothing of them is left, finished or not, and everything else is there",
        arguments: [true, false]
    )
    func restart(isKilled: Bool) async throws {
        let store = try await Fixture()
        var gone: [JobID] = []
        for number in 0..<6 { gone.append(try await store.publish { ($0.isTransient, $0.priority) = (true, 9 - number) }) }
        gone.append(try await store.publish { ($0.isTransient, $0.start, $0.expires) = (true, .after(.seconds(60)), .seconds(600)) })
        let kept = try await store.publish()
        var leased: [Delivery] = []
        for _ in 0..<5 { leased.append(try await store.leaseOne()) }
        #expect(leased.map(\.job.id) == Array(gone.prefix(5)))
        try await store.run(.complete(leased[0].token, result: Content("r")))
        try await store.run(.fail(leased[1].token, Failure(message: "no"), retry: .never))
        try await store.run(.fail(leased[2].token, Failure(message: "later"), retry: .after(.seconds(9))))
        try await store.run(.fail(leased[3].token, Failure(message: "again"), retry: .after(.zero)))
        for id in gone { #expect(try await store.job(id).isTransient) }
        if !isKilled { await store.engine.close() }

        let again = isKilled ? try await store.killed() : try await Fixture(storage: store.storage, clock: store.clock)
        for lookup in try await again.engine.read(gone) { #expect(lookup == .forgotten) }
        #expect(try await again.job(kept).state == .queued)
        let status = try await again.status()
        #expect(status.counts.unfinished == 1 && status.counts.succeeded == 0 && status.counts.failed == 0)
        let delivery = try await again.leaseOne()
        #expect(delivery.job.id == kept)
        try await again.run(.complete(delivery.token, result: nil))
        await again.clock.advance(by: .seconds(700))
        #expect(try await again.lease(10).isEmpty)
        await again.engine.close()
    }

    @Test("no id that was given out before a crash is ever given to another job", arguments: UInt64(1)...40)
    func ids(seed: UInt64) throws {
        let clock = ManualClock(start: Fixture.start), storage = MemoryStorage()
        var core = try Core.reserved(storage, clock), known: Set<UInt64> = []
        for ticket in Ticket(10)..<60 {
            core.turn([(ticket, ticket % 7 == 0 ? Core.publish : Core.transient())], at: clock.now())
            if ticket == 10 + seed { try Core.sync(&core) }
            if ticket == 12 + seed, ticket % 2 == 0 { Core.checkpoint(&core) }
            for (_, answer) in core.takeAnswers() {
                guard case .outcomes(let outcomes) = answer, case .one(.enqueued(let sequence, _, _, _, _))? = outcomes.first else {
                    continue
                }
                known.insert(sequence)
            }
        }
        #expect(known.count > 40)
        var next = try Core.open(seed % 4 == 0 ? storage.kill() : storage.crash(seed: seed), clock)
        for sequence in known {
            if case .unfinished(let entry)? = next.state.job(sequence) { #expect(!entry.pointee.flags.contains(.isTransient)) }
        }
        next.turn([(1, Core.publish), (2, Core.transient())], at: clock.now())
        try Core.sync(&next)
        for (_, answer) in next.takeAnswers() {
            guard case .outcomes(let outcomes) = answer, case .one(.enqueued(let sequence, _, _, _, _))? = outcomes.first else {
                fail("it was refused")
                continue
            }
            #expect(!known.contains(sequence))
        }
    }

    @Test("a clean stop skips no numbers, a crash no more than were reserved")
    func numbers() async throws {
        let store = try await Fixture()
        let id = try await store.publish { $0.isTransient = true }
        let first = try #require(store.engine.resolver.identity.sequence(of: id))
        await store.engine.close()
        let again = try await Fixture(storage: store.storage, clock: store.clock)
        let next = try await again.publish { $0.isTransient = true }
        #expect(again.engine.resolver.identity.sequence(of: next) == first + 1)
        let killed = try await again.killed()
        let last = try #require(killed.engine.resolver.identity.sequence(of: try await killed.publish()))
        #expect(last >= first + Reservations.size && last <= first + 2 * Reservations.size)
    }

    @Test("checkpoints and moves keep them while the store is open")
    func space() throws {
        let clock = ManualClock(start: Fixture.start), storage = MemoryStorage()
        var core = try Core.open(storage, clock, segmentBytes: 1 << 17)
        let text = String(repeating: "x", count: 10_000)
        core.turn([(1, Core.transient { $0.payload = Content("kept") })], at: clock.now())
        try Core.sync(&core)
        for ticket in Ticket(2)..<80 {
            core.turn(
                [(ticket, Core.publish(.other) { $0.payload = Content(Bytes(text)) }), (1_000 + ticket, Core.lease(.other))],
                at: clock.now()
            )
            try Core.sync(&core)
            for (_, answer) in core.takeAnswers() {
                guard let job = answer.deliveries?.first else { continue }
                core.turn(
                    [
                        (
                            2_000,
                            .commit(
                                [
                                    .one(Core.settle(job) { .complete($0, result: nil) }),
                                    .one(.forget(JobName(id: JobID(""), sequence: job.view.sequence))),
                                ],
                                nil
                            )
                        )
                    ],
                    at: clock.now()
                )
            }
            if ticket % 10 == 0 {
                Core.checkpoint(&core)
                clock.leap(by: .seconds(2))
                core.turn([], at: clock.now())
                Core.move(&core)
            }
        }
        let place = try #require(core.state.job(1)?.message)
        #expect(place.segment > 1)
        core.turn([(9_000, Core.lease())], at: clock.now())
        let answers = core.takeAnswers()
        let job = try #require(answers.first { $0.0 == 9_000 }?.1.deliveries?.first)
        #expect(core.resolver.deliveries([job]).readable.first?.text == "kept")
        Core.checkpoint(&core)
        var next = try Core.open(storage.kill(), clock, segmentBytes: 1 << 17)
        let found = next.state.job(1)
        #expect(found == nil)
    }

    @Test("the books are right when an opening has dropped them, and dead letters are what their messages were")
    func books() async throws {
        let store = try await Fixture()
        try await store.configure { $0.deadLetterQueue = "letters" }
        for number in 0..<40 { try await store.publish(.work, "\(number)") { $0.isTransient = number % 3 != 0 } }
        for number in 0..<20 {
            let delivery = try await store.leaseOne()
            switch number % 4 {
            case 0: try await store.run(.complete(delivery.token, result: nil))
            case 1: try await store.run(.fail(delivery.token, Failure(message: "no"), retry: .never))
            case 2: try await store.run(.release(delivery.token, delay: .seconds(5), counted: false, to: .back))
            default: break
            }
        }
        // A dead letter is what its message was.
        for job in try await store.engine.list(JobQuery(queue: .name("letters"))).jobs {
            let origin = try await store.job(job.deaths[0].job)
            #expect(job.isTransient == origin.isTransient)
        }
        let again = try Core.open(store.storage.kill(), store.clock)
        let left = again.state.hasTransients
        #expect(!left)
        var counted = 0
        for number in again.state.queues.numbers.values {
            let queue = again.state.queues.at(number)
            #expect(queue.pointee.counts.unfinished == 0 || queue.pointee.bytes > 0)
            counted += queue.pointee.counts.unfinished + queue.pointee.counts.succeeded + queue.pointee.counts.failed
        }
        #expect(counted == again.state.jobs.count + again.state.finished.count)
        let use = again.state.use.total.things
        #expect(use > 0 && use < 40)
    }

    @Test("backups, exports and examinations leave them out")
    func leftOut() async throws {
        let store = try await Fixture()
        try await store.publish { $0.isTransient = true }
        let kept = try await store.publish()
        #expect(try await store.engine.exportPage(ExportQuery()).jobs.map(\.id) == [kept])
        let archive = try await store.engine.archive()
        let restoration = try StoreRestoration.begin(in: MemoryStorage(name: "restored"))
        while let piece = try await archive.next() { try restoration.add(piece.slice) }
        let restored = try await restoration.finish(options: store.options)
        #expect(try await restored.queue(.work)?.counts.unfinished == 1)
        await restored.close()
        await store.engine.close()
        let examination = try StoreExamination(of: store.storage)
        #expect(examination.isSound && examination.queues[0].counts.unfinished == 1)
    }

    @Test("a key, a group or a claim is refused by its name", arguments: ["key", "group", "claim"])
    func refusals(field: String) async throws {
        let store = try await Fixture()
        let error = await expectError(.invalidArgument) {
            try await store.publish { message in
                message.isTransient = true
                switch field {
                case "key": message.deduplication = .init(key: "k")
                case "group": message.group = "g"
                default: message.claim = "c"
                }
            }
        }
        #expect(error?.field == field)
    }

    @Test("it counts against its queue's bounds, and one that is queued again stays transient")
    func bounds() async throws {
        let store = try await Fixture()
        try await store.configure { ($0.maxJobs, $0.maxAttempts) = (1, 1) }
        let id = try await store.publish { $0.isTransient = true }
        _ = await expectError(.busy) { try await store.publish { $0.isTransient = true } }
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .standard))
        try await store.run(.retry(id))
        #expect(try await store.job(id).isTransient)
        let again = try await store.killed()
        #expect(try await again.engine.read([id]) == [.forgotten])
    }
}
