import GodwitCore
import GodwitTesting
import Synchronization
import Testing

@testable import Godwit

@Suite("Jobs that are held ahead", .timeLimit(.minutes(1)))
struct LeaseAheadTests {
    @Test("what waits behind jobs that turn out to take long goes back, to whoever has a free slot, and does not count as an attempt")
    func givesBack() async throws {
        try await withMemory { client in
            let quick = Guarded(0), ended = Guarded(0), second = Guarded(false), requests = Mutex(0)
            // The first jobs end while the second request for jobs is under way: so some are held ahead after it.
            let broker = FaultyBroker(
                base: client.broker,
                onLease: { () throws(BrokerError) in
                    let number = requests.withLock { requests in
                        requests += 1
                        return requests
                    }
                    guard number == 2 else { return }
                    second.withLock { $0 = true }
                    while ended.withLock({ $0 }) < 2 { SystemThread.sleep(nanoseconds: 100_000) }
                }
            )
            let begun = Guarded(0), done = Guarded(0)
            var worker = Worker(JobClient(broker: broker, logger: quiet), concurrency: 2)
            worker.handle(Note.self) { note, context in
                #expect(context.attempt == 1)
                guard note.text == "slow" else {
                    // One ends, which is worth the second request; the other ends while that is under way.
                    let number = quick.withLock { quick in
                        quick += 1
                        return quick
                    }
                    if number == 2 { await second.wait { $0 } }
                    ended.withLock { $0 += 1 }
                    return
                }
                begun.withLock { $0 += 1 }
                // Long: until all others are done elsewhere.
                await done.wait { $0 == 6 }
            }
            try await client.enqueue(contentsOf: [Note(text: "quick"), Note(text: "quick")] + (0..<8).map { _ in Note(text: "slow") })
            var other = Worker(client, concurrency: 6)
            other.handle(Note.self) { _, context in
                #expect(context.attempt == 1)
                done.withLock { $0 += 1 }
            }
            try await running(worker) {
                await begun.wait { $0 == 2 }
                // Slots are taken, and more are held: nothing of them can run here.
                try await eventually { try await client.queue("notes")?.counts.running ?? 0 > 2 }
                try await running(other) {
                    try await eventually { try await client.queue("notes")?.counts.succeeded == 10 }
                }
            }
            #expect(begun.withLock { $0 } == 2)
        }
    }
}
