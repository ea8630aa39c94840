import GodwitCore
import GodwitJournal
import Synchronization
import Testing

@testable import GodwitEngine

/// How often each job ran.
private final class Tally: Sendable {
    let counts = Mutex<[String: Int]>([:])
}

@Suite("Many callers at once, on real time", .timeLimit(.minutes(2)))
struct ConcurrencyTests {
    @Test("many publishers and workers: every job runs once, in sync with the storage's syncs")
    func everything() async throws {
        let storage = MemoryStorage()
        let engine = try await Engine.open(storage: storage, options: EngineOptions())
        let publishers = 8, each = 150, workers = 6
        let done = Tally()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for publisher in 0..<publishers {
                group.addTask {
                    for index in 0..<each {
                        let message = NewMessage(queue: .work, payload: Content(Bytes("\(publisher)-\(index)")))
                        _ = try await engine.commit([Transaction(.enqueue(message))])[0].get()
                    }
                }
            }
            for worker in 0..<workers {
                group.addTask {
                    let holder = try await engine.open(
                        HolderOptions(id: HolderID("w\(worker)"), queues: [.work], capacity: 10, isEmbedded: true)
                    )
                    while done.counts.withLock({ $0.count }) < publishers * each {
                        let jobs = try await holder.lease(max: 10, term: .queue, wait: .milliseconds(200))
                        let outcomes = try await holder.renew(jobs.map { Renewal($0.token) })
                        #expect(outcomes.allSatisfy { $0 == .good(remaining: .seconds(30)) })
                        for outcome in try await engine.commit(jobs.map { Transaction(.complete($0.token, result: $0.payload)) }) {
                            _ = try outcome.get()
                        }
                        done.counts.withLock { done in for job in jobs { done[job.text, default: 0] += 1 } }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(done.counts.withLock { $0.count } == publishers * each)
        #expect(done.counts.withLock { $0.values.allSatisfy { $0 == 1 } })
        let status = try #require(try await engine.queue(.work))
        #expect(status.counts.succeeded == publishers * each && status.counts.unfinished == 0)
        // Many messages, few syncs.
        let syncs = storage.calls[.sync] ?? 0
        #expect(syncs > 0 && syncs < publishers * each * 3)
        await engine.close()
        let again = try await Engine.open(storage: storage.crash(seed: 3), options: EngineOptions())
        #expect(try await again.queue(.work)?.counts.succeeded == publishers * each)
        await again.close()
    }

    @Test("waits that are cancelled while jobs come lose no job")
    func cancelledWaits() async throws {
        let engine = try await Engine.open(storage: MemoryStorage(), options: EngineOptions())
        let holder = try await engine.open(HolderOptions(id: HolderID("h"), queues: [.work], capacity: 1, isEmbedded: false))
        let total = 200
        let publisher = Task {
            for index in 0..<total {
                _ = try await engine.commit([Transaction(.enqueue(NewMessage(queue: .work, payload: Content(Bytes("\(index)")))))])
            }
        }
        var seen: Set<String> = []
        let deadline = ContinuousClock.now + .seconds(60)
        while seen.count < total, ContinuousClock.now < deadline {
            let wait = Task { try await holder.lease(max: 3, term: .fixed(.seconds(600)), wait: .seconds(1)) }
            let yields = seen.count % 2 == 0
            let canceller = Task {
                if yields { await Task.yield() }
                wait.cancel()
            }
            let jobs = try await wait.value
            await canceller.value
            for job in jobs {
                #expect(seen.insert(job.text).inserted)
                #expect(job.job.attempt == 1)
            }
            if jobs.isEmpty {
                // One that nobody cancels.
                for job in try await holder.lease(max: 3, term: .fixed(.seconds(600)), wait: .milliseconds(20)) {
                    #expect(seen.insert(job.text).inserted)
                    #expect(job.job.attempt == 1)
                }
            }
        }
        try await publisher.value
        #expect(seen.count == total)
        #expect(try await engine.queue(.work)?.counts.running == total)
        await engine.close()
    }

    @Test("leases expire and delays end on real time, without anybody asking")
    func realTime() async throws {
        let engine = try await Engine.open(storage: MemoryStorage(), options: EngineOptions())
        var message = NewMessage(queue: .work, payload: Content("1"))
        message.start = .after(.milliseconds(30))
        let published = ContinuousClock.now
        _ = try await engine.commit([Transaction(.enqueue(message))])[0].get()
        let holder = try await engine.open(HolderOptions(id: HolderID("h"), queues: [.work], capacity: 1, isEmbedded: false))
        let first = try await holder.lease(max: 1, term: .fixed(.milliseconds(100)), wait: .seconds(20))
        #expect(first.count == 1 && ContinuousClock.now - published >= .milliseconds(29))
        let second = try await holder.lease(max: 1, term: .fixed(.milliseconds(100)), wait: .seconds(20))
        #expect(second.first?.deliveries == 2 && second.first?.job.errors.map(\.code) == [FailureCode.leaseExpired])
        await engine.close()
    }
}
