import Foundation
import GodwitCore
import GodwitTesting
import Testing

@testable import Godwit

@Suite("Job handles", .timeLimit(.minutes(1)))
struct JobHandleTests {
    @Test("a result comes back as what the handler returned, also to a handle made from the id")
    func results() async throws {
        try await withMemory { client in
            var worker = Worker(client, concurrency: 2)
            worker.handle(Greet.self) { job, _ in "hello \(job.who)" }
            worker.handle(Note.self) { _, _ in }
            worker.handle(Dated.self) { job, _ in job.at }
            try await running(worker) {
                let job = try await client.enqueue(Greet(who: "you"))
                #expect(try await job.result() == "hello you")
                #expect(try await client.handle(for: Greet.self, id: job.id).result() == "hello you")
                try await client.enqueue(Note(text: "x")).result()
                let now = Date(timeIntervalSince1970: 1_790_000_000.123)
                #expect(try await client.enqueue(Dated(at: now, blob: Data([1]))).result() == now)
                let status = try await job.status
                #expect(status.state == .succeeded)
                #expect(status.attempt == 1)
                #expect(status.finishedAt != nil)
                #expect(status.errors.isEmpty)
            }
        }
    }

    @Test("failed, cancelled and expired jobs say so when their result is asked for")
    func endings() async throws {
        let jobs = try await TestJobs()
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self, retry: .never) { _, _ in throw Boom() }
        worker.handle(Careful.self) { _, _ in }
        let failing = try await jobs.client.enqueue(Greet(who: "you"))
        try await jobs.runDue(worker)
        let failed = await #expect(throws: JobError.self) { try await failing.result() }
        #expect(failed?.code == .failed)
        #expect(failed?.message.contains("Boom()") == true)
        #expect(failed?.status.error?.code == "Boom")

        let cancelled = try await jobs.client.enqueue(Greet(who: "you"))
        #expect(try await cancelled.cancel() == .cancelled)
        #expect(try await cancelled.cancel() == .cancelled)
        #expect(await #expect(throws: JobError.self) { try await cancelled.result() }?.code == .cancelled)

        let expired = try await jobs.client.enqueue(Careful(), delay: .seconds(3_600))
        try await jobs.advance(by: .seconds(601))
        #expect(await #expect(throws: JobError.self) { try await expired.result() }?.code == .expired)
        await jobs.close()
    }

    @Test("a failed job can be run again, one attempt more")
    func retries() async throws {
        let jobs = try await TestJobs()
        let isFixed = Guarded(false)
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self, retry: .never) { _, _ in
            guard isFixed.withLock({ $0 }) else { throw Boom() }
            return "done"
        }
        let job = try await jobs.client.enqueue(Greet(who: "you"))
        #expect(try await jobs.runDue(worker).map(\.state) == [.failed])
        isFixed.withLock { $0 = true }
        #expect(try await job.retry() == .queued)
        #expect(try await jobs.runDue(worker).map(\.state) == [.succeeded])
        #expect(try await job.result() == "done")
        #expect(await #expect(throws: BrokerError.self) { try await job.retry() }?.code == .wrongState)
        await jobs.close()
    }

    @Test("an id that was never made is not found")
    func unknown() async throws {
        try await withMemory { client in
            let job = client.handle(for: Greet.self, id: JobID("nothing"))
            #expect(await #expect(throws: BrokerError.self) { try await job.status }?.code == .jobNotFound)
            #expect(await #expect(throws: BrokerError.self) { try await job.result() }?.code == .jobNotFound)
            #expect(await #expect(throws: BrokerError.self) { try await job.cancel() }?.code == .jobNotFound)
        }
    }

    @Test("a slow reader of updates sees the latest, and the final one is the last")
    func updates() async throws {
        try await withMemory { client in
            let steps = Guarded(0)
            var worker = Worker(client, concurrency: 1)
            worker.handle(Greet.self) { _, context in
                for step in 1...50 { try await context.progress(Double(step) / 50, "step \(step)") }
                await steps.wait { $0 == 1 }
                return "done"
            }
            let job = try await client.enqueue(Greet(who: "you"))
            var updates = job.updates.makeAsyncIterator()
            #expect(try await updates.next()?.state == .queued)
            try await running(worker) {
                // Progress is sent while nobody asks.
                try await eventually { try await job.status.progress?.fraction == 1 }
                let running = try await updates.next()
                #expect(running?.state == .running)
                #expect(running?.progress == JobProgress(fraction: 1, note: "step 50"))
                steps.withLock { $0 = 1 }
                #expect(try await updates.next()?.state == .succeeded)
                #expect(try await updates.next() == nil)
            }
        }
    }

    @Test("cancelling the task ends a wait for a result")
    func cancelledWait() async throws {
        try await withMemory { client in
            let job = try await client.enqueue(Greet(who: "you"))
            let waiting = Task { try await job.result() }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            // And one that is under way.
            let isWaiting = Guarded(false)
            let reading = Task {
                for try await _ in job.updates { isWaiting.withLock { $0 = true } }
            }
            await isWaiting.wait { $0 }
            reading.cancel()
            // Cancelled, a loop over a sequence ends or throws.
            await #expect(throws: CancellationError.self) { try await reading.value }
        }
    }

    @Test("a job is cancelled also from a task that was cancelled itself")
    func cancelsWhenCancelled() async throws {
        try await withMemory { client in
            let job = try await client.enqueue(Greet(who: "you"))
            let request = Task {
                do { _ = try await job.result() } catch is CancellationError { try await job.cancel() }
            }
            request.cancel()
            try await request.value
            #expect(try await job.status.state == .cancelled)
        }
    }

    @Test("updates end after what they threw")
    func updatesEnd() async throws {
        try await withMemory { client in
            var updates = client.handle(for: Greet.self, id: JobID("nothing")).updates.makeAsyncIterator()
            await #expect(throws: BrokerError.self) { try await updates.next() }
            let next = try await updates.next()
            #expect(next == nil)
        }
    }

    @Test("a result that is of another type says so")
    func unreadable() async throws {
        try await withMemory { client in
            var worker = Worker(client, concurrency: 1)
            worker.handle(Greet.self) { _, _ in "text" }
            worker.handle(Note.self) { _, _ in }
            try await running(worker) {
                let job = try await client.enqueue(Greet(who: "you"))
                _ = try await job.result()
                let wrong = client.handle(for: Dated.self, id: job.id)
                #expect(await #expect(throws: JobError.self) { try await wrong.result() }?.code == .unreadableResult)
                let empty = try await client.enqueue(Note(text: "x"))
                try await empty.result()
                let none = client.handle(for: Greet.self, id: empty.id)
                #expect(await #expect(throws: JobError.self) { try await none.result() }?.code == .unreadableResult)
            }
        }
    }
}
