import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("How long jobs take", .timeLimit(.minutes(1)))
struct TimesTests {
    /// What a histogram counted, by the upper bounds of its buckets in milliseconds.
    private func counted(_ histogram: DurationHistogram) -> [Double: Int] {
        let bounds = histogram.scale.bounds.map { Double($0) / 1_000 } + [.infinity]
        return Dictionary(uniqueKeysWithValues: zip(bounds, histogram.counts.map(Int.init)).filter { $1 > 0 })
    }

    private func times(_ store: Fixture, _ queues: QueueName...) async throws -> JobTimes { try await store.engine.times(of: queues) }

    @Test("a wait is counted from when the job was due to its delivery, a run from there to what its worker says")
    func stages() async throws {
        let store = try await Fixture()
        try await store.publish()
        try await store.publish { $0.start = .after(.seconds(60)) }
        await store.clock.advance(by: .milliseconds(40))
        let first = try await store.leaseOne()
        #expect(first.waited == .milliseconds(40))
        await store.clock.advance(by: .seconds(2))
        try await store.run(.complete(first.token, result: nil))
        await store.clock.advance(by: .seconds(60))
        let second = try await store.leaseOne()
        await store.clock.advance(by: .milliseconds(3))
        try await store.run(.fail(second.token, Failure(message: "x"), retry: .after(.seconds(5))))
        // Until its time it did not wait.
        await store.clock.advance(by: .seconds(5))
        let third = try await store.leaseOne()
        #expect(third.waited == nil)
        try await store.run(.complete(third.token, result: nil))

        let times = try await times(store, .work, .other)
        #expect(counted(times.wait) == [50: 1, 2_500: 1, 1: 1])
        #expect(counted(times.run) == [2_500: 1, 5: 1, 1: 1])
        #expect(times.wait.sum == 2_040_000 && times.run.sum == 2_003_000)
        #expect(times.queues.map(\.name) == [.work])
        #expect(times.queues.first?.wait == times.wait && times.queues.first?.run == times.run)
    }

    @Test("a job that comes back without a time of its own is not counted as waiting since its first time; a lost lease is no run")
    func comingBack() async throws {
        let store = try await Fixture()
        try await store.publish()
        _ = try await store.leaseOne(term: .fixed(.seconds(10)))
        await store.clock.advance(by: .seconds(11))
        let again = try await store.leaseOne()
        #expect(again.deliveries == 2)
        #expect(counted(try await times(store).run) == [:])
        await store.clock.advance(by: .milliseconds(1))
        try await store.run(.release(again.token, delay: nil, counted: false))
        let times = try await times(store)
        #expect(counted(times.run) == [1: 1])
        _ = try await store.leaseOne()
        #expect(counted(try await self.times(store).wait) == [1: 1])
    }

    @Test("each queue has its own, and what is gone leaves nothing to the next one of its name")
    func queues() async throws {
        let store = try await Fixture()
        try await store.publish(.work)
        try await store.publish(.other)
        await store.clock.advance(by: .milliseconds(20))
        _ = try await store.leaseOne(.work)
        await store.clock.advance(by: .milliseconds(20))
        let delivery = try await store.leaseOne(.other)
        try await store.run(.complete(delivery.token, result: nil))
        var times = try await times(store, .other, .work)
        #expect(times.queues.map { counted($0.wait) } == [[50: 1], [25: 1]])
        #expect(times.queues.map { counted($0.run) } == [[1: 1], [:]])
        try await store.engine.delete(.other, purging: true)
        try await store.publish(.other)
        times = try await self.times(store, .other)
        #expect(times.queues.isEmpty && counted(times.wait) == [50: 1, 25: 1])
    }

    @Test("messages in batches are counted like single ones")
    func batches() async throws {
        let store = try await Fixture()
        try await store.configure { $0.retention = .none }
        for _ in 0..<3 { try await store.publish() }
        await store.clock.advance(by: .milliseconds(7))
        let options = HolderOptions(id: HolderID("b"), queues: [.work], capacity: 1, isEmbedded: true)
        let engine = store.engine
        let batch = try await withCheckedContinuation { continuation in
            engine.lease(10, for: options, wait: .zero) { continuation.resume(returning: $0) }
        }.get()
        await store.clock.advance(by: .milliseconds(7))
        _ = try await withCheckedContinuation { continuation in
            engine.complete(batch) { continuation.resume(returning: $0) }
        }.get()
        let times = try await times(store)
        #expect(counted(times.wait) == [10: 3] && counted(times.run) == [10: 3])
    }

    @Test("nothing is counted again when a store is opened")
    func restart() async throws {
        let store = try await Fixture()
        try await store.publish()
        let delivery = try await store.leaseOne()
        try await store.run(.complete(delivery.token, result: nil))
        let reopened = try await store.killed()
        let times = try await times(reopened, .work)
        #expect(times.wait.count == 0 && times.run.count == 0 && times.confirm.count == 0 && times.queues.isEmpty)
    }

    @Test("a confirmation is counted for each request that publishes what is kept, when it is on disk")
    func confirmations() async throws {
        let store = try await Fixture { $0.clock = SystemClock() }
        try await store.publish()
        try await store.publish { $0.isTransient = true }
        _ = await expectError(.jobNotFound) { try await store.run(.cancel(JobID("nothing"))) }
        let delivery = try await store.leaseOne()
        try await store.run(.complete(delivery.token, result: nil))
        let message = NewMessage(queue: .work, payload: Content(Bytes("{}")))
        _ = try await store.engine.commit([Transaction(.enqueue(message)), Transaction(.enqueue(message))])
        try await store.configure { $0.maxJobs = 1 }
        _ = await expectError(.busy) { try await store.publish() }
        let confirm = try await times(store).confirm
        #expect(confirm.count == 2)
        #expect(confirm.sum > 0 && confirm.sum < 20_000_000)
    }

    @Test("queues beyond the bound are counted with all others")
    func bound() {
        var meter = JobMeter()
        for queue in 0..<UInt32(JobMeter.mostQueues) { meter.waited(1, in: queue) }
        let beyond = UInt32(JobMeter.mostQueues)
        meter.ran(-5, in: beyond)
        let all = meter.all, hidden = meter.times(of: beyond)
        #expect(hidden == nil)
        #expect(all.wait.count == UInt64(JobMeter.mostQueues) && counted(all.run) == [1: 1])
        // A queue that is gone makes room for another one.
        meter.forget(3)
        meter.ran(.max, in: beyond + 1)
        let gone = meter.times(of: 3), next = meter.times(of: beyond + 1)
        #expect(gone == nil)
        #expect(next.map { counted($0.run) } == [.infinity: 1] && next?.wait.count == 0)
        // One that was beyond the bound is not for ever: it counts for itself from the next time on.
        meter.ran(5, in: beyond)
        let still = meter.times(of: beyond)
        #expect(still == nil, "there was no room")
        meter.forget(4)
        meter.ran(1, in: beyond)
        let own = meter.times(of: beyond)
        #expect(own?.run.count == 1 && own?.wait.count == 0)
    }
}
