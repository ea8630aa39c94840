import Foundation
import GodwitCore
import Testing

@testable import Godwit

@Suite("Leases of live and dead workers", .timeLimit(.minutes(2)), .serialized)
struct LeaseKeepingTests {
    @Test("handlers that block every thread for three lease times keep their leases")
    func blocking() async throws {
        try await withTemporaryFolder { folder in
            let client = try await JobClient.open("embedded:\(folder)", logger: quiet)
            let lease = Duration.milliseconds(500)
            // More handlers than the cooperative pool has threads.
            let count = ProcessInfo.processInfo.activeProcessorCount * 2
            let runs = Guarded(0)
            var worker = Worker(client, concurrency: count, lease: lease)
            worker.handle(Note.self) { _, _ in
                runs.withLock { $0 += 1 }
                usleep(UInt32((lease * 3).inSeconds * 1_000_000))
            }
            let jobs = try await client.enqueue(contentsOf: (0..<count).map { Note(text: "\($0)") })
            try await running(worker) {
                for job in jobs { try await job.result() }
            }
            for job in jobs {
                let status = try await job.status
                #expect(status.attempt == 1)
                #expect(status.errors.isEmpty)
            }
            #expect(runs.withLock { $0 } == count)
            await client.close()
        }
    }

    @Test("a job that comes while every thread is blocked, and slots are free, is leased and kept until it can run")
    func arrivesWhileBlocked() async throws {
        try await withTemporaryFolder { folder in
            let client = try await JobClient.open("embedded:\(folder)", logger: quiet)
            let lease = Duration.milliseconds(500)
            let threads = ProcessInfo.processInfo.activeProcessorCount
            let blocked = Guarded(0)
            let runs = Guarded(0)
            var worker = Worker(client, concurrency: threads * 3, lease: lease)
            worker.handle(Note.self) { _, _ in
                blocked.withLock { $0 += 1 }
                usleep(UInt32((lease * 4).inSeconds * 1_000_000))
            }
            worker.handle(Greet.self, timeout: lease * 2) { job, _ in
                runs.withLock { $0 += 1 }
                return job.who
            }
            let late = try await running(worker) {
                // Enqueued by a thread of its own, for it, too, finds no thread of the pool.
                let thread = try ThreadExecutor(named: "late")
                let enqueueing = Task(executorPreference: thread) {
                    await blocked.wait { $0 >= threads }
                    return try await client.enqueue(Greet(who: "you"))
                }
                try await client.enqueue(contentsOf: (0..<threads).map { Note(text: "\($0)") })
                let job = try await enqueueing.value
                _ = try await job.result()
                thread.stop()
                return job
            }
            let status = try await late.status
            #expect(status.attempt == 1)
            #expect(status.errors.isEmpty)
            #expect(runs.withLock { $0 } == 1)
            await client.close()
        }
    }

    @Test("a dead worker's job runs elsewhere within one lease time, and what the dead one says later does not count")
    func takesOver() async throws {
        try await withMemory { client in
            let lease = Duration.seconds(1)
            let job = try await client.enqueue(Greet(who: "you"))
            // A worker that leased the job and was never heard of again.
            let dead = try await client.broker.open(
                HolderOptions(id: HolderID("dead"), queues: [try QueueName("default")], capacity: 1, isEmbedded: true)
            )
            let delivery = try #require(try await dead.lease(max: 1, term: .fixed(lease), wait: .zero).first)
            let leasedAt = ContinuousClock.now
            var worker = Worker(client, concurrency: 1)
            worker.handle(Greet.self) { job, context in "attempt \(context.attempt)" }
            let result = try await running(worker) { try await job.result() }
            #expect(result == "attempt 2")
            let took = ContinuousClock.now - leasedAt
            #expect(took > lease - .milliseconds(50))
            #expect(try await job.status.error?.code == "lease_expired")
            let late = try await client.broker.commit([Transaction(.complete(delivery.token, result: nil))])
            guard case .aborted(_, let error) = late[0] else {
                Issue.record("a stale lease completed a job")
                return
            }
            #expect(error.code == .staleLease)
        }
    }

    @Test("what a process held when its store was closed runs when the store is opened again, long before the lease ends")
    func reopened() async throws {
        try await withTemporaryFolder { folder in
            let first = try await JobClient.open("embedded:\(folder)", logger: quiet)
            let id = try await first.enqueue(Greet(who: "you")).id
            let holder = try await first.broker.open(
                HolderOptions(id: HolderID("dead"), queues: [try QueueName("default")], capacity: 1, isEmbedded: true)
            )
            let leased = try await holder.lease(max: 1, term: .fixed(.seconds(3_600)), wait: .zero)
            #expect(leased.count == 1)
            await first.close()
            let second = try await JobClient.open("embedded:\(folder)", logger: quiet)
            var worker = Worker(second, concurrency: 1)
            worker.handle(Greet.self) { job, _ in job.who }
            let result = try await running(worker) { try await second.handle(for: Greet.self, id: id).result() }
            #expect(result == "you")
            await second.close()
        }
    }

    @Test("a worker whose lease was taken away cancels its handler and settles nothing")
    func lostLease() async throws {
        try await withMemory { client in
            let attempts = Guarded(0)
            var worker = Worker(client, concurrency: 1, lease: .milliseconds(600))
            worker.handle(Greet.self) { _, context in
                attempts.withLock { $0 += 1 }
                if context.attempt == 1 { try await Task.sleep(for: .seconds(60)) }
                return "attempt \(context.attempt)"
            }
            try await running(worker) {
                let job = try await client.enqueue(Greet(who: "you"))
                await attempts.wait { $0 == 1 }
                // Somebody cancels the job and queues it again: the running attempt's lease is stale.
                try await job.cancel()
                try await job.retry()
                #expect(try await job.result() == "attempt 2")
            }
        }
    }
}
