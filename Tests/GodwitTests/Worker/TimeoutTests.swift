import GodwitCore
import Testing

@testable import Godwit

@Suite("Attempts that take too long", .timeLimit(.minutes(1)))
struct TimeoutTests {
    /// Says itself how long an attempt may take.
    private struct Brief: Job {
        static let name = "brief"
        static let timeout = Duration.milliseconds(100)
    }

    @Test("the handler's policy decides what follows the job's own timeout, not the broker's")
    func policy() async throws {
        try await withMemory { client in
            let runs = Guarded(0)
            var worker = Worker(client, concurrency: 1)
            worker.handle(Brief.self, retry: .never) { _, _ in
                runs.withLock { $0 += 1 }
                try await Task.sleep(for: .seconds(60))
            }
            try await running(worker) {
                let job = try await client.enqueue(Brief())
                let error = await #expect(throws: JobError.self) { try await job.result() }
                #expect(error?.status.errors.map(\.code) == ["timeout"])
            }
            #expect(runs.withLock { $0 } == 1)
        }
    }

    @Test("a timeout cancels the handler's task, and the attempt fails")
    func timeout() async throws {
        try await withMemory { client in
            var worker = Worker(client, concurrency: 1)
            worker.handle(Greet.self, retry: .never, timeout: .milliseconds(100)) { _, _ in
                try await Task.sleep(for: .seconds(60))
                return ""
            }
            try await running(worker) {
                let job = try await client.enqueue(Greet(who: "you"))
                let error = await #expect(throws: JobError.self) { try await job.result() }
                #expect(error?.status.error?.code == "timeout")
                #expect(error?.status.error?.message == "the attempt took longer than 100ms")
            }
        }
    }

    @Test("an attempt that is out of time has failed, whatever its handler returns, and error trackers hear why")
    func lateReturn() async throws {
        try await withMemory { client in
            let heard = Guarded<[String]>([])
            var worker = Worker(
                client,
                concurrency: 1,
                onError: { error, _ in heard.withLock { $0.append((error as? JobFailure)?.code ?? "\(error)") } }
            )
            worker.handle(Greet.self, retry: .never, timeout: .milliseconds(50)) { _, _ in
                // What a loop over a stream does when its task is cancelled: it just ends.
                try? await Task.sleep(for: .seconds(60))
                return "half of it"
            }
            try await running(worker) {
                let job = try await client.enqueue(Greet(who: "you"))
                let error = await #expect(throws: JobError.self) { try await job.result() }
                #expect(error?.status.error?.code == "timeout")
            }
            #expect(heard.withLock { $0 } == ["timeout"])
        }
    }

    @Test("an attempt that was ended does not cancel the next one")
    func next() async throws {
        try await withMemory { client in
            let cancelled = Guarded<[Bool]>([])
            var worker = Worker(client, concurrency: 1)
            worker.handle(Greet.self, retry: .never, timeout: .milliseconds(50)) { job, _ in
                if job.who == "slow" { try? await Task.sleep(for: .seconds(60)) }
                cancelled.withLock { $0.append(Task.isCancelled) }
                return ""
            }
            try await running(worker) {
                for (number, who) in ["slow", "you", "slow", "me", "us"].enumerated() {
                    let job = try await client.enqueue(Greet(who: who))
                    if who == "slow" {
                        await #expect(throws: JobError.self) { try await job.result() }
                    } else {
                        _ = try await job.result()
                    }
                    #expect(cancelled.withLock { $0.count } == number + 1)
                }
            }
            #expect(cancelled.withLock { $0 } == [true, false, true, false, false])
        }
    }
}
