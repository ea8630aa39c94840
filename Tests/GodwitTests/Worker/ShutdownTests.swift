import GodwitCore
import ServiceLifecycle
import Testing

@testable import Godwit

@Suite("Ending a worker", .timeLimit(.minutes(2)))
struct ShutdownTests {
    /// Runs client and worker as a program would, until the body has returned and the group has shut down.
    private func group(_ client: JobClient, _ worker: Worker, body: (ServiceGroup) async throws -> Void) async throws {
        let group = ServiceGroup(configuration: .init(services: [.init(service: client), .init(service: worker)], logger: quiet))
        let run = Task { try await group.run() }
        try await body(group)
        await group.triggerGracefulShutdown()
        try await run.value
    }

    @Test("graceful shutdown finishes what runs, confirms it, and takes nothing new")
    func finishes() async throws {
        try await withTemporaryFolder { folder in
            let client = try await JobClient.open("embedded:\(folder)", logger: quiet)
            let started = Guarded(0), finished = Guarded(0)
            var worker = Worker(client, concurrency: 2)
            worker.handle(Note.self) { _, _ in
                started.withLock { $0 += 1 }
                try await Task.sleep(for: .milliseconds(5))
                finished.withLock { $0 += 1 }
            }
            try await client.enqueue(contentsOf: (0..<1_000).map { Note(text: "\($0)") })
            try await group(client, worker) { _ in await started.wait { $0 > 10 } }
            // The client was listed first, so it closed last: all completions are there.
            let again = try await JobClient.open("embedded:\(folder)", logger: quiet)
            let counts = try #require(try await again.queue("notes")).counts
            #expect(counts.queued > 0)
            #expect(counts.succeeded == started.withLock { $0 })
            #expect(counts.succeeded == finished.withLock { $0 })
            #expect(counts.queued + counts.succeeded == 1_000)
            await again.close()
        }
    }

    @Test("handlers that do not finish within the grace are cancelled, and their jobs given back uncounted")
    func releases() async throws {
        try await withTemporaryFolder { folder in
            let client = try await JobClient.open("embedded:\(folder)", logger: quiet)
            let isRunning = Guarded(false)
            var worker = Worker(client, concurrency: 1, shutdownGrace: .milliseconds(20))
            worker.handle(Greet.self) { job, _ in
                isRunning.withLock { $0 = true }
                try await Task.sleep(for: .seconds(60))
                return job.who
            }
            let job = try await client.enqueue(Greet(who: "you"))
            try await group(client, worker) { _ in await isRunning.wait { $0 } }
            let again = try await JobClient.open("embedded:\(folder)", logger: quiet)
            let status = try await again.handle(for: Greet.self, id: job.id).status
            #expect(status.state == .queued)
            #expect(status.errors.isEmpty)
            #expect(status.attempt == 0)
            await again.close()
        }
    }

    @Test("cancelling the task of a run gives running jobs back at once")
    func cancels() async throws {
        try await withMemory { client in
            let isRunning = Guarded(false)
            var worker = Worker(client, concurrency: 2)
            worker.handle(Greet.self) { job, _ in
                isRunning.withLock { $0 = true }
                try await Task.sleep(for: .seconds(60))
                return job.who
            }
            let job = try await client.enqueue(Greet(who: "you"))
            try await running(worker) { await isRunning.wait { $0 } }
            #expect(try await job.status.state == .queued)
            #expect(try await job.status.attempt == 0)
        }
    }

    @Test("when another service of the group fails, running jobs are given back before the store closes")
    func failingGroup() async throws {
        struct Failing: Service {
            let isRunning: Guarded<Bool>
            func run() async throws {
                await isRunning.wait { $0 }
                throw Boom()
            }
        }
        try await withTemporaryFolder { folder in
            let client = try await JobClient.open("embedded:\(folder)", logger: quiet)
            let isRunning = Guarded(false)
            var worker = Worker(client, concurrency: 1)
            worker.handle(Greet.self) { job, _ in
                isRunning.withLock { $0 = true }
                try await Task.sleep(for: .seconds(60))
                return job.who
            }
            let job = try await client.enqueue(Greet(who: "you"))
            let group = ServiceGroup(
                configuration: .init(
                    services: [.init(service: client), .init(service: worker), .init(service: Failing(isRunning: isRunning))],
                    logger: quiet
                )
            )
            await #expect(throws: Boom.self) { try await group.run() }
            let again = try await JobClient.open("embedded:\(folder)", logger: quiet)
            let status = try await again.handle(for: Greet.self, id: job.id).status
            #expect(status.state == .queued)
            #expect(status.errors.isEmpty)
            #expect(status.attempt == 0)
            await again.close()
        }
    }

    @Test("a worker ends though the broker answers neither a completion nor a schedule's firing")
    func hangingBroker() async throws {
        try await withMemory { base in
            let isHanging = Guarded(true), waiting = Guarded(0)
            let broker = FaultyBroker(base: base.broker) { transactions in
                guard transactions.contains(where: { $0.isCompletion }) || transactions.contains(where: { $0.operations.count == 2 }) else {
                    return
                }
                waiting.withLock { $0 += 1 }
                // In a task of its own: whoever waits for an answer that does not come is not helped by being cancelled.
                _ = await Task { await isHanging.wait { !$0 } }.value
            }
            let client = JobClient(broker: broker, logger: quiet)
            var worker = Worker(client, concurrency: 1)
            worker.handle(Note.self) { _, _ in }
            worker.schedule("notes", .every(.seconds(1))) { due in Note(text: "\(due)") }
            try await client.enqueue(Note(text: "1"))
            let start = Guarded(ContinuousClock.now)
            try await running(worker) {
                await waiting.wait { $0 >= 2 }
                start.withLock { $0 = .now }
            }
            #expect(ContinuousClock.now - start.withLock { $0 } < WorkerRun.lastWait * 3)
            #expect(isHanging.withLock { $0 })
            isHanging.withLock { $0 = false }
        }
    }

    @Test("completions are confirmed before a worker ends, all of them")
    func drains() async throws {
        try await withMemory { client in
            let count = Guarded(0)
            var worker = Worker(client, concurrency: 8)
            worker.handle(Note.self) { _, _ in count.withLock { $0 += 1 } }
            try await client.enqueue(contentsOf: (0..<500).map { Note(text: "\($0)") })
            try await running(worker) { await count.wait { $0 >= 300 } }
            let counts = try #require(try await client.queue("notes")).counts
            #expect(counts.running == 0)
            #expect(counts.succeeded == count.withLock { $0 })
        }
    }
}
