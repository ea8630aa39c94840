import GodwitCore
import Testing

@testable import Godwit

@Suite("Quiet workers", .timeLimit(.minutes(1)))
struct QuietTests {
    @Test("take nothing new, finish and keep what runs, and take jobs again when told to")
    func quietly() async throws {
        try await withMemory { client in
            let started = Guarded(0), mayEnd = Guarded(false)
            var worker = Worker(client, concurrency: 2, lease: .milliseconds(300))
            worker.handle(Note.self) { _, _ in
                started.withLock { $0 += 1 }
                await mayEnd.wait { $0 }
            }
            let first = try await client.enqueue(Note(text: "1"))
            try await running(worker) {
                await started.wait { $0 == 1 }
                worker.quiet()
                let second = try await client.enqueue(Note(text: "2"))
                // Three leases long: heartbeats go on, and the one that waits stays where it is.
                try await Task.sleep(for: .milliseconds(900))
                #expect(try await first.status.state == .running)
                #expect(try await first.status.attempt == 1)
                #expect(try await second.status.state == .queued)
                mayEnd.withLock { $0 = true }
                try await first.result()
                #expect(try await second.status.state == .queued)
                worker.resume()
                try await second.result()
            }
            #expect(started.withLock { $0 } == 2)
        }
    }

    @Test("are so before they run, with all their copies, and end when they are told to")
    func before() async throws {
        try await withMemory { client in
            var worker = Worker(client, concurrency: 1)
            worker.handle(Note.self) { _, _ in Issue.record("a job was taken") }
            let copy = worker
            copy.quiet()
            let job = try await client.enqueue(Note(text: "1"))
            try await running(worker) { try await eventually { worker.isQuiet.waiting == 2 } }
            #expect(try await job.status.state == .queued)
        }
    }

    @Test("that are made quiet and busy again many times lose no job")
    func often() async throws {
        try await withMemory { client in
            let done = Guarded(0)
            var worker = Worker(client, concurrency: 3)
            worker.handle(Note.self) { _, _ in done.withLock { $0 += 1 } }
            try await running(worker) {
                for round in 0..<50 {
                    if round % 2 == 0 { worker.quiet() } else { worker.resume() }
                    try await client.enqueue(contentsOf: (0..<10).map { Note(text: "\($0)") })
                }
                await done.wait { $0 == 500 }
            }
            let counts = try #require(try await client.queue("notes")).counts
            #expect(counts.succeeded == 500 && counts.running == 0)
        }
    }
}
