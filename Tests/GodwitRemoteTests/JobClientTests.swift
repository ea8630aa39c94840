import Foundation
import Godwit
import GodwitCore
import GodwitServer
import HTTPTestSupport
import Synchronization
import Testing

@testable import GodwitRemote

/// The programming model, over a server: as with an engine in the same process.
@Suite("Jobs on a server", .timeLimit(.minutes(3)))
struct JobClientTests {
    struct Double: Job {
        typealias Output = Int
        static let name = "double"
        var number: Int
    }

    struct Slow: Job {
        static let name = "slow"
        static let queue = "slow"
    }

    struct Tick: Job {
        static let name = "tick"
        static let queue = "ticks"
        var due: Date
    }

    struct Boom: Error {}

    private func serve(
        segmentBytes: Int = 4 << 20,
        _ body: @Sendable @escaping (JobClient, CuttingProxy, TestServer) async throws -> Void
    ) async throws {
        try await TestServer.run(broker: TestServer.engine(segmentBytes: segmentBytes)) { server in
            try await CuttingProxy.run(to: server.address.port) { proxy in
                let client = try await JobClient.open(proxy.url, logger: TestServer.logger)
                do { try await body(client, proxy, server) } catch {
                    await client.close()
                    throw error
                }
                await client.close()
            }
        }
    }

    /// Runs a worker for the time of `body`.
    private func running(_ worker: Worker, _ body: () async throws -> Void) async throws {
        let work = Task { try await worker.run() }
        do { try await body() } catch {
            work.cancel()
            _ = try? await work.value
            throw error
        }
        work.cancel()
        try await work.value
    }

    @Test("jobs run, their results and follow-ups come back, and a failed attempt is tried again")
    func working() async throws {
        try await serve { client, _, server in
            var worker = Worker(client, concurrency: 8)
            worker.handle(Double.self, retry: .constant(.milliseconds(10), maxAttempts: 3)) { job, context in
                if context.attempt == 1, job.number % 10 == 0 { throw Boom() }
                #expect(context.fencingToken != nil)
                if job.number < 100 { context.enqueue(Double(number: job.number + 1_000)) }
                return job.number * 2
            }
            try await running(worker) {
                let single = try await client.enqueue(Double(number: 10))
                #expect(try await single.result() == 20)
                #expect(try await single.status.attempt == 2)
                let many = try await client.enqueue(contentsOf: (100..<300).map { Double(number: $0) })
                for (number, job) in many.enumerated() { #expect(try await job.result() == (number + 100) * 2) }
                try await server.eventually { try await client.queue("default")?.counts.succeeded == 202 }
            }
            var listed = 0
            for try await _ in try client.list(queue: "default", state: .succeeded) { listed += 1 }
            #expect(listed == 202)
        }
    }

    @Test("progress is seen as it comes, and a job is cancelled while it runs")
    func progressAndCancelling() async throws {
        try await serve { client, _, _ in
            var worker = Worker(client, concurrency: 1, lease: .seconds(2))
            worker.handle(Slow.self) { _, context in
                try await context.progress(0.25, "begun")
                try await Task.sleep(for: .seconds(60))
            }
            try await running(worker) {
                let job = try await client.enqueue(Slow())
                var states: [JobState] = []
                for try await status in job.updates {
                    states.append(status.state)
                    if status.progress?.note == "begun" { try await job.cancel() }
                }
                #expect(states.last == .cancelled)
                await #expect(throws: JobError.self) { try await job.result() }
                #expect(try await job.retry() == .queued)
            }
        }
    }

    @Test("a schedule fires once for each due time, with two workers in two processes")
    func schedules() async throws {
        try await serve { client, proxy, server in
            let other = try await JobClient.open(proxy.url, logger: TestServer.logger)
            func worker(_ client: JobClient) -> Worker {
                var worker = Worker(client, concurrency: 1)
                worker.schedule("ticks", .every(.seconds(1))) { due in Tick(due: due) }
                return worker
            }
            let first = worker(client), second = worker(other)
            try await running(first) {
                try await running(second) {
                    try await server.eventually { try await client.queue("ticks")?.counts.queued ?? 0 >= 3 }
                }
            }
            await other.close()
            let dues = try await server.waiting("ticks")
            #expect(Set(dues).count == dues.count)
        }
    }

    @Test("through connections that are cut again and again, each job's completion and its follow-up count once")
    func cuts() async throws {
        try await serve { client, proxy, server in
            var worker = Worker(client, concurrency: 4, lease: .seconds(5))
            worker.handle(Double.self) { job, context in
                if job.number < 1_000 { context.enqueue(Double(number: job.number + 1_000)) }
                return job.number
            }
            proxy.takeChances(15, seed: 3)
            let numbers = Array(0..<100)
            try await running(worker) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for start in 0..<10 {
                        group.addTask {
                            for number in numbers where number % 10 == start { try await client.enqueue(Double(number: number)) }
                        }
                    }
                    try await group.waitForAll()
                }
                try await server.eventually(within: .seconds(90)) {
                    try await server.broker.queue(QueueName("default"))?.counts.succeeded == 200
                }
            }
            let counts = try #require(try await server.broker.queue(QueueName("default"))?.counts)
            #expect(counts.succeeded == 200 && counts.unfinished == 0 && counts.failed == 0)
            var payloads: [String] = []
            var query = JobQuery(limit: 1_000)
            repeat {
                let page = try await server.broker.list(query)
                for job in page.jobs { payloads.append(try await server.broker.payload(of: job.id).bytes.text ?? "") }
                query.cursor = page.next
            } while query.cursor != nil
            #expect(payloads.count == 200 && Set(payloads).count == 200)
            #expect(proxy.met > 0)
        }
    }

    struct Long: Job {
        static let name = "long"
        var text: String
    }

    @Test("as much as one transaction may have is enqueued in one")
    func largeBatch() async throws {
        try await serve(segmentBytes: 64 << 20) { client, proxy, _ in
            let text = String(repeating: "x", count: 16_730)
            let jobs = try await client.enqueue(contentsOf: (0..<1_000).map { _ in Long(text: text) })
            #expect(Set(jobs.map(\.id)).count == 1_000)
            #expect(proxy.passed("POST /v1/commit") == 1)
            #expect(try await client.queue("default")?.counts.queued == 1_000)
        }
    }

    @Test("a server that is away for a moment is waited for: results, workers and updates go on")
    func outage() async throws {
        try await serve { client, proxy, server in
            var worker = Worker(client, concurrency: 2)
            worker.handle(Double.self) { job, _ in job.number * 2 }
            let job = try await client.enqueue(Double(number: 4), delay: .milliseconds(500))
            let result = Task { try await job.result() }
            try await running(worker) {
                proxy.cutAll(isDown: true)
                try await server.eventually { proxy.turnedAway >= 2 }
                proxy.cutAll(isDown: false)
                #expect(try await result.value == 8)
            }
        }
    }
}
