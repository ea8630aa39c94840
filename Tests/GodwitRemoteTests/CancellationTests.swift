import Godwit
import GodwitCore
import GodwitWire
import Testing

@testable import GodwitRemote

/// Tasks that are cancelled, and clients that are closed, while a server does not answer.
@Suite("Callers who do not wait any more", .timeLimit(.minutes(2)))
struct CancellationTests {
    private func exchanger(_ server: ScriptedServer) throws -> Exchanger {
        try Exchanger(RemoteConfiguration(url: ServerURL(server.url)))
    }

    private static func error(_ body: () async throws -> Void) async -> BrokerError? {
        do { try await body() } catch { return error as? BrokerError }
        return nil
    }

    @Test("a commit that waits for its turn is taken back; one that is on its way is not")
    func commits() async throws {
        try await ScriptedServer.run { server in
            let sender = CommitSender(try exchanger(server))
            let first = Task { try await sender.commit(try Operation.enqueue("1")) }
            try await eventually { server.requests("POST /v1/commit").count == 1 }
            let second = Task { await Self.error { _ = try await sender.commit(try Operation.enqueue("2")) } }
            let third = Task { try await sender.commit(try Operation.enqueue("3")) }
            try await eventually { sender.waiting == 2 }
            first.cancel()
            second.cancel()
            let error = await second.value
            #expect(error?.code == .unavailable && error?.cause is CancellationError)
            #expect(sender.waiting == 1)
            // One that was cancelled before it asks is carried out all the same.
            let undoing = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await sender.commit(try Operation.enqueue("4"))
            }
            try await eventually { sender.waiting == 2 }
            server.change { request in
                let count = (try? Wire.decodeCommit(Bytes(request.body)).transactions.count) ?? 0
                let outcomes = [TransactionOutcome](repeating: .committed([.deleted]), count: count)
                return ScriptedServer.answer("200 OK", type: WireFormat.mediaType, Wire.encode(outcomes))
            }
            server.cutAll()
            for task in [first, third, undoing] { #expect(try await task.value == .deleted) }
            let last = try #require(server.requests("POST /v1/commit").last)
            #expect(try Wire.decodeCommit(Bytes(last.body)).transactions.count == 2)
            _ = await sender.close()
        }
    }

    @Test("a read is taken back, an act that is on its way is not")
    func calls() async throws {
        try await ScriptedServer.run { server in
            let sender = CallSender(try exchanger(server))
            let read = Task { await Self.error { _ = try await sender.call(.check) } }
            try await eventually { server.requests("POST /v1/calls").count == 1 }
            read.cancel()
            #expect(await read.value?.cause is CancellationError)
            let act = Task { await Self.error { _ = try await sender.call(.purge(try .work)) } }
            try await eventually { server.requests("POST /v1/calls").count == 2 }
            act.cancel()
            sender.close()
            #expect(await act.value?.code == .outcomeUnknown)
        }
    }

    @Test("a read that the server is too busy for is not asked for again when that would be too late, nor for a task that was cancelled")
    func busyReads() async throws {
        try await ScriptedServer.run { server in
            server.change { _ in
                ScriptedServer.answer(
                    "200 OK",
                    type: WireFormat.mediaType,
                    Wire.encode([CallAnswer.refused(.busy("full", retryAfter: .seconds(31)))])
                )
            }
            let sender = CallSender(try exchanger(server))
            let start = ContinuousClock.now
            #expect(await Self.error { _ = try await sender.call(.check) }?.code == .busy)
            #expect(ContinuousClock.now - start < .seconds(20))
            server.change { _ in
                ScriptedServer.answer(
                    "200 OK",
                    type: WireFormat.mediaType,
                    Wire.encode([CallAnswer.refused(.busy("full", retryAfter: .seconds(29)))])
                )
            }
            let read = Task { await Self.error { _ = try await sender.call(.check) } }
            try await eventually { server.requests("POST /v1/calls").count == 2 }
            read.cancel()
            #expect(await read.value?.cause is CancellationError)
            #expect(ContinuousClock.now - start < .seconds(20))
        }
    }

    @Test("of a commit in a session of the caller's own that is on its way when the client is closed, nobody knows what became")
    func closing() async throws {
        try await ScriptedServer.run { server in
            try await RemoteFixture.run(server.url) { broker in
                let commit = Task {
                    await Self.error {
                        _ = try await broker.commit([Transaction(try .enqueue("1"))], in: SessionCommit(id: "s", number: 1))
                    }
                }
                try await eventually { server.requests("POST /v1/commit").count == 1 }
                await broker.close()
                #expect(await commit.value?.code == .outcomeUnknown)
            }
        }
    }

    @Test("a client that is closed ends its sessions, but for one of which something may still be on its way", arguments: [false, true])
    func sessions(isRepeated: Bool) async throws {
        let count = Counter()
        try await ScriptedServer.run { server in
            server.change { request in
                guard request.line.hasPrefix("POST /v1/commit") else { return ScriptedServer.answer("204 No Content") }
                if isRepeated, count.next() == 2 {
                    server.cutAll()
                    return nil
                }
                let count = (try? Wire.decodeCommit(Bytes(request.body)).transactions.count) ?? 0
                let outcomes = [TransactionOutcome](repeating: .committed([.deleted]), count: count)
                return ScriptedServer.answer("200 OK", type: WireFormat.mediaType, Wire.encode(outcomes))
            }
            try await RemoteFixture.run(server.url) { broker in
                for _ in 0..<3 { _ = try await broker.commit(try Operation.enqueue("1")) }
                await broker.close()
            }
            let session = try server.requests("POST /v1/commit").map { try Wire.decodeCommit(Bytes($0.body)).session?.id }.last ?? nil
            #expect(server.requests("DELETE").map(\.line) == (isRepeated ? [] : ["DELETE /v1/sessions/\(session ?? "")"]))
        }
    }

    @Test("a caller whose task is cancelled is told so, and not that the server is away")
    func told() async throws {
        try await ScriptedServer.run { server in
            let client = try await JobClient.open(server.url)
            let asked: [@Sendable () async throws -> Void] = [
                { _ = try await client.queue("q") },
                { for try await _ in try client.list(queue: "q") {} },
                { for try await _ in try client.browse(queue: "q") {} },
                { _ = try await client.handle(for: Answer.self, id: JobID("j")).status },
            ]
            for (index, body) in asked.enumerated() {
                let asking = Task { try await body() }
                try await eventually { server.requests("POST /v1/calls").count == index + 1 }
                asking.cancel()
                await #expect(throws: CancellationError.self) { try await asking.value }
            }
            await client.close()
        }
    }

    private struct Answer: Job {
        typealias Output = Int
        static let name = "answer"
    }
}
