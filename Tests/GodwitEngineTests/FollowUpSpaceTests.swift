import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("The space of counters and of what follows ends", .timeLimit(.minutes(2)))
struct FollowUpSpaceTests {
    private let clock = ManualClock(start: Fixture.start)
    private static let segment = 64 << 10
    private let key = RecordKey("batch")

    private func turn(_ core: inout EngineCore, _ commands: [Command]) throws {
        core.turn(commands.enumerated().map { (UInt64($0.offset + 1), $0.element) }, at: clock.now())
        if let sync = core.beginSync() {
            try sync.run()
            core.endSync(sync, failure: nil)
        }
    }

    private func enqueue(_ payload: String, _ queue: QueueName) -> GodwitCore.Operation {
        .enqueue(NewMessage(queue: queue, payload: Content(Bytes(payload))))
    }

    /// Plain messages that come and go, until all segments that there were are given back.
    private func churn(_ core: inout EngineCore) throws {
        let first = core.journal.segments.last ?? 0
        for _ in 0..<2_000 {
            let sequence = core.state.nextSequence
            try turn(&core, [Core.publish(.name("plain")) { $0.payload = Content(Bytes(String(repeating: "x", count: 900))) }])
            try turn(&core, [.commit([.one(.cancel(JobName(id: core.state.identity.jobID(sequence), sequence: sequence)))], nil)])
            if core.isCheckpointDue { Core.checkpoint(&core) }
            Core.move(&core, scans: 8)
            Core.maintain(&core)
            if core.journal.segments.first ?? 0 > first { return }
        }
        fail("segments are kept")
    }

    @Test("move with their records, are in checkpoints, and pin no segment, waiting or owed")
    func moved() throws {
        var storage = MemoryStorage()
        var core = try Core.open(storage, clock, segmentBytes: Self.segment)
        var plain = QueueSettings()
        plain.retention = .none
        try turn(&core, [.configure(.name("plain"), plain, .anything), .configure(.work, plain, .anything)])
        let job = core.state.nextSequence
        try turn(
            &core,
            [
                Core.publish { $0.onFinal = [FollowUp(self.enqueue("after the job", .other), when: .cancelled)] },
                .commit([.one(.add(Addition(key: key, step: "a", target: 2, then: [enqueue("after all", .other)])))], nil),
            ]
        )
        for part in 0..<2 {
            let before = try #require(core.state.counters[key]?.then?.location)
            let message = try #require(core.state.jobs.find(job)?.pointee.message)
            try churn(&core)
            let after = try #require(core.state.counters[key]?.then?.location)
            #expect(after.segment > before.segment)
            let moved = try #require(core.state.jobs.find(job)?.pointee.message)
            #expect(moved.segment > message.segment)
            if part == 1 { break }
            storage = storage.crash(seed: 3)
            core = try Core.open(storage, clock, segmentBytes: Self.segment)
        }
        // Owed, and the job of which nothing else is left: what is still to be read moves, too.
        storage.failAll(.read)
        try turn(&core, [.commit([.one(.cancel(JobName(id: core.state.identity.jobID(job), sequence: job)))], nil)])
        storage.heal()
        core.owedRetry = .max
        let isForgotten = core.state.job(job) == nil
        #expect(isForgotten && core.state.owed.count == 1)
        let owed = try #require(core.state.owed[.job(job)]?.location)
        try churn(&core)
        let later = try #require(core.state.owed[.job(job)]?.location)
        #expect(later.segment > owed.segment)
        try turn(&core, [.commit([.one(.add(Addition(key: key, step: "b", target: 2)))], nil)])
        storage = storage.crash(seed: 4)
        core = try Core.open(storage, clock, segmentBytes: Self.segment)
        let number = try #require(core.state.queues.numbers[.other]), count = core.state.queues.at(number).pointee.counts.queued
        #expect(count == 2 && core.state.owed.isEmpty)
        let use = core.state.use
        core.close()
        var again = try Core.open(storage, clock, segmentBytes: Self.segment)
        #expect(again.state.use.total.things == use.total.things)
        again.close()
    }

    @Test("what follows is paid by the opening when a crash came right behind the end")
    func crash() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock)
        let job = core.state.nextSequence
        try turn(&core, [Core.publish { $0.onFinal = [FollowUp(self.enqueue("then", .other))] }])
        // The end alone gets to the disk.
        let cancellation = Cancellation(sequence: job, attempts: Attempts(maxAttempts: 20))
        try core.record(.cancelled(cancellation), for: .settle)
        try Core.sync(&core)
        #expect(core.state.owed.count == 1 && core.isOwing && core.nextTurn == 0)
        let again = try Core.open(storage.kill(), clock)
        let number = try #require(again.state.queues.numbers[.other]), count = again.state.queues.at(number).pointee.counts.queued
        #expect(count == 1 && again.state.owed.isEmpty)
    }

    @Test("what a disk does not give back at once follows all the same")
    func readAgain() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock)
        let job = core.state.nextSequence
        try turn(&core, [Core.publish { $0.onFinal = [FollowUp(self.enqueue("then", .other))] }])
        for number in 1...2 { storage.fail(.read, at: number) }
        try turn(&core, [.commit([.one(.cancel(JobName(id: core.state.identity.jobID(job), sequence: job)))], nil)])
        #expect(core.state.owed.isEmpty && core.state.queues.numbers[.other] != nil)
    }

    @Test("what a disk that does not answer keeps from following does when it answers; everything else goes on")
    func unanswered() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock)
        let job = core.state.nextSequence
        try turn(&core, [Core.publish { $0.onFinal = [FollowUp(self.enqueue("then", .other))] }])
        storage.failAll(.read)
        try turn(&core, [.commit([.one(.cancel(JobName(id: core.state.identity.jobID(job), sequence: job)))], nil)])
        for _ in 0..<3 {
            #expect(core.state.owed.count == 1 && !core.isOwing && core.failure == nil)
            let nextTurn = core.nextTurn
            let next = try #require(nextTurn)
            #expect(next > 0 && next <= 1_000)
            clock.leap(by: .seconds(1))
            try turn(&core, [Core.publish()])
        }
        storage.heal()
        clock.leap(by: .seconds(1))
        try turn(&core, [])
        let count = core.state.queues.numbers[.other].map { core.state.queues.at($0).pointee.counts.queued }
        #expect(count == 1 && core.state.owed.isEmpty)
    }

    @Test("of much that is owed a disk that may take its time to fail is asked for a little, and all follows when it answers")
    func unansweredMany() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock)
        let first = core.state.nextSequence
        for _ in 0..<20 { try turn(&core, [Core.publish { $0.onFinal = [FollowUp(self.enqueue("then", .other))] }]) }
        storage.failAll(.read)
        var cancels: [PreparedTransaction] = []
        for job in first..<first + 20 { cancels.append(.one(.cancel(JobName(id: core.state.identity.jobID(job), sequence: job)))) }
        for _ in 0..<3 {
            let before = storage.calls[.read] ?? 0
            clock.leap(by: .seconds(1))
            try turn(&core, [.commit(cancels, nil)])
            let reads = (storage.calls[.read] ?? 0) - before
            #expect(reads <= 12 && core.state.owed.count == 20 && !core.isOwing)
        }
        storage.heal()
        // What has just ended does not wait for the others.
        let last = core.state.nextSequence
        try turn(&core, [Core.publish { $0.onFinal = [FollowUp(self.enqueue("at once", .other))] }])
        try turn(&core, [.commit([.one(.cancel(JobName(id: core.state.identity.jobID(last), sequence: last)))], nil)])
        let one = core.state.queues.numbers[.other].map { core.state.queues.at($0).pointee.counts.queued }
        #expect(one == 1 && core.state.owed.count == 20)
        clock.leap(by: .seconds(1))
        try turn(&core, [])
        let all = core.state.queues.numbers[.other].map { core.state.queues.at($0).pointee.counts.queued }
        #expect(all == 21 && core.state.owed.isEmpty && core.nextTurn != 0)
    }

    @Test("what is damaged stays owed, is told, and is tried again by the next opening; everything else goes on")
    func unreadable() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock)
        let job = core.state.nextSequence
        try turn(&core, [Core.publish { $0.onFinal = [FollowUp(self.enqueue("then", .other))] }])
        let bytes = try #require(storage.contents(of: "segment-00000001"))
        let place = try #require(bytes.firstRange(of: Array("then".utf8))).lowerBound
        storage.flip(0x10, of: "segment-00000001", at: place)
        try turn(&core, [.commit([.one(.cancel(JobName(id: core.state.identity.jobID(job), sequence: job)))], nil)])
        #expect(core.state.owed.count == 1 && !core.isOwing && core.owedRetry == nil && core.failure == nil)
        try turn(&core, [Core.publish()])
        core.close()
        storage.flip(0x10, of: "segment-00000001", at: place)
        let again = try Core.open(storage, clock)
        let count = again.state.queues.numbers[.other].map { again.state.queues.at($0).pointee.counts.queued }
        #expect(count == 1 && again.state.owed.isEmpty)
    }
}
