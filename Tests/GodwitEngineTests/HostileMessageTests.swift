import GodwitCore
import GodwitJournal
import Logging
import Synchronization
import Testing

@testable import GodwitEngine

/// What no interface of people's would say, but a frame and a program can.
@Suite("Messages that make no sense are refused, and nothing else suffers", .timeLimit(.minutes(1)))
struct HostileMessageTests {
    /// How an operation is said: by itself, or as what follows something.
    private func places(_ operation: GodwitCore.Operation) -> [(operation: GodwitCore.Operation, path: String)] {
        var message = NewMessage(queue: .work, payload: Content("1"))
        message.onFinal = [FollowUp(operation)]
        let addition = Addition(key: RecordKey("k"), step: "s", target: 1, then: [operation])
        var outer = NewMessage(queue: .work, payload: Content("1"))
        outer.onFinal = [FollowUp(.add(addition))]
        return [(.enqueue(message), "on_final[0]."), (.add(addition), "then[0]."), (.enqueue(outer), "on_final[0].add.then[0].")]
    }

    @Test(
        "a time that no calendar has is refused wherever it stands",
        arguments: [Int64.min, -1 << 60, -1 << 53, -62_167_219_200_001, .max]
    )
    func times(milliseconds: Int64) async throws {
        let store = try await Fixture()
        let start = NewMessage.Start.at(Timestamp(milliseconds: milliseconds))
        let wild = GodwitCore.Operation.enqueue(NewMessage(queue: .other, payload: Content("1"), start: start))
        #expect(await expectError(.invalidArgument) { try await store.run(wild) }?.field == "run_at")
        for (operation, path) in places(wild) {
            let error = await expectError(.invalidArgument) { try await store.run(operation) }
            #expect(error?.field == path + "enqueue.run_at")
        }
        // Long ago is a time as well.
        try await store.publish { message in
            message.onFinal = [
                FollowUp(
                    .enqueue(NewMessage(queue: .other, payload: Content("1"), start: .at(Limits.times.lowerBound))),
                    when: .cancelled
                )
            ]
        }
        let again = try await store.crashed()
        #expect(try await again.engine.purge(.work) == 1)
        try await eventually("what follows is there") { try await again.engine.queue(.other)?.counts.queued == 1 }
    }

    @Test("what would follow no end, or one that there is not, is refused", arguments: [0, 16, 31] as [UInt8])
    func ends(when: UInt8) async throws {
        let store = try await Fixture()
        let followUp = FollowUp(.enqueue(NewMessage(queue: .other, payload: Content("1"))), when: FinalStates(rawValue: when))
        let error = await expectError(.invalidArgument) {
            try await store.publish { $0.onFinal = [FollowUp(.cancel(JobID("x"))), followUp] }
        }
        #expect(error?.field == "on_final[1].when")
        var inner = NewMessage(queue: .other, payload: Content("1"))
        inner.onFinal = [followUp]
        let nested = await expectError(.invalidArgument) { try await store.publish { $0.onFinal = [FollowUp(.enqueue(inner))] } }
        #expect(nested?.field == "on_final[0].enqueue.on_final[0].when")
    }

    @Test("an id that none can be is not cancelled by what follows", arguments: ["", "a\nb", String(repeating: "x", count: 65)])
    func cancelledIDs(id: String) async throws {
        let store = try await Fixture()
        for (operation, path) in places(.cancel(JobID(id))) {
            let error = await expectError(.invalidArgument) { try await store.run(operation) }
            #expect(error?.field == path + "cancel")
        }
    }

    @Test("a result's media type is one that a header field can say")
    func resultType() async throws {
        let store = try await Fixture()
        try await store.publish()
        let token = try await store.leaseOne().token
        let bad = GodwitCore.Operation.complete(token, result: Content("1", type: "text/plain\r\nSet-Cookie: a=b"))
        #expect(await expectError(.invalidArgument) { try await store.run(bad) }?.field == "content_type")
        try await store.run(.complete(token, result: Content("1", type: "text/plain")))
    }

    @Test("what cannot be there is not watched: what is watched is kept")
    func watched() async throws {
        let store = try await Fixture()
        let long = String(repeating: "k", count: Limits.recordKey + 1)
        let error = await expectError(.invalidArgument) {
            _ = try await store.engine.watch([.record(RecordKey(long), known: nil)], wait: .seconds(600))
        }
        #expect(error?.field == "key")
        _ = await expectError(.jobNotFound) {
            _ = try await store.engine.watch([.job(JobID(String(repeating: "x", count: 65)), known: nil)], wait: .seconds(600))
        }
    }

    @Test("what is passed over at a time is one line of the log, with how many they were")
    func log() async throws {
        let lines = Mutex<[String]>([])
        let store = try await Fixture { options in
            options.logger = Logger(label: "test") { _ in Lines { line in lines.withLock { $0.append(line) } } }
        }
        let job = try await store.publish { $0.onFinal = (0..<50).map { FollowUp(.cancel(JobID("gone-\($0)"))) } }
        try await store.run(.cancel(job))
        try await eventually("it is noted") { lines.withLock { $0.contains { $0.contains("passed over") } } }
        let passedOver = lines.withLock { $0.filter { $0.contains("passed over") } }
        #expect(passedOver.count == 1)
        #expect(passedOver.first?.contains("50") == true)
    }

    private struct Lines: LogHandler {
        let write: @Sendable (String) -> Void
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.notice

        init(_ write: @escaping @Sendable (String) -> Void) { self.write = write }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { write("\(event.message) \(event.metadata ?? [:])") }
    }
}
