import Godwit
import GodwitTesting
import Testing

@Suite("Batches and what follows jobs", .timeLimit(.minutes(1)))
struct JobBatchTests {
    @Test("when all jobs of a batch have ended, what follows is enqueued, once, whoever tries again")
    func batch() async throws {
        let jobs = try await TestJobs()
        let batch = try jobs.client.batch("greetings", of: 4, then: [.enqueue(Note(text: "all"))])
        #expect(try await batch.progress == JobBatch.Progress(done: 0, total: 4))
        let handles = try await jobs.client.enqueue(
            contentsOf: ["a", "b", "c"].map { Greet(who: $0) },
            onFinal: { [batch.step($0.who)] }
        )
        var worker = Worker(jobs.client, concurrency: 2)
        worker.handle(Greet.self, retry: .never) { job, _ in
            if job.who == "b" { throw Boom() }
            return ""
        }
        _ = try await jobs.runDue(worker)
        #expect(try await batch.progress.done == 3)
        #expect(try await jobs.enqueued(Note.self).isEmpty)
        // Retried, a job is the same step.
        try await handles[1].retry()
        _ = try await jobs.runDue(worker)
        #expect(try await batch.progress.done == 3)
        #expect(try await batch.finish(step: "by hand").isComplete)
        #expect(try await batch.finish(step: "by hand").isComplete)
        #expect(try await jobs.enqueued(Note.self) == [Note(text: "all")])
        await jobs.close()
    }

    @Test("what follows says after which ends, and can itself be followed, cancel, and be what a handler enqueues")
    func followUps() async throws {
        let jobs = try await TestJobs()
        let other = try await jobs.client.enqueue(Note(text: "other"), delay: .seconds(600))
        try await jobs.client.enqueue(
            Greet(who: "you"),
            onFinal: [
                .enqueue(Note(text: "succeeded"), onFinal: [.enqueue(Note(text: "last"))], when: .succeeded),
                .enqueue(Note(text: "failed"), when: [.failed, .expired]), .cancel(other.id),
            ]
        )
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self) { job, context in
            if job.who == "you" { context.enqueue(Greet(who: "next"), onFinal: [try .enqueue(Note(text: "after next"))]) }
            return ""
        }
        _ = try await jobs.runDue(worker)
        #expect(try await Set(jobs.enqueued(Note.self).map(\.text)) == ["succeeded", "after next"])
        #expect(try await other.status.state == .cancelled)
        worker.handle(Note.self) { _, _ in }
        #expect(try await jobs.runDue(worker).count == 3)
        await jobs.close()
    }

    @Test("a batch's name and size are checked")
    func limits() async throws {
        let jobs = try await TestJobs()
        let long = String(repeating: "n", count: 201)
        for (name, count, field) in [("", 1, "name"), (long, 1, "name"), ("n", 0, "count"), ("n", 100_001, "count")] {
            let error = #expect(throws: BrokerError.self) { try jobs.client.batch(name, of: count) }
            #expect(error?.code == .invalidArgument && error?.field == field)
        }
        let empty = try jobs.client.batch("n", of: 1)
        let error = await #expect(throws: BrokerError.self) { try await empty.finish(step: "") }
        #expect(error?.field == "step")
        await jobs.close()
    }
}
