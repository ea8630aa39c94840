import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Many messages at a time", .timeLimit(.minutes(1)))
struct BatchTests {
    private func batch(_ bodies: [(text: String, queue: Int)], to queues: [QueueName] = [.work]) throws -> MessageBatch {
        var batch = MessageBatch(to: try BatchQueues(queues), contentType: Content.text)
        for body in bodies { Array(body.text.utf8).withUnsafeBytes { _ = batch.append($0, to: body.queue) } }
        return batch
    }

    private func texts(_ range: Range<Int>) -> [(text: String, queue: Int)] { range.map { ("message \($0)", 0) } }

    private func holder(_ queues: [QueueName] = [.work]) -> HolderOptions {
        HolderOptions(id: HolderID("batches"), queues: queues, capacity: 10, isEmbedded: true)
    }

    private func text(_ bodies: RecordBodies, _ index: Int) -> String { bodies.withBody(index) { String(decoding: $0, as: UTF8.self) } }

    @Test("a published batch is leased with its bodies in its order, and leaves nothing when it is completed")
    func roundTrip() async throws {
        let store = try await Fixture()
        try await store.configure { $0.retention = .none }
        #expect(try await store.engine.publish(batch(texts(0..<300))).count == 300)
        #expect(try await store.status().counts.queued == 300)
        let leased = try await store.engine.lease(200, for: holder())
        let bodies = try store.engine.bodies(of: leased)
        #expect((0..<200).map { text(bodies, $0) } == (0..<200).map { "message \($0)" })
        #expect(try await store.status().counts.running == 200)
        #expect(try await store.engine.complete(leased) == 200)
        #expect(try await store.status().counts == counts(queued: 100))
        #expect(try await store.engine.list(JobQuery()).jobs.count == 100)
        // Once is enough.
        #expect(try await store.engine.complete(leased) == 0)
    }

    private func counts(queued: Int) -> QueueStatus.Counts {
        var counts = QueueStatus.Counts()
        counts.queued = queued
        return counts
    }

    @Test("messages of a batch are jobs like others: delivered, read and settled one by one")
    func likeOthers() async throws {
        let store = try await Fixture()
        let sample = try await store.publish { $0.payload = Content("message 0", type: Content.text) }
        try await store.engine.publish(batch(texts(0..<2)))
        let first = try await store.leaseOne(), second = try await store.leaseOne()
        #expect(first.job.id == sample)
        #expect(second.payload == first.payload && second.job.maxAttempts == first.job.maxAttempts && second.job.name == nil)
        try await store.run(.complete(second.token, result: Content("r")))
        #expect(try await store.engine.result(of: second.job.id) == Content("r"))
    }

    @Test("after a kill, confirmed batches are there, completed ones are not, and leases of this process are over")
    func restart() async throws {
        let store = try await Fixture()
        try await store.configure { $0.retention = .none }
        try await store.engine.publish(batch(texts(0..<50)))
        let done = try await store.engine.lease(10, for: holder())
        _ = try await store.engine.lease(5, for: holder())
        _ = try await store.engine.complete(done)
        let again = try await store.killed()
        #expect(try await again.status().counts == counts(queued: 40))
        let leased = try await again.engine.lease(40, for: holder())
        let bodies = try again.engine.bodies(of: leased)
        #expect(Set((0..<40).map { text(bodies, $0) }) == Set((10..<50).map { "message \($0)" }))
        #expect(try await again.engine.complete(done) == 0)
    }

    @Test("a batch goes to several queues, and is taken whole or not at all")
    func bounds() async throws {
        let store = try await Fixture()
        try await store.configure(.other) { $0.maxJobs = 2 }
        let bodies = (0..<3).flatMap { [("a\($0)", 0), ("b\($0)", 1)] }
        await #expect(throws: BrokerError.self) { try await store.engine.publish(batch(bodies, to: [.work, .other])) }
        #expect(try await store.status().counts.queued == 0)
        try await store.engine.publish(batch(Array(bodies[..<4]), to: [.work, .other]))
        let busy = await #expect(throws: BrokerError.self) {
            try await store.engine.publish(batch(Array(bodies[4...]), to: [.work, .other]))
        }
        #expect(busy?.code == .busy && busy?.retryAfter != nil)
        #expect(try await store.status().counts.queued == 2)
        let leased = try await store.engine.lease(10, for: holder([.other, .work]))
        let read = try store.engine.bodies(of: leased)
        #expect((0..<4).map { text(read, $0) } == ["b0", "b1", "a0", "a1"])
    }

    @Test("where ended jobs are kept, each completion has a record of its own")
    func retention() async throws {
        let store = try await Fixture()
        try await store.engine.publish(batch(texts(0..<3)))
        let ids = try await store.engine.list(JobQuery()).jobs.map(\.id)
        #expect(try await store.engine.complete(try await store.engine.lease(3, for: holder())) == 3)
        for id in ids { #expect(try await store.engine.read([id])[0].snapshot?.state == .succeeded) }
    }

    @Test("a wait for messages ends with the first, or with its time")
    func wait() async throws {
        let store = try await Fixture()
        async let leased = store.engine.lease(10, for: holder(), wait: .seconds(60))
        try await store.engine.publish(batch(texts(0..<1)))
        let count = try await leased.count
        #expect(count == 1)
        async let none = store.engine.lease(10, for: holder(), wait: .seconds(1))
        await store.clock.advance(by: .seconds(2))
        _ = try await store.engine.publish(batch(texts(0..<1)))
        // Either its time was over, or it began so late that it met the message.
        let rest = try await none.count
        #expect(rest <= 1)
    }

    @Test("what makes no sense is refused: no queue, one twice, too many leases")
    func refusals() async throws {
        let store = try await Fixture()
        await #expect(throws: BrokerError.self) { try await store.engine.publish(batch(texts(0..<1), to: [.work, .work])) }
        await #expect(throws: BrokerError.self) { try await store.engine.lease(0, for: holder()) }
        await #expect(throws: BrokerError.self) { try await store.engine.lease(MessageBatch.mostLeased + 1, for: holder()) }
        #expect(try await store.engine.publish(batch([])).count == 0)
        await store.engine.close()
        let closed = await #expect(throws: BrokerError.self) { try await store.engine.publish(batch(texts(0..<1))) }
        #expect(closed?.code == .closed)
    }
}

extension Engine {
    @discardableResult
    fileprivate func publish(_ batch: MessageBatch) async throws -> PublishedRange {
        try await withCheckedThrowingContinuation { continuation in publish(batch) { continuation.resume(with: $0) } }
    }

    func lease(_ max: Int, for holder: HolderOptions, wait: Duration = .zero) async throws -> LeasedBatch {
        try await withCheckedThrowingContinuation { continuation in
            lease(max, for: holder, wait: wait) { continuation.resume(with: $0) }
        }
    }

    func complete(_ batch: LeasedBatch) async throws -> Int {
        try await withCheckedThrowingContinuation { continuation in complete(batch) { continuation.resume(with: $0) } }
    }
}
