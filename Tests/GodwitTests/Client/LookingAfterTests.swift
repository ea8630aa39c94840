import Foundation
import Godwit
import GodwitTesting
import Testing

@Suite("Looking after jobs from Swift", .timeLimit(.minutes(1)))
struct LookingAfterTests {
    private func statuses(_ list: JobList) async throws -> [JobStatus] {
        var statuses: [JobStatus] = []
        for try await status in list { statuses.append(status) }
        return statuses
    }

    /// Fails all that is due.
    private func fail(_ jobs: TestJobs) async throws {
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Greet.self, retry: .never) { _, _ in throw JobFailure.permanent("no", code: "no") }
        _ = try await jobs.runDue(worker)
    }

    @Test("jobs are listed by queue, state, name and reason, however many there are")
    func list() async throws {
        let jobs = try await TestJobs()
        let client = jobs.client
        let notes = try await client.enqueue(contentsOf: (0..<2_100).map { Note(text: "\($0)") })
        try await client.enqueue(Greet(who: "you"))
        try await fail(jobs)
        #expect(try await statuses(client.list(queue: "notes", oldestFirst: true)).map(\.id) == notes.map(\.id))
        #expect(try await statuses(client.list(queue: "notes")).map(\.id) == notes.map(\.id).reversed())
        let failed = try await statuses(client.list(state: .failed, name: "greet", reason: .rejected))
        #expect(failed.map(\.reason) == [.rejected] && failed.map(\.error?.code) == ["no"])
        #expect(try await statuses(client.list(reason: .expired)).isEmpty)
        #expect(try await statuses(client.list(queue: "none")).isEmpty)
        #expect(throws: BrokerError.self) { try client.list(queue: "") }
        await jobs.close()
    }

    @Test("waiting jobs are browsed with their payloads, and stay where they are")
    func browse() async throws {
        let jobs = try await TestJobs()
        for number in 0..<120 { try await jobs.client.enqueue(Note(text: "\(number)"), headers: ["N": "\(number)"]) }
        var payloads: [String] = [], headers: [String?] = []
        for try await job in try jobs.client.browse(queue: "notes") {
            payloads.append(job.payload.map { String(decoding: $0, as: UTF8.self) } ?? "")
            headers.append(job.headers["n"])
            #expect(job.contentType == "application/json" && job.status.state == .queued && job.id == job.status.id)
        }
        #expect(payloads == (0..<120).map { #"{"text":"\#($0)"}"# } && headers == (0..<120).map { "\($0)" })
        #expect(try await jobs.client.queue("notes")?.counts.queued == 120)
        await #expect(throws: BrokerError.self) { for try await _ in try jobs.client.browse(queue: "none") {} }
        await jobs.close()
    }

    @Test("a dead letter says what it died of, and is redriven alone or by reason")
    func redrive() async throws {
        let jobs = try await TestJobs()
        let client = jobs.client
        try await client.configure(queue: "default") { $0.deadLetterQueue = "dead" }
        let first = try await client.enqueue(Greet(who: "a"))
        try await client.enqueue(Greet(who: "b"))
        try await fail(jobs)
        let letters = try await statuses(client.list(queue: "dead", oldestFirst: true))
        let death = try #require(letters.first?.deaths.first)
        #expect(death.queue == "default" && death.reason == .rejected && death.count == 1 && death.job == first.id)
        #expect(death.attempt == 1 && death.firstAt == death.lastAt)
        let again = try await client.redrive(letters[0].id)
        #expect(try await client.handle(for: Greet.self, id: again).status.queue == "default")
        #expect(try await client.redrive(queue: "dead", reason: .expired) == (0, 0))
        #expect(try await client.redrive(queue: "dead", reason: .rejected) == (1, 0))
        #expect(try await client.queue("default")?.counts.queued == 2)
        let error = try await #require(throws: BrokerError.self) { try await client.redrive(first.id) }
        #expect(error.code == .wrongState)
        await jobs.close()
    }

    @Test("what is refused a second chance is counted beside what got one")
    func redriveRefused() async throws {
        var options = EmbeddedOptions()
        options.maxQueues = 2
        let client = try await JobClient.open("memory:", embedded: options, logger: quiet)
        try await client.configure(queue: "default") { $0.deadLetterQueue = "dead" }
        let job = try await client.enqueue(Greet(who: "a"))
        var worker = Worker(client, concurrency: 1)
        worker.handle(Greet.self) { _, _ in throw JobFailure.permanent("no") }
        let running = Task { [worker] in try await worker.run() }
        await #expect(throws: JobError.self) { _ = try await job.result() }
        running.cancel()
        try await running.value
        // Nowhere to go back to: the queue that it came from is gone, and there is no room for another one.
        try await client.delete(queue: "default", purging: true)
        try await client.configure(queue: "third") { $0.maxJobs = 10 }
        #expect(try await client.redrive(queue: "dead") == (0, 1))
        await client.close()
    }

    @Test("a job is looked at, cancelled and retried by its id, whatever its type; all queues are listed")
    func byID() async throws {
        let jobs = try await TestJobs()
        let client = jobs.client
        let id = try await client.enqueue(Greet(who: "a")).id
        #expect(try await client.status(of: id).state == .queued)
        #expect(try await client.cancel(id) == .cancelled)
        #expect(try await client.status(of: id).state == .cancelled)
        #expect(try await client.retry(id) == .queued)
        #expect(try await #require(throws: BrokerError.self) { try await client.retry(id) }.code == .wrongState)
        #expect(try await #require(throws: BrokerError.self) { try await client.status(of: JobID("none")) }.code == .jobNotFound)
        try await client.enqueue(Note(text: "a"))
        #expect(try await client.queues().map(\.queue) == ["default", "notes"])
        await jobs.close()
    }

    @Test("final jobs are forgotten, queues and batches are deleted")
    func removal() async throws {
        let jobs = try await TestJobs()
        let client = jobs.client
        let job = try await client.enqueue(Greet(who: "a"))
        #expect(try await #require(throws: BrokerError.self) { try await client.forget(job.id) }.code == .wrongState)
        try await fail(jobs)
        try await client.forget(job.id)
        #expect(try await #require(throws: BrokerError.self) { try await job.status }.code == .jobForgotten)
        try await client.enqueue(Note(text: "a"))
        #expect(try await #require(throws: BrokerError.self) { try await client.delete(queue: "notes") }.code == .queueNotEmpty)
        try await client.delete(queue: "notes", purging: true)
        #expect(try await client.queue("notes") == nil)
        let batch = try client.batch("b", of: 2)
        try await batch.finish(step: "1")
        try await batch.delete()
        try await batch.delete()
        #expect(try await batch.progress.done == 0)
        #expect(throws: BrokerError.self) { try client.batch("a\nb", of: 2) }
        await jobs.close()
    }

    @Test("what a handler enqueues, and what follows an end, can say all that a job can")
    func options() async throws {
        let jobs = try await TestJobs()
        let client = jobs.client
        var worker = Worker(client, concurrency: 1, queues: ["default"])
        worker.handle(Greet.self) { job, context in
            context.enqueue(Note(text: "ordered"), group: "g", claim: "c")
            context.enqueue(Note(text: "brief"), transient: true)
            return job.who
        }
        let date = jobs.now + 600
        try await client.enqueue(
            Greet(who: "you"),
            onFinal: [.enqueue(Note(text: "later"), at: date), .enqueue(Note(text: "brief"), transient: true)]
        )
        _ = try await jobs.runDue(worker)
        let notes = try await statuses(client.list(queue: "notes", oldestFirst: true))
        #expect(notes.map(\.group) == ["g", nil, nil, nil])
        #expect(notes.map(\.isTransient) == [false, true, false, true])
        #expect(notes[2].state == .scheduled && notes[2].runAt == date)
        #expect(try await client.enqueue(Note(text: "again"), claim: "c").id == notes[0].id)
        await jobs.close()
    }
}
