import Foundation
import GodwitCore
import GodwitTesting
import Testing

@testable import Godwit

@Suite("Workers", .timeLimit(.minutes(2)))
struct WorkerTests {
    @Test("no more jobs run at a time than the concurrency says, and all of them do")
    func concurrency() async throws {
        try await withMemory { client in
            let counts = Guarded((now: 0, most: 0, all: 0))
            var worker = Worker(client, concurrency: 3)
            worker.handle(Note.self) { _, _ in
                counts.withLock { counts in
                    counts.now += 1
                    counts.all += 1
                    counts.most = max(counts.most, counts.now)
                }
                for _ in 0..<20 { await Task.yield() }
                counts.withLock { $0.now -= 1 }
            }
            try await client.enqueue(contentsOf: (0..<200).map { Note(text: "\($0)") })
            try await running(worker) {
                try await eventually { try await client.queue("notes")?.counts.succeeded == 200 }
            }
            #expect(counts.withLock { $0.all } == 200)
            #expect(counts.withLock { $0.most } == 3)
        }
    }

    @Test("what curl publishes a Swift worker runs: raw JSON with a name")
    func rawJSON() async throws {
        try await withMemory { client in
            var worker = Worker(client, concurrency: 1)
            worker.handle(Dated.self) { job, _ in
                #expect(job.blob == Data([0, 1, 255]))
                return job.at
            }
            try await running(worker) {
                let payload = Bytes(#"{ "at": "2026-11-24T23:07:43+01:00", "blob": "AAH/", "more": [1] }"#)
                let message = NewMessage(queue: try QueueName("default"), payload: Content(payload), name: "dated")
                let id = try #require(try await client.broker.commit(Transaction(.enqueue(message))).first?.jobID)
                #expect(try await client.handle(for: Dated.self, id: id).result() == Date(timeIntervalSince1970: 1_795_558_063))
                #expect(try await client.broker.result(of: id)?.bytes.text == #""2026-11-24T22:07:43.000Z""#)
            }
        }
    }

    @Test("a handler sees which attempt it is, and what travelled with the job")
    func context() async throws {
        let jobs = try await TestJobs()
        let seen = Guarded<[JobContext]>([])
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self, retry: .constant(.seconds(1), maxAttempts: 2)) { _, context in
            seen.withLock { $0.append(context) }
            throw Boom()
        }
        let job = try await jobs.client.enqueue(Greet(who: "you"), headers: ["Tenant": "a"])
        try await jobs.advance(by: .seconds(5), running: worker)
        let contexts = seen.withLock { $0 }
        #expect(contexts.map(\.attempt) == [1, 2])
        #expect(contexts.map(\.isLastAttempt) == [false, true])
        #expect(contexts.allSatisfy { $0.maxAttempts == 2 && $0.queue == "default" && $0.name == "greet" && $0.id == job.id })
        #expect(contexts.allSatisfy { $0.headers["tenant"] == "a" })
        #expect(Set(contexts.map(\.idempotencyKey)).count == 1)
        let fencing = try contexts.map { try #require($0.fencingToken) }
        #expect(fencing[0] < fencing[1])
        await jobs.close()
    }

    @Test("follow-ups are there when the job has completed, and never were when its attempt failed")
    func followUps() async throws {
        let jobs = try await TestJobs()
        let fails = Guarded(true)
        var worker = Worker(jobs.client, concurrency: 1, queues: ["default"])
        worker.handle(Greet.self, retry: .constant(.seconds(1))) { job, context in
            context.enqueue(Note(text: "a"))
            context.enqueue(Note(text: "b"), delay: .seconds(60))
            if fails.withLock({ $0 }) { throw Boom() }
            return job.who
        }
        // A full queue refuses no follow-up.
        try await jobs.client.configure(queue: "notes") { $0.maxJobs = 1 }
        try await jobs.client.enqueue(Note(text: "full"))
        try await jobs.client.enqueue(Greet(who: "you"))
        #expect(try await jobs.runDue(worker).map(\.state) == [.retrying])
        #expect(try await jobs.enqueued(Note.self) == [Note(text: "full")])
        fails.withLock { $0 = false }
        #expect(try await jobs.advance(by: .seconds(1), running: worker).map(\.state) == [.succeeded])
        #expect(try await jobs.enqueued(Note.self) == [Note(text: "full"), Note(text: "a"), Note(text: "b")])
        await jobs.close()
    }

    @Test("a follow-up that cannot be encoded, or completions over a limit, fail the job with the reason")
    func refusedCompletions() async throws {
        struct Infinite: Job {
            static let name = "infinite"
            var value = Double.infinity
        }
        let jobs = try await TestJobs()
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self, retry: .never) { job, context in
            switch job.who {
            case "infinite": context.enqueue(Infinite())
            case "many": for index in 0..<1_000 { context.enqueue(Note(text: "\(index)")) }
            default: return String(repeating: "x", count: 17 << 20)
            }
            return ""
        }
        for who in ["infinite", "many", "large"] {
            let job = try await jobs.client.enqueue(Greet(who: who))
            #expect(try await jobs.runDue(worker).map(\.state) == [.failed], "\(who)")
            let error = try await job.status.error
            #expect(error?.code == (who == "infinite" ? "EncodingError" : "too_large"), "\(error?.message ?? "")")
        }
        #expect(try await jobs.enqueued(Note.self).isEmpty)
        await jobs.close()
    }

    @Test("a job without a handler fails with a clear code and is tried again, for another worker may know it")
    func unknownJob() async throws {
        let jobs = try await TestJobs()
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self) { job, _ in job.who }
        let message = NewMessage(queue: try QueueName("default"), payload: Content("{}"), name: "strange")
        let id = try #require(try await jobs.client.broker.commit(Transaction(.enqueue(message))).first?.jobID)
        let attempts = try await jobs.runDue(worker)
        #expect(attempts.map(\.state) == [.retrying])
        let error = try await jobs.client.snapshot(of: id).errors.last
        #expect(error?.code == "unknown_job")
        #expect(error?.message.contains("no handler for jobs of the name \"strange\"") == true)
        await jobs.close()
    }

    @Test("a payload that is no such job fails for good, with the decoding error")
    func unreadablePayload() async throws {
        let jobs = try await TestJobs()
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self) { job, _ in job.who }
        for (payload, text) in [
            (#"{"whom":"x"}"#, "\"who\" is missing"), (#"{"who":7}"#, "at \"who\""), ("no json", "the payload is no Greet"),
        ] {
            let message = NewMessage(queue: try QueueName("default"), payload: Content(Bytes(payload)), name: "greet")
            let id = try #require(try await jobs.client.broker.commit(Transaction(.enqueue(message))).first?.jobID)
            #expect(try await jobs.runDue(worker).map(\.state) == [.failed])
            let error = try await jobs.client.snapshot(of: id).errors.last
            #expect(error?.code == "invalid_payload")
            #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
        }
        await jobs.close()
    }

    @Test("a handler can fail a job for good, or say when the next attempt is")
    func failures() async throws {
        let jobs = try await TestJobs()
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self) { job, context in
            guard context.attempt == 1 else { return "late" }
            if job.who == "nobody" { throw JobFailure.permanent("there is nobody", code: "nobody") }
            throw JobFailure.retry(after: .seconds(90), "slow down")
        }
        let lost = try await jobs.client.enqueue(Greet(who: "nobody"))
        let later = try await jobs.client.enqueue(Greet(who: "you"))
        #expect(try await jobs.runDue(worker).map(\.state) == [.failed, .retrying])
        #expect(try await lost.status.error?.code == "nobody")
        #expect(try await lost.status.error?.message == "there is nobody")
        #expect(try await later.status.runAt == jobs.now + 90)
        #expect(try await jobs.advance(by: .milliseconds(89_999), running: worker).isEmpty)
        #expect(try await jobs.advance(by: .milliseconds(1), running: worker).map(\.state) == [.succeeded])
        await jobs.close()
    }

    @Test("error trackers hear of each failed attempt")
    func observer() async throws {
        let jobs = try await TestJobs()
        let heard = Guarded<[String]>([])
        var worker = Worker(
            jobs.client,
            concurrency: 1,
            onError: { error, context in heard.withLock { $0.append("\(error) \(context.attempt)") } }
        )
        worker.handle(Greet.self, retry: .constant(.seconds(1), maxAttempts: 2)) { _, _ in throw Boom() }
        try await jobs.client.enqueue(Greet(who: "you"))
        try await jobs.advance(by: .seconds(10), running: worker)
        #expect(heard.withLock { $0 } == ["Boom() 1", "Boom() 2"])
        await jobs.close()
    }

    @Test("a job whose handler waits longer than any delay may be comes back after the longest one")
    func longDelay() async throws {
        let jobs = try await TestJobs()
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self) { _, _ in throw JobFailure.retry(after: .seconds(4_000 * 86_400), "later") }
        let job = try await jobs.client.enqueue(Greet(who: "you"))
        #expect(try await jobs.runDue(worker).map(\.state) == [.retrying])
        #expect(try await job.status.runAt == jobs.now + 3_650 * 86_400)
        await jobs.close()
    }

    @Test("cancelling a running job cancels its handler's task with the next heartbeat")
    func cancelRunning() async throws {
        try await withMemory { client in
            let state = Guarded("")
            var worker = Worker(client, concurrency: 1, lease: .milliseconds(600))
            worker.handle(Greet.self) { job, _ in
                if job.who == "me" { return job.who }
                state.withLock { $0 = "running" }
                do { try await Task.sleep(for: .seconds(60)) } catch { state.withLock { $0 = "cancelled" } }
                return ""
            }
            try await running(worker) {
                let job = try await client.enqueue(Greet(who: "you"))
                await state.wait { $0 == "running" }
                #expect(try await job.cancel() == .cancelled)
                await state.wait { $0 == "cancelled" }
                #expect(try await job.status.state == .cancelled)
                // Its slot is free again.
                let next = try await client.enqueue(Greet(who: "me"))
                #expect(try await next.result() == "me")
            }
        }
    }

    @Test("a handler that cancels its own task cancels no other job")
    func cancelsItself() async throws {
        try await withMemory { client in
            var worker = Worker(client, concurrency: 1)
            worker.handle(Greet.self) { job, _ in
                let isCancelled = Task.isCancelled
                withUnsafeCurrentTask { $0?.cancel() }
                return isCancelled ? "cancelled" : job.who
            }
            let handles = try await client.enqueue(contentsOf: ["a", "b", "c"].map { Greet(who: $0) })
            try await running(worker) {
                var results: [String] = []
                for handle in handles { results.append(try await handle.result()) }
                #expect(results == ["a", "b", "c"])
            }
        }
    }

    @Test("a handler that cancels its own task cancels neither another job nor the test that runs it")
    func cancelsItselfInATest() async throws {
        let jobs = try await TestJobs()
        let cancelled = Guarded<[Bool]>([])
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self) { job, _ in
            let isCancelled = Task.isCancelled
            cancelled.withLock { $0.append(isCancelled) }
            withUnsafeCurrentTask { $0?.cancel() }
            return job.who
        }
        for who in ["a", "b", "c"] { try await jobs.client.enqueue(Greet(who: who)) }
        #expect(try await jobs.runDue(worker).map(\.state) == [.succeeded, .succeeded, .succeeded])
        #expect(cancelled.withLock { $0 } == [false, false, false] && !Task.isCancelled)
        await jobs.close()
    }

    @Test(
        "a mistake in the set-up fails the start",
        arguments: [
            "duplicate_handler", "duplicate_schedule", "invalid_schedule", "unknown_time_zone", "invalid_setting", "nothing_to_do",
        ]
    )
    func mistakes(_ code: String) async throws {
        try await withMemory { client in
            var worker = Worker(client, concurrency: code == "invalid_setting" ? 0 : 1)
            switch code {
            case "duplicate_handler":
                worker.handle(Greet.self) { job, _ in job.who }
                worker.handle(Greet.self) { job, _ in job.who }
            case "duplicate_schedule":
                for _ in 0..<2 { worker.schedule("a", .every(.seconds(60))) { _ in Note(text: "") } }
            case "invalid_schedule": worker.schedule("a", .cron("61 * * * *")) { _ in Note(text: "") }
            case "unknown_time_zone": worker.schedule("a", .cron("0 * * * *", in: "Europe/Atlantis")) { _ in Note(text: "") }
            case "nothing_to_do": break
            default: worker.handle(Greet.self) { job, _ in job.who }
            }
            let failing = worker
            let error = await #expect(throws: WorkerError.self) { try await failing.run() }
            #expect(error?.code.rawValue == code)
        }
    }

    @Test(
        "a retry policy that cannot be followed fails the start",
        arguments: [
            RetryPolicy.exponential(maxAttempts: 0), .exponential(factor: .nan), .exponential(factor: 0.5),
            .exponential(base: .seconds(-1)),
            .exponential(cap: .seconds(4_000 * 86_400)), .constant(.seconds(-1)),
        ]
    )
    func badPolicies(_ policy: RetryPolicy) async throws {
        try await withMemory { client in
            var worker = Worker(client, concurrency: 1)
            worker.handle(Greet.self, retry: policy) { job, _ in job.who }
            let failing = worker
            #expect(await #expect(throws: WorkerError.self) { try await failing.run() }?.code == .invalidSetting)
        }
    }

    @Test("a worker whose store is closed under it says so")
    func closedStore() async throws {
        let client = try await JobClient.open("memory:", logger: quiet)
        var worker = Worker(client, concurrency: 1)
        let isRunning = Guarded(false)
        worker.handle(Note.self) { _, _ in isRunning.withLock { $0 = true } }
        let failing = worker
        let run = Task { try await failing.run() }
        try await client.enqueue(Note(text: ""))
        await isRunning.wait { $0 }
        await client.close()
        #expect(await #expect(throws: BrokerError.self) { try await run.value }?.code == .closed)
    }
}
