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
}
