import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Turns of the core", .timeLimit(.minutes(1)))
struct TurnTests {
    private let clock = ManualClock(start: Fixture.start)
    private let storage = MemoryStorage()

    private func open() throws -> EngineCore { try Core.open(storage, clock) }

    private func turn(_ core: inout EngineCore, _ commands: [(ticket: Ticket, command: Command)] = []) -> [Ticket: Answer] {
        core.turn(commands, at: clock.now())
        return Dictionary(core.takeAnswers(), uniquingKeysWith: { first, _ in first })
    }

    /// A turn whose records are synced at once.
    private func done(_ core: inout EngineCore, _ commands: [(ticket: Ticket, command: Command)]) throws -> [Ticket: Answer] {
        var answers = turn(&core, commands)
        if let sync = core.beginSync() {
            try sync.run()
            core.endSync(sync, failure: nil)
        }
        answers.merge(core.takeAnswers(), uniquingKeysWith: { first, _ in first })
        return answers
    }

    /// A core on a disk that takes no more records at all.
    private func full() throws -> EngineCore {
        var core = try open()
        _ = try done(&core, [(1, Core.publish), (2, Core.lease(term: .fixed(.seconds(1)))), (3, Core.lease(.other, wait: 5_000))])
        storage.capacity = 1
        let large = Core.publish(.name("filler")) { $0.payload = Content(Bytes([UInt8](repeating: 0, count: 10_000))) }
        for _ in 0..<200 { _ = try done(&core, [(9, large)]) }
        let small = Core.publish(.name("filler"))
        for _ in 0..<500 { _ = try done(&core, [(9, small)]) }
        let last = try done(&core, [(9, small)])
        guard case .outcomes(let outcomes)? = last[9], case .aborted(_, let error) = outcomes[0] else { return core }
        #expect(error.code == .diskFull)
        return core
    }

    @Test("on a full disk waits end in their time, and what was due is done when there is room again")
    func fullDisk() throws {
        var core = try full()
        let running = core.state.identity.jobID(1)
        _ = turn(&core, [(4, .watch([.job(running, known: Version(core.state.job(1)?.change ?? 0))], wait: 3_000))])
        var ended: [Ticket: Int] = [:]
        for second in 1...6 {
            clock.leap(by: .seconds(1))
            let next = core.nextTurn
            #expect((next ?? .max) <= 1_000)
            for ticket in turn(&core).keys { ended[ticket] = second }
        }
        #expect(ended == [4: 3, 3: 5])
        let still = core.state.job(1)?.state
        #expect(still == .running)
        storage.capacity = nil
        Core.maintain(&core)
        clock.leap(by: .seconds(1))
        _ = turn(&core)
        let after = core.state.job(1)?.state
        #expect(after == .queued)
    }

    @Test("what a closed holder had goes back as soon as there is room, though it held it for life; what it leased since stays")
    func closedHolder() throws {
        var core = try open()
        for _ in 0..<4 { _ = try done(&core, [(1, Core.publish)]) }
        for _ in 0..<3 { _ = try done(&core, [(2, Core.lease(term: .holderLife))]) }
        storage.capacity = 1
        let small = Core.publish(.name("filler"))
        for _ in 0..<200 {
            _ = try done(&core, [(9, Core.publish(.name("filler")) { $0.payload = Content(Bytes([UInt8](repeating: 0, count: 10_000))) })])
        }
        while (try? core.journal.reserve(100, for: .settle)) != nil {
            try? core.record(.clock, for: .settle)
            _ = try? core.journal.write()
        }
        _ = try done(&core, [(9, small)])
        let closed = try done(&core, [(3, .closeHolder(HolderID("h")))])
        guard case .refused(let error)? = closed[3] else { return fail("there is room: \(closed)") }
        #expect(error.code == .diskFull)
        storage.capacity = nil
        Core.maintain(&core)
        // It is back before what it had could be taken from it.
        let leased = try done(&core, [(4, Core.lease(term: .holderLife))])
        #expect(leased[4]?.deliveries?.count == 1)
        clock.leap(by: .seconds(2))
        _ = try done(&core, [])
        let queue = try #require(core.state.queues.numbers[.work])
        let counts = core.state.queues.at(queue).pointee.counts
        #expect(counts.running == 1 && counts.queued == 3)
    }

    @Test("a turn brings about so many bytes of dead letters and of what follows, and the next ones the rest", arguments: [0, 1, 2])
    func bytesOfATurn(_ way: Int) throws {
        let storage = MemoryStorage(), count = 48
        var core = try Core.open(storage, clock, segmentBytes: 16 << 20)
        var settings = QueueSettings()
        settings.deadLetterQueue = "dead"
        settings.maxDeliveries = 1
        let body = Bytes([UInt8](repeating: 0x20, count: 1 << 20))
        _ = try done(&core, [(1, .configure(.work, settings, .anything))])
        for _ in 0..<count {
            let publish = Core.publish { message in
                message.payload = Content(body)
                if way == 0 { message.expires = .seconds(1) }
                if way == 2 { message.onFinal = [FollowUp(.enqueue(NewMessage(queue: .other, payload: Content("1"))))] }
            }
            _ = try done(&core, [(1, publish)])
            if way == 1 { _ = try done(&core, [(2, Core.lease(term: .fixed(.seconds(1))))]) }
        }
        if way == 2 { _ = try done(&core, [(3, .purge(.work))]) }
        clock.leap(by: .milliseconds(1_000))
        let target = way == 2 ? QueueName.other : .name("dead")
        var parts: [Int] = []
        func queued() -> Int { core.state.queues.numbers[target].map { core.state.queues.at($0).pointee.counts.queued } ?? 0 }
        while queued() < count, parts.count < 2 * count {
            let before = queued()
            _ = try done(&core, [])
            parts.append(queued() - before)
            #expect(queued() == count || core.nextTurn == 0)
        }
        #expect(parts.allSatisfy { $0 <= 17 } && parts.contains { $0 >= 8 }, "\(parts)")
    }

    @Test("what a settle brings along waits for room: it is busy, and its lease goes on as long as it is tried")
    func largeSettle() throws {
        var core = try open()
        let timed = Core.publish { $0.timeout = .seconds(1) }
        let delivered = try done(&core, [(1, timed), (2, Core.lease(term: .fixed(.seconds(1))))])
        let job = try #require(delivered[2]?.deliveries?.first)
        storage.capacity = 1
        let filler = Core.publish(.name("filler")) { $0.payload = Content(Bytes([UInt8](repeating: 0, count: 10_000))) }
        for _ in 0..<200 { _ = try done(&core, [(9, filler)]) }
        let lease = LeaseName(sequence: job.view.sequence, fencing: job.fencing)
        func complete(_ bytes: Int) -> Command {
            .commit([.one(.complete(lease, result: Content(Bytes([UInt8](repeating: 0x20, count: bytes)), type: Content.binary)))], nil)
        }
        let next = NewMessage(queue: .work, payload: Content(Bytes([UInt8](repeating: 0x20, count: 5_000)), type: Content.binary))
        let follow = Command.commit([.many([.complete(lease, result: nil), .enqueue(MessageBox(next))])], nil)
        // Others fill what settles like this one may take.
        while true {
            core.draft.begin(nextSequence: core.state.nextSequence)
            do { try core.journal.reserve(6_000, for: .settleWithPayload) } catch {
                #expect(error == .noSpace)
                break
            }
            try core.record(
                .put(StoredValue(key: RecordKey("filler"), value: Bytes([UInt8](repeating: 0, count: 5_900)), valueBytes: 5_900)),
                for: .settleWithPayload
            )
        }
        for command in [complete(5_000), follow, complete(5_000), follow, follow] {
            let answers = try done(&core, [(3, command)])
            guard case .outcomes(let outcomes)? = answers[3], case .aborted(_, let error)? = outcomes.first else {
                return fail("it was taken")
            }
            #expect(error.code == .busy)
            let wait = try #require(error.retryAfter)
            #expect(wait > .zero && wait < .seconds(10))
            // Longer than the lease's term, and than the attempt may take.
            clock.leap(by: wait)
            _ = turn(&core)
        }
        let state = core.state.job(job.view.sequence)?.state
        #expect(state == .running)
        storage.capacity = nil
        Core.maintain(&core)
        let taken = try done(&core, [(4, complete(5_000))])
        guard case .outcomes(let outcomes)? = taken[4], case .one(.state(.succeeded))? = outcomes.first else {
            return fail("it was refused")
        }
    }

    @Test("who waits for a job while its lease finds no room gets it when there is room")
    func servedLater() throws {
        /// A core with somebody who waits for a job that is due in 1 s, on a disk that takes no more files.
        func prepared(_ storage: MemoryStorage) throws -> EngineCore {
            var core = try Core.open(storage, clock)
            let later = Core.publish { $0.start = .after(.seconds(1)) }
            _ = try done(&core, [(1, Core.lease(wait: 60_000)), (2, Core.publish(.other)), (3, later)])
            storage.capacity = 1
            return core
        }
        // How many messages the group takes until there is room for the record that the job is due (56 bytes) and not for a lease's (64)
        // behind it: to try that means to know that the disk is full, so that it is done with another store.
        var other = try prepared(MemoryStorage()), count = 0
        while (try? other.journal.reserve(120, for: .settle)) != nil {
            _ = turn(&other, [(4, Core.publish(.other))])
            count += 1
        }
        var core = try prepared(storage)
        for _ in 0..<count { _ = turn(&core, [(4, Core.publish(.other))]) }
        clock.leap(by: .seconds(1))
        _ = turn(&core)
        let job = core.state.queues.numbers[.work].map { core.state.queues.at($0).pointee.counts.queued }
        #expect(job == 1)
        let next = core.nextTurn
        #expect((next ?? .max) <= 1_000)
        storage.capacity = nil
        Core.maintain(&core)
        clock.leap(by: .seconds(1))
        let served = try done(&core, [])
        #expect(served[1]?.deliveries?.count == 1)
    }

    @Test("no wait for a time is longer than a second: the thread's clock stands still while a machine sleeps")
    func suspension() throws {
        var core = try open()
        _ = try done(&core, [(1, Core.publish { $0.start = .after(.seconds(3_600)) })])
        clock.leap(by: .seconds(2))
        _ = turn(&core)
        core.markIfIdle()
        let next = core.nextTurn
        #expect((next ?? .max) <= 1_000)
    }

    @Test("who waits for a job comes before who asks later, in the same turn, too")
    func fairness() throws {
        var core = try open()
        _ = try done(&core, [(1, Core.lease(wait: 60_000))])
        let answers = try done(&core, [(2, Core.publish), (3, Core.lease())])
        #expect(answers[1]?.deliveries?.count == 1)
        #expect(answers[3]?.deliveries?.count == 0)
    }

    @Test("heartbeats do not wait for a sync; of a lease that ended by what is not durable nothing is said then")
    func renewals() throws {
        var core = try open()
        var tokens: [LeaseToken] = [], names: [LeaseName] = []
        for ticket in [1, 2, 3] as [Ticket] {
            let answers = try done(&core, [(ticket, Core.publish), (ticket + 10, Core.lease())])
            let job = try #require(answers[ticket + 10]?.deliveries?.first)
            names.append(LeaseName(sequence: job.view.sequence, fencing: job.fencing))
            tokens.append(core.state.identity.token(sequence: job.view.sequence, fencing: job.fencing))
        }
        _ = turn(&core, [(20, .commit([.one(.complete(names[0], result: nil))], nil))])
        let sync = core.beginSync()
        #expect(sync != nil)
        let during = turn(&core, [(21, .renew(tokens.map { Renewal($0) })), (22, .renew([Renewal(tokens[0])]))])
        let good = RenewalOutcome.good(remaining: .seconds(30))
        #expect(during[21]?.renewals == [.unreachable, good, good])
        #expect(during[22] == nil)
        if let sync {
            try sync.run()
            core.endSync(sync, failure: nil)
        }
        let taken = core.takeAnswers()
        #expect(taken.map(\.0).sorted() == [20, 22])
        #expect(taken.last { $0.0 == 22 }?.1.renewals == [.stale])
        let after = turn(&core, [(23, Core.publish), (24, .renew(tokens.map { Renewal($0) }))])
        #expect(after[24]?.renewals == [.stale, good, good])
    }

    @Test("a pause, and a page that leaves a job out, are shown when they are durable")
    func shownWhenDurable() throws {
        var core = try open()
        _ = try done(&core, [(1, Core.publish)])
        let paused = turn(&core, [(2, .pause(.work, true)), (3, .queue(.work))])
        #expect(paused.isEmpty)
        try Core.sync(&core)
        let taken = core.takeAnswers()
        #expect(taken.map(\.0).sorted() == [2, 3])
        let id = core.state.identity.jobID(1)
        let listed = turn(
            &core,
            [(4, .commit([.one(.cancel(JobName(id: id, sequence: 1)))], nil)), (5, .list(JobQuery(state: .queued)))]
        )
        #expect(listed.isEmpty)
    }

    @Test("what came during a sync is synced within 10 ms of its coming")
    func syncDelay() throws {
        var core = try open()
        _ = try done(&core, [(1, Core.publish), (2, Core.publish)])
        _ = turn(&core, [(3, Core.lease())])
        let begun = core.beginSync()
        let sync = try #require(begun)
        _ = turn(&core, [(4, Core.lease())])
        clock.leap(by: .milliseconds(9))
        _ = turn(&core)
        try sync.run()
        core.endSync(sync, failure: nil)
        let need = core.syncNeed
        #expect(need == .later(1))
    }

    @Test("a turn does a bounded part of what is due, records of one lifetime among it")
    func budgets() throws {
        var core = try open()
        for start in stride(from: 0, to: 6_000, by: 1_000) {
            let puts = (start..<start + 1_000).map {
                PreparedOperation.put(RecordKey("\($0)"), value: "v", expecting: .anything, lifetime: .seconds(1))
            }
            _ = try done(&core, [(1, .commit([.many(puts)], nil))])
        }
        clock.leap(by: .seconds(1))
        _ = turn(&core)
        let left = core.state.records.count, next = core.nextTurn
        #expect(left == 6_000 - EngineCore.dueLimit && next == 0)
        _ = turn(&core)
        let none = core.state.records.isEmpty
        #expect(none)
    }

    @Test("finished jobs are swept once a second at most, and deleted queues leave no state behind")
    func costs() throws {
        var core = try open()
        for index in 0..<2_000 {
            let name = QueueName.name("q\(index)")
            _ = turn(&core, [(1, .configure(name, QueueSettings(), .anything)), (2, .delete(name, purging: true))])
        }
        let used = core.state.queues.statesInUse
        #expect(used == 0)
        var settings = QueueSettings()
        settings.retention = .keep(succeeded: .milliseconds(100), failed: .seconds(1), count: 1_000)
        _ = try done(&core, [(1, .configure(.work, settings, .anything)), (2, Core.publish), (3, Core.publish(.other))])
        let id = core.state.identity.jobID(1)
        _ = try done(&core, [(4, .commit([.one(.cancel(JobName(id: id, sequence: 1)))], nil))])
        clock.leap(by: .seconds(2))
        _ = turn(&core)
        let gone = core.state.job(1) == nil, next = core.state.nextSweep - core.now.engine
        #expect(gone && next >= 1_000)
        // With jobs, and with somebody who waits, it is freed when both are gone.
        let before = core.state.queues.statesInUse
        _ = turn(&core, [(5, Core.lease(.name("awaited"), wait: 1_000)), (6, Core.publish(.name("filled")))])
        _ = turn(&core, [(7, .delete(.name("awaited"), purging: true)), (8, .delete(.name("filled"), purging: true))])
        let during = core.state.queues.statesInUse
        #expect(during == before + 2)
        clock.leap(by: .seconds(1))
        _ = turn(&core)
        _ = turn(&core)
        let after = core.state.queues.statesInUse
        #expect(after == before)
    }
}
