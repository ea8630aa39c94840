import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

/// A store on a disk that does not answer when a test wants it so.
private struct Disk {
    let clock = ManualClock(start: Fixture.start)
    var storage = MemoryStorage()
    let dead = QueueName.name("dead")

    func turn(_ core: inout EngineCore, _ commands: Command...) throws -> [Answer] {
        core.turn(commands.enumerated().map { (UInt64($0.offset + 1), $0.element) }, at: clock.now())
        while let sync = core.beginSync() {
            try sync.run()
            core.endSync(sync, failure: nil)
        }
        core.markIfIdle()
        return core.takeAnswers().map(\.1)
    }

    /// A store whose queue keeps nothing of what has died but its dead letter.
    func open(_ change: (inout QueueSettings) -> Void = { _ in }) throws -> EngineCore {
        var core = try Core.open(storage, clock)
        var settings = QueueSettings()
        settings.deadLetterQueue = "dead"
        settings.maxAttempts = 1
        settings.retention = .none
        change(&settings)
        _ = try turn(&core, .configure(.work, settings, .anything), .configure(dead, QueueSettings(), .anything))
        return core
    }

    func lease(_ core: inout EngineCore, isEmbedded: Bool = false) throws -> LeaseName {
        let holder = HolderOptions(id: HolderID("h"), queues: [.work], capacity: 1, isEmbedded: isEmbedded)
        let answers = try turn(&core, .lease(LeaseRequest(holder: holder, max: 1, term: .fixed(.seconds(5)), wait: 0)))
        let job = try #require(answers.first?.deliveries?.first)
        return LeaseName(sequence: job.view.sequence, fencing: job.fencing)
    }

    func count(_ core: borrowing EngineCore, _ queue: QueueName) throws -> Int {
        core.state.queues.at(try #require(core.state.queues.numbers[queue])).pointee.counts.unfinished
    }

    func pass(_ core: inout EngineCore, seconds: Int) throws {
        for _ in 0..<seconds {
            clock.leap(by: .seconds(1))
            _ = try turn(&core)
        }
    }

    /// The job is there while the disk does not answer, and its dead letter as soon as it does.
    func expectPatience(_ core: inout EngineCore) throws {
        let first = (try count(core, .work), try count(core, dead))
        #expect(first == (1, 0))
        try pass(&core, seconds: 5)
        let second = (try count(core, .work), try count(core, dead))
        #expect(second == (1, 0) && core.failure == nil)
        // It is asked again, but not all the time.
        let nextTurn = core.nextTurn
        let next = try #require(nextTurn)
        #expect(next > 0 && next <= 1_000)
        storage.heal()
        try pass(&core, seconds: 2)
        let last = (try count(core, .work), try count(core, dead))
        #expect(last == (0, 1))
    }
}

@Suite("A disk that does not answer when a dead letter is to be read", .timeLimit(.minutes(1)))
struct UnansweredReadTests {
    @Test("a settle that ends a job is refused, its lease goes on, and it can be sent again")
    func settle() throws {
        let failure = Failure(message: "no")
        let release = PreparedRelease(isCounted: true)
        let settles: [(LeaseName) -> PreparedOperation] = [
            { .fail($0, failure, retry: .standard) }, { .deadLetter($0, failure, to: nil) }, { .release($0, release) },
        ]
        for settle in settles {
            try expectRefusal(of: settle)
        }
    }

    private func expectRefusal(of settle: (LeaseName) -> PreparedOperation) throws {
        let disk = Disk()
        var core = try disk.open()
        _ = try disk.turn(&core, Core.publish)
        let name = try disk.lease(&core)
        disk.storage.failAll(.read)
        guard case .outcomes(let outcomes) = try disk.turn(&core, .commit([.one(settle(name))], nil)).first,
            case .aborted(_, let error)? = outcomes.first
        else { return fail("it is not refused") }
        let kept = (try disk.count(core, .work), try disk.count(core, disk.dead))
        #expect(error.code == .busy && error.retryAfter != nil && kept == (1, 0) && core.failure == nil)
        // The lease was of five seconds; it goes on for ten, so that there is time to send it again.
        try disk.pass(&core, seconds: 8)
        disk.storage.heal()
        guard case .outcomes(let again) = try disk.turn(&core, .commit([.one(settle(name))], nil)).first, case .one? = again.first else {
            return fail("it is refused though the disk answers")
        }
        let moved = (try disk.count(core, .work), try disk.count(core, disk.dead))
        #expect(moved == (0, 1))
    }

    @Test("a lease that is over waits with its end")
    func expiredLease() throws {
        let disk = Disk()
        var core = try disk.open()
        _ = try disk.turn(&core, Core.publish)
        _ = try disk.lease(&core)
        disk.storage.failAll(.read)
        try disk.pass(&core, seconds: 6)
        try disk.expectPatience(&core)
    }

    @Test("a job that expires waits with its end, and those beside it do not")
    func expiredJob() throws {
        let disk = Disk()
        var core = try disk.open()
        _ = try disk.turn(&core, Core.publish { $0.expires = .seconds(2) }, Core.publish { $0.expires = .seconds(2) })
        // Of the two the first is asked for in vain, as often as it is asked for.
        for number in 1...3 { disk.storage.fail(.read, at: number) }
        try disk.pass(&core, seconds: 2)
        let half = (try disk.count(core, .work), try disk.count(core, disk.dead))
        #expect(half == (1, 1))
        disk.storage.failAll(.read)
        try disk.pass(&core, seconds: 3)
        let same = (try disk.count(core, .work), try disk.count(core, disk.dead))
        #expect(same == (1, 1))
        disk.storage.heal()
        try disk.pass(&core, seconds: 2)
        let last = (try disk.count(core, .work), try disk.count(core, disk.dead))
        #expect(last == (0, 2))
    }

    @Test("of many that end, a disk that may take its time to fail is asked for a few a turn; who comes later does not put the others off")
    func many() throws {
        let disk = Disk()
        var core = try disk.open()
        let publish = Core.publish { $0.expires = .seconds(2) }
        for _ in 0..<10 { _ = try disk.turn(&core, publish, publish, publish, publish, publish) }
        disk.storage.failAll(.read)
        for second in 0..<6 {
            let before = disk.storage.calls[.read] ?? 0
            try disk.pass(&core, seconds: 1)
            let reads = (disk.storage.calls[.read] ?? 0) - before
            #expect(reads <= 12, "in second \(second)")
            // Each second one more is over.
            _ = try disk.turn(&core, publish)
        }
        let kept = (try disk.count(core, .work), try disk.count(core, disk.dead))
        #expect(kept == (56, 0) && core.failure == nil)
        disk.storage.heal()
        try disk.pass(&core, seconds: 4)
        let moved = (try disk.count(core, .work), try disk.count(core, disk.dead))
        #expect(moved == (0, 56))
    }

    @Test("what a closed holder had waits with its end")
    func closedHolder() throws {
        let disk = Disk()
        var core = try disk.open { $0.maxDeliveries = 1 }
        _ = try disk.turn(&core, Core.publish)
        _ = try disk.lease(&core)
        disk.storage.failAll(.read)
        _ = try disk.turn(&core, .closeHolder(HolderID("h")))
        try disk.expectPatience(&core)
    }

    @Test("a job whose holder died with the process waits with its end, and the store opens")
    func opening() throws {
        let disk = Disk()
        var core = try disk.open()
        _ = try disk.turn(&core, Core.publish)
        _ = try disk.lease(&core, isEmbedded: true)
        core.close()
        // After those of the recovery itself, which are not to fail.
        let counted = disk.storage.kill()
        _ = try Core.open(counted, disk.clock)
        let reads = try #require(counted.calls[.read])
        let failing = disk.storage.kill()
        failing.failAll(.read, from: reads)
        let test = Disk(storage: failing)
        var again = try Core.open(failing, test.clock)
        try test.expectPatience(&again)
    }

    @Test("a publish that drops the oldest job is refused, one by one or in a batch, and drops nothing")
    func dropped() throws {
        let disk = Disk()
        var core = try disk.open {
            $0.maxJobs = 1
            $0.overflow = .dropOldest
        }
        _ = try disk.turn(&core, Core.publish)
        let batch = {
            var batch = MessageBatch(to: try BatchQueues([.work]), priority: 0, count: 1)
            _ = [UInt8]("2".utf8).withUnsafeBytes { batch.append($0, to: 0) }
            return batch
        }
        disk.storage.failAll(.read)
        let answers = try disk.turn(&core, Core.publish, .publishBatch(try batch()))
        guard case .outcomes(let outcomes)? = answers.first, case .aborted(_, let error)? = outcomes.first,
            case .refused(let refusal)? = answers.last
        else { return fail("they are not refused: \(answers)") }
        let kept = (try disk.count(core, .work), try disk.count(core, disk.dead))
        #expect(error.code == .busy && refusal.code == .busy && kept == (1, 0) && core.failure == nil)
        disk.storage.heal()
        _ = try disk.turn(&core, Core.publish, .publishBatch(try batch()))
        let moved = (try disk.count(core, .work), try disk.count(core, disk.dead))
        #expect(moved == (1, 2))
    }

    @Test("a dead letter that is to go back stays where it is")
    func redriven() throws {
        let disk = Disk()
        var core = try disk.open()
        _ = try disk.turn(&core, Core.publish)
        let name = try disk.lease(&core), letter = core.state.nextSequence
        _ = try disk.turn(&core, .commit([.one(.fail(name, Failure(message: "no"), retry: .never))], nil))
        let redrive = Command.commit([.one(.redrive(JobName(id: core.state.identity.jobID(letter), sequence: letter)))], nil)
        disk.storage.failAll(.read)
        guard case .outcomes(let outcomes)? = try disk.turn(&core, redrive).first, case .aborted(_, let error)? = outcomes.first else {
            return fail("it is not refused")
        }
        #expect(error.code == .busy)
        disk.storage.heal()
        _ = try disk.turn(&core, redrive)
        let moved = (try disk.count(core, .work), try disk.count(core, disk.dead))
        #expect(moved == (1, 0))
    }
}
