import Godwit
import Testing

@Suite("Queues from Swift", .timeLimit(.minutes(1)))
struct QueuesTests {
    private struct Note: Job {
        static let name = "note"
        static let queue = "notes"
    }

    @Test("a queue is created by its settings, and shows what is in it")
    func configure() async throws {
        let jobs = try await JobClient.open("memory:")
        #expect(try await jobs.queue("notes") == nil)
        #expect(try await jobs.configure(queue: "notes") { $0.maxJobs = 2 }.settings.maxJobs == 2)
        try await jobs.enqueue(Note())
        let status = try #require(try await jobs.queue("notes"))
        #expect(status.settings.maxJobs == 2)
        #expect(status.counts.queued == 1)
        await jobs.close()
    }

    @Test("the bound refuses, and says when to come back")
    func bound() async throws {
        let jobs = try await JobClient.open("memory:")
        try await jobs.configure(queue: "notes") { $0.maxJobs = 2 }
        try await jobs.enqueue(Note())
        try await jobs.enqueue(Note())
        let error = try await #require(throws: BrokerError.self) { try await jobs.enqueue(Note()) }
        #expect(error.code == .busy)
        #expect(error.retryAfter != nil)
        try await jobs.configure(queue: "notes") { $0.maxJobs = 3 }
        try await jobs.enqueue(Note())
        await jobs.close()
    }

    @Test("a change keeps the other settings, also when many change at once")
    func concurrent() async throws {
        let jobs = try await JobClient.open("memory:")
        try await withThrowingTaskGroup { group in
            for _ in 0..<20 { group.addTask { try await jobs.configure(queue: "notes") { $0.maxAttempts += 1 } } }
            group.addTask { try await jobs.configure(queue: "notes") { $0.maxJobs = 7 } }
            try await group.waitForAll()
        }
        let settings = try await jobs.queue("notes")?.settings
        #expect(settings?.maxAttempts == QueueSettings().maxAttempts + 20)
        #expect(settings?.maxJobs == 7)
        await jobs.close()
    }

    @Test("a setting out of its range is named")
    func range() async throws {
        let jobs = try await JobClient.open("memory:")
        let error = try await #require(throws: BrokerError.self) { try await jobs.configure(queue: "notes") { $0.maxJobs = 0 } }
        #expect(error.field == "max_jobs")
        let name = try await #require(throws: BrokerError.self) { try await jobs.queue("") }
        #expect(name.field == "queue")
        await jobs.close()
    }
}
