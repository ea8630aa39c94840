import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Bounds of queues and messages in batches", .timeLimit(.minutes(1)))
struct BatchBoundsTests {
    private func publish(_ store: Fixture, _ count: Int) async throws {
        var batch = MessageBatch(to: BatchQueues(.work))
        for index in 0..<count { #expect(Array("\(index)".utf8).withUnsafeBytes { batch.append($0) }) }
        let result: Result<PublishedRange, BrokerError> = await withCheckedContinuation { continuation in
            store.engine.publish(batch) { continuation.resume(returning: $0) }
        }
        _ = try result.get()
    }

    @Test("a batch in a queue with a time to live expires, and one in a full queue drops the oldest or is refused")
    func bounds() async throws {
        var store = try await Fixture()
        try await store.configure { $0.ttl = .seconds(5) }
        try await publish(store, 3)
        store = try await store.killed()
        await store.clock.advance(by: .seconds(5))
        #expect(try await store.status().counts.expired == 3)
        try await store.configure {
            $0.maxJobs = 4
            $0.overflow = .dropOldest
        }
        try await publish(store, 3)
        try await publish(store, 3)
        #expect(try await store.status().counts.queued == 4)
        #expect(try await store.status().totals.dropped == 2)
        _ = await expectError(.tooLarge) { try await publish(store, 5) }
        try await store.configure { $0.maxJobs = 4 }
        _ = await expectError(.busy) { try await publish(store, 1) }
        let again = try await store.killed()
        #expect(try await again.lease(9).map(\.text) == ["2", "0", "1", "2"])
    }
}
