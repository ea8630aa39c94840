import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("What is kept for a full disk", .timeLimit(.minutes(2)))
struct FullDiskTests {
    private let clock = ManualClock(start: Fixture.start)

    private func turn(_ core: inout EngineCore, _ command: Command) throws -> Answer {
        core.turn([(1, command)], at: clock.now())
        if let sync = core.beginSync() {
            try sync.run()
            core.endSync(sync, failure: nil)
        }
        let answers = core.takeAnswers()
        return try #require(answers.first?.1)
    }

    private func refusal(_ answer: Answer) -> BrokerError.Code? {
        switch answer {
        case .outcomes(let outcomes): if case .aborted(_, let error)? = outcomes.first { error.code } else { nil }
        case .refused(let error): error.code
        default: nil
        }
    }

    /// A store on a disk that takes nothing more, with a job of `.other` that is leased and a full queue that drops its oldest jobs.
    private func fill(_ core: inout EngineCore, _ storage: MemoryStorage) throws -> LeasedJob {
        var settings = QueueSettings()
        (settings.maxJobs, settings.overflow) = (2, .dropOldest)
        _ = try turn(&core, .configure(.work, settings, .anything))
        for queue in [.work, .work, .other] as [QueueName] { _ = try turn(&core, Core.publish(queue)) }
        let deliveries = try turn(&core, Core.lease(.other, term: .fixed(.seconds(3_600)))).deliveries
        let job = try #require(deliveries?.first)
        Core.maintain(&core)
        storage.capacity = 1
        for size in [900, 1] {
            let publish = Core.publish(.name("full")) { $0.payload = Content(Bytes(String(repeating: "x", count: size))) }
            var code: BrokerError.Code?
            for _ in 0..<2_000 where code == nil { code = refusal(try turn(&core, publish)) }
            #expect(code == .diskFull)
        }
        return job
    }

    @Test("is not spent by publishes that drop or delete something, nor by heartbeats, and is there for who settles")
    func keptForSettles() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock, segmentBytes: 64 << 10)
        let job = try fill(&core, storage)
        let message = PreparedOperation.enqueue(MessageBox(NewMessage(queue: .work, payload: Content("1"))))
        let other = PreparedOperation.enqueue(MessageBox(NewMessage(queue: .name("full"), payload: Content("1"))))
        let absent = PreparedOperation.delete(RecordKey("absent"), expecting: .anything)
        let dropping = refusal(try turn(&core, .commit([.one(message)], nil)))
        #expect(dropping == .diskFull)
        let deleting = refusal(try turn(&core, .commit([.many([absent, other])], nil)))
        #expect(deleting == .diskFull)
        var batch = MessageBatch(to: BatchQueues(.work))
        _ = Array("1".utf8).withUnsafeBytes { batch.append($0) }
        let batched = refusal(try turn(&core, .publishBatch(batch)))
        #expect(batched == .diskFull)
        let number = try #require(core.state.queues.numbers[.work]), counts = core.state.queues.at(number).pointee.counts
        #expect(counts.queued == 2 && counts.failed == 0)
        #expect(core.state.queues.at(number).pointee.totals.refused == 2, "a publish and a batch")

        let token = core.state.identity.token(sequence: job.view.sequence, fencing: job.fencing)
        let renewal = Renewal(token, progress: JobProgress(fraction: 0.5))
        guard case .renewals(let outcomes) = try turn(&core, .renew([renewal])) else { return fail("no renewals") }
        #expect(outcomes == [.good(remaining: .seconds(3_600))])
        let extra = core.state.extras[job.view.sequence]
        #expect(extra?.progress == nil)

        let end = Core.settle(job) { .complete($0, result: Content("result")) }
        let settled = refusal(try turn(&core, .commit([.many([end, other])], nil)))
        #expect(settled == nil)
        storage.capacity = nil
        Core.maintain(&core)
        let again = refusal(try turn(&core, .commit([.one(message)], nil)))
        #expect(again == nil)
    }

    @Test("is not spent by large dead letters that time brings about: they wait for room, and what brings less goes on")
    func letters() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock, segmentBytes: 64 << 10)
        let dying = QueueName.name("dying")
        var settings = QueueSettings()
        (settings.deadLetterQueue, settings.maxAttempts) = ("dead", 1)
        _ = try turn(&core, .configure(dying, settings, .anything))
        _ = try turn(&core, .configure(.name("dead"), QueueSettings(), .anything))
        let sizes = [10, 6_000, 20, 7_000]
        for size in sizes + sizes {
            let publish = Core.publish(dying) {
                $0.payload = Content(Bytes(String(repeating: "x", count: size)))
                $0.expires = .seconds(30)
            }
            _ = try turn(&core, publish)
        }
        for _ in sizes { _ = try turn(&core, Core.lease(dying, term: .fixed(.seconds(10)))) }
        _ = try fill(&core, storage)
        func counts(_ core: borrowing EngineCore, _ queue: QueueName) throws -> QueueStatus.Counts {
            core.state.queues.at(try #require(core.state.queues.numbers[queue])).pointee.counts
        }
        func pass(_ core: inout EngineCore, _ seconds: Int) {
            for _ in 0..<seconds {
                clock.leap(by: .seconds(1))
                core.turn([], at: clock.now())
            }
        }
        pass(&core, 15)
        let first = try counts(core, dying)
        #expect(first.running == 2 && first.failed == 2 && first.queued == 4)
        pass(&core, 20)
        let second = try counts(core, dying), dead = try counts(core, .name("dead"))
        #expect(second.running == 2 && second.failed == 2 && second.queued == 2 && second.expired == 2 && dead.queued == 4)
        let isBusy = core.nextTurn == 0
        #expect(!isBusy)
        storage.capacity = nil
        Core.maintain(&core)
        pass(&core, 5)
        let last = try counts(core, dying), all = try counts(core, .name("dead"))
        #expect(last.failed == 4 && last.expired == 4 && all.queued == 8)
    }
}
