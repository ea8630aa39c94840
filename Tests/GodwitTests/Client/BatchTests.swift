import GodwitCore
import Testing

@testable import Godwit

@Suite("Enqueueing many", .timeLimit(.minutes(1)))
struct BatchTests {
    private func greetings(_ count: Int) -> [Greet] { (0..<count).map { Greet(who: "\($0)") } }

    @Test("handles come in order")
    func order() async throws {
        try await withMemory { client in
            let handles = try await client.enqueue(contentsOf: greetings(10))
            for (index, handle) in handles.enumerated() {
                #expect(try await client.job(Greet.self, id: handle.id).who == "\(index)")
            }
            #expect(try await client.enqueue(contentsOf: [Greet]()).isEmpty)
        }
    }

    @Test("up to 1,000 are enqueued all or none")
    func atomic() async throws {
        try await withMemory { client in
            try await client.configure(queue: "default") { $0.maxJobs = 1_000 }
            try await client.enqueue(Greet(who: "first"))
            let error = await #expect(throws: BrokerError.self) { try await client.enqueue(contentsOf: greetings(1_000)) }
            #expect(error?.code == .busy)
            #expect(try await client.queue("default")?.counts.unfinished == 1)
            try await client.enqueue(contentsOf: greetings(999))
            #expect(try await client.queue("default")?.counts.queued == 1_000)
            // What no waiting would make room for is said so.
            try await client.configure(queue: "default") { $0.maxJobs = 500 }
            let never = await #expect(throws: BrokerError.self) { try await client.enqueue(contentsOf: greetings(501)) }
            #expect(never?.code == .tooLarge)
        }
    }

    @Test("when a later thousand is refused, the error says how far it came, and keys make repeating harmless")
    func partly() async throws {
        try await withMemory { client in
            try await client.configure(queue: "default") { $0.maxJobs = 2_000 }
            let jobs = greetings(2_500)
            let error = await #expect(throws: PartlyEnqueuedError.self) { try await client.enqueue(contentsOf: jobs, key: \.who) }
            #expect(error?.enqueued.count == 2_000)
            #expect(error?.count == 2_500)
            #expect((error?.cause as? BrokerError)?.code == .busy)
            try await client.configure(queue: "default") { $0.maxJobs = 10_000 }
            let handles = try await client.enqueue(contentsOf: jobs, key: \.who)
            #expect(handles.count == 2_500)
            #expect(handles[..<2_000].map(\.id) == error?.enqueued)
            #expect(try await client.queue("default")?.counts.queued == 2_500)
        }
    }

    @Test("more bytes than one transaction takes are divided")
    func bytes() async throws {
        try await withMemory { client in
            let handles = try await client.enqueue(contentsOf: (0..<20).map { _ in Greet(who: String(repeating: "x", count: 1 << 20)) })
            #expect(handles.count == 20)
        }
    }
}
