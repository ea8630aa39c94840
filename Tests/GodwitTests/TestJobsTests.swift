import Foundation
import Godwit
import GodwitTesting
import Testing

@Suite("Testing with GodwitTesting", .timeLimit(.minutes(1)))
struct TestJobsTests {
    @Test("what was enqueued is there to be looked at, oldest first, and waits until it is run")
    func enqueued() async throws {
        let jobs = try await TestJobs()
        try await jobs.client.enqueue(Note(text: "a"))
        try await jobs.client.enqueue(Note(text: "b"), delay: .seconds(60))
        try await jobs.client.enqueue(Greet(who: "you"))
        #expect(try await jobs.enqueued(Note.self) == [Note(text: "a"), Note(text: "b")])
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Note.self) { _, _ in }
        let attempts = try await jobs.runDue(worker)
        #expect(attempts.map(\.name) == ["note"])
        #expect(attempts.map(\.queue) == ["notes"])
        #expect(try await jobs.enqueued(Note.self) == [Note(text: "b")])
        await jobs.close()
    }

    @Test("what jobs enqueue runs as well, until nothing is due")
    func quiet() async throws {
        let jobs = try await TestJobs()
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self) { job, context in
            for index in 0..<3 { context.enqueue(Note(text: "\(job.who) \(index)")) }
            return ""
        }
        worker.handle(Note.self) { _, _ in }
        try await jobs.client.enqueue(Greet(who: "you"))
        #expect(try await jobs.runDue(worker).map(\.name) == ["greet", "note", "note", "note"])
        #expect(try await jobs.runDue(worker).isEmpty)
        await jobs.close()
    }

    @Test("time stops where something is due: retries and delays run at their time")
    func advances() async throws {
        let jobs = try await TestJobs()
        let start = jobs.now
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Note.self, retry: .constant(.seconds(30), maxAttempts: 3)) { _, _ in throw Boom() }
        worker.handle(Greet.self) { [jobs] _, _ in "\(Int(jobs.now.timeIntervalSince(start)))" }
        try await jobs.client.enqueue(Note(text: "a"))
        let greeting = try await jobs.client.enqueue(Greet(who: "you"), delay: .seconds(45))
        let attempts = try await jobs.advance(by: .seconds(600), running: worker)
        #expect(attempts.map(\.state) == [.retrying, .retrying, .succeeded, .failed])
        #expect(attempts.allSatisfy { $0.state == .succeeded || $0.error is Boom })
        #expect(try await greeting.result() == "45")
        #expect(jobs.now == start + 600)
        await jobs.close()
    }

    @Test("the same seed gives the same run")
    func deterministic() async throws {
        func run(_ seed: UInt64) async throws -> [Date?] {
            let jobs = try await TestJobs(seed: seed)
            var worker = Worker(jobs.client, concurrency: 1)
            worker.handle(Greet.self, retry: .exponential(base: .seconds(60))) { _, _ in throw Boom() }
            let handles = try await jobs.client.enqueue(contentsOf: (0..<5).map { Greet(who: "\($0)") })
            try await jobs.runDue(worker)
            var times: [Date?] = []
            for handle in handles { times.append(try await handle.status.runAt) }
            await jobs.close()
            return times
        }
        let first = try await run(1)
        #expect(try await run(1) == first)
        #expect(try await run(2) != first)
    }
}
