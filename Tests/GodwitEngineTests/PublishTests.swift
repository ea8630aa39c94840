import GodwitCore
import Testing

@testable import GodwitEngine

@Suite("Publishing: times, keys and bounds", .timeLimit(.minutes(1)))
struct PublishTests {
    @Test("a delayed job is not delivered before it is due")
    func delay() async throws {
        let store = try await Fixture()
        let id = try await store.publish { $0.start = .after(.seconds(5)) }
        let job = try await store.job(id)
        #expect(job.state == .scheduled && job.runAt == Fixture.start + .seconds(5))
        await store.clock.advance(by: .milliseconds(4_999))
        #expect(try await store.lease().isEmpty)
        await store.clock.advance(by: .milliseconds(1))
        #expect(try await store.leaseOne().job.id == id)
    }

    @Test("a job for a time of the wall clock follows the wall clock")
    func runAt() async throws {
        let store = try await Fixture()
        let id = try await store.publish { $0.start = .at(Fixture.start + .seconds(3_600)) }
        #expect(try await store.job(id).runAt == Fixture.start + .seconds(3_600))
        store.clock.jumpWall(by: .seconds(3_590))
        await store.clock.advance(by: .seconds(9))
        #expect(try await store.job(id).state == .scheduled)
        await store.clock.advance(by: .seconds(1))
        #expect(try await store.job(id).state == .queued)
        let past = try await store.publish { $0.start = .at(Timestamp(milliseconds: 5)) }
        #expect(try await store.job(past).state == .queued)
    }

    @Test("a job that was not started in time expires; one that was started does not")
    func expires() async throws {
        let store = try await Fixture()
        let started = try await store.publish { $0.expires = .seconds(10) }
        let late = try await store.publish { $0.expires = .seconds(10) }
        let scheduled = try await store.publish {
            $0.expires = .seconds(10)
            $0.start = .after(.seconds(20))
        }
        try await store.run(.release(try await store.leaseOne().token, delay: nil, counted: false))
        await store.clock.advance(by: .seconds(10))
        #expect(try await store.job(started).state == .queued)
        for id in [late, scheduled] {
            let job = try await store.job(id)
            #expect(job.state == .expired && job.errors.map(\.code) == [FailureCode.expired] && job.errors[0].attempt == 0)
        }
        await store.clock.advance(by: .seconds(20))
        #expect(try await store.job(scheduled).state == .expired)
        #expect(try await store.status().counts.unfinished == 1)
    }

    @Test("a key makes one job within its window, and outlives it")
    func deduplication() async throws {
        let store = try await Fixture()
        try await store.configure { $0.dedupWindow = .seconds(60) }
        func keyed(_ text: String, _ fingerprint: UInt64? = nil, _ queue: QueueName = .work) async throws -> OperationResult {
            try await store.enqueue(queue, text) { $0.deduplication = .init(key: "k", fingerprint: fingerprint) }
        }
        let first = try await keyed("a", 1)
        let id = try #require(first.jobID)
        #expect(try await keyed("a", 1) == .duplicate(id))
        #expect(try await keyed("b") == .duplicate(id))
        #expect(await expectError(.keyConflict) { _ = try await keyed("b", 2) }?.field == "key")
        #expect(try await keyed("a", 2, .other).jobID != id)

        try await store.run(.complete(try await store.leaseOne().token, result: nil))
        try await store.run(.forget(id))
        #expect(try await keyed("a", 1) == .duplicate(id))
        #expect(try await store.engine.read([id]) == [.forgotten])
        #expect(try await store.killed().enqueue { $0.deduplication = .init(key: "k") } == .duplicate(id))

        await store.clock.advance(by: .seconds(59))
        #expect(try await keyed("a", 1) == .duplicate(id))
        await store.clock.advance(by: .seconds(1))
        #expect(try await store.status().keys == 0)
        #expect(try #require(try await keyed("b", 2).jobID) != id)
        #expect(try await store.status().totals.duplicates == 4)
    }

    @Test("when as many keys are remembered as a queue may have, keyed publishes are refused and record no key")
    func fullWindow() async throws {
        let store = try await Fixture()
        try await store.configure {
            $0.dedupMax = 2
            $0.dedupWindow = .seconds(100)
        }
        for key in ["a", "b"] { try await store.publish { $0.deduplication = .init(key: key) } }
        await store.clock.advance(by: .seconds(40))
        let error = await expectError(.busy) { try await store.publish { $0.deduplication = .init(key: "c") } }
        #expect(error?.retryAfter == .seconds(60))
        try await store.publish()
        #expect(try await store.enqueue { $0.deduplication = .init(key: "a") } != .deleted)
        await store.clock.advance(by: .seconds(60))
        try await store.publish { $0.deduplication = .init(key: "c") }
    }

    @Test("the same key twice in one transaction makes one job")
    func keyInTransaction() async throws {
        let store = try await Fixture()
        let message = NewMessage(queue: .work, payload: Content("1"), deduplication: .init(key: "k"))
        let results = try await store.run(.enqueue(message), .enqueue(message))
        let id = try #require(results[0].jobID)
        #expect(results[1] == .duplicate(id))
        #expect(try await store.status().counts.queued == 1)
    }

    @Test("a queue takes exactly as many unfinished jobs as it is bounded to")
    func jobBound() async throws {
        let store = try await Fixture()
        try await store.configure { $0.maxJobs = 3 }
        for _ in 0..<3 { try await store.publish() }
        let running = try await store.leaseOne()
        let error = await expectError(.busy) { try await store.publish { $0.deduplication = .init(key: "k") } }
        #expect(error?.retryAfter == .seconds(5))
        #expect(try await store.status().totals.refused == 1)
        #expect(try await store.status().keys == 0)
        try await store.run(.complete(running.token, result: nil))
        try await store.publish { $0.deduplication = .init(key: "k") }
        _ = await expectError(.busy) { try await store.publish() }
    }

    @Test("a transaction that would take a queue over its bound is refused whole")
    func boundInTransaction() async throws {
        let store = try await Fixture()
        try await store.configure { $0.maxJobs = 3 }
        let message = NewMessage(queue: .work, payload: Content("1"))
        try await store.publish()
        let outcomes = try await store.engine.commit([Transaction(Array(repeating: .enqueue(message), count: 3))])
        guard case .aborted(let operation, let error) = outcomes[0] else { return fail("it was taken") }
        #expect(operation == 2 && error.code == .busy)
        #expect(try await store.status().counts.unfinished == 1)
        let two = try await store.engine.commit([Transaction(Array(repeating: .enqueue(message), count: 2))])
        #expect(try two[0].get().count == 2)
    }

    @Test("what a queue could not take if it were empty is too large, not busy: waiting would not help")
    func neverFits() async throws {
        let store = try await Fixture()
        try await store.configure {
            $0.maxJobs = 3
            $0.maxBytes = 1_000
        }
        let message = NewMessage(queue: .work, payload: Content("1"))
        let four = try await store.engine.commit([Transaction(Array(repeating: .enqueue(message), count: 4))])
        guard case .aborted(let operation, let error) = four[0] else { return fail("it was taken") }
        #expect(operation == 3 && error.code == .tooLarge && error.retryAfter == nil)
        _ = await expectError(.tooLarge) { try await store.publish(.work, String(repeating: "x", count: 1_000)) }
        // Also while the queue is full.
        for _ in 0..<3 { try await store.publish() }
        let again = try await store.engine.commit([Transaction(Array(repeating: .enqueue(message), count: 4))])
        guard case .aborted(_, let same) = again[0] else { return fail("it was taken") }
        #expect(same.code == .tooLarge)
        #expect(try await store.status().totals.refused == 0)
    }

    @Test("a queue is bounded by bytes, headers and names among them")
    func byteBound() async throws {
        let store = try await Fixture()
        try await store.configure { $0.maxBytes = 250 }
        let id = try await store.publish(.work, String(repeating: "x", count: 100)) {
            $0.name = "n"
            $0.headers = [Header(name: "a", value: "b")]
        }
        #expect(try await store.status().bytes == 119)
        try await store.publish(.work, String(repeating: "x", count: 115))
        _ = await expectError(.busy) { try await store.publish(.work, "") }
        try await store.run(.cancel(id))
        #expect(try await store.status().bytes == 131)
        try await store.publish(.work, "")
    }

    @Test("what a settle enqueues, a retry and a release are never refused by a bound")
    func followUps() async throws {
        let store = try await Fixture()
        let failed = try await store.publish { $0.maxAttempts = 1 }
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "no"), retry: .never))
        try await store.configure { $0.maxJobs = 1 }
        try await store.publish()
        let delivery = try await store.leaseOne()
        let next = NewMessage(queue: .work, payload: Content("next"))
        let results = try await store.run(.complete(delivery.token, result: nil), .enqueue(next), .enqueue(next), .enqueue(next))
        #expect(results.count == 4)
        try await store.run(.retry(failed))
        #expect(try await store.status().counts.queued == 4)
        _ = await expectError(.busy) { try await store.publish() }
    }

    @Test("a refusal says when there will be room: (L - 0.9 x bound) / X")
    func retryAfter() async throws {
        let store = try await Fixture()
        try await store.configure { $0.maxJobs = 100 }
        for _ in 0..<100 { try await store.publish() }
        // Four jobs a second for 20 s of busy time, refilled to the bound.
        for _ in 0..<20 {
            let leases = try await store.lease(4)
            await store.clock.advance(by: .seconds(1))
            for lease in leases { try await store.run(.complete(lease.token, result: nil)) }
            for _ in 0..<4 { try await store.publish() }
        }
        let error = await expectError(.busy) { try await store.publish() }
        // L = 100, bound = 100, X = 4.
        #expect(error?.retryAfter == .milliseconds(2_500))
    }

    @Test("what a message says is checked, and nothing of a bad transaction is done")
    func validation() async throws {
        let store = try await Fixture()
        func refused(_ code: BrokerError.Code, _ field: String?, _ change: (inout NewMessage) -> Void) async throws {
            var bad = NewMessage(queue: .work, payload: Content("1"))
            let good = bad
            change(&bad)
            let outcomes = try await store.engine.commit([Transaction([.enqueue(good), .enqueue(bad)])])
            guard case .aborted(let operation, let error) = outcomes[0] else { return fail("taken: \(bad)") }
            #expect(operation == 1 && error.code == code && error.field == field)
        }
        for text in ["user\t42", "a\nb", "\u{7f}", "\u{85}"] {
            try await refused(.invalidArgument, "key") { $0.deduplication = .init(key: text) }
            try await refused(.invalidArgument, "name") { $0.name = text }
            try await refused(.invalidArgument, "group") { $0.group = text }
            try await refused(.invalidArgument, "claim") { $0.claim = text }
            try await refused(.invalidArgument, "content_type") { $0.payload.type = text }
            try await refused(.invalidArgument, "headers.note") { $0.headers = [Header(name: "note", value: text)] }
        }
        for name in ["", "my header", "a:b", "ü", "a\n"] {
            try await refused(.invalidArgument, "headers") { $0.headers = [Header(name: name, value: "x")] }
        }
        try await refused(.invalidArgument, "priority") { $0.priority = 256 }
        try await refused(.invalidArgument, "priority") { $0.priority = -1 }
        try await refused(.invalidArgument, "max_attempts") { $0.maxAttempts = 0 }
        try await refused(.invalidArgument, "max_attempts") { $0.maxAttempts = 1_001 }
        try await refused(.invalidArgument, "delay") { $0.start = .after(.seconds(-1)) }
        try await refused(.invalidArgument, "expires") { $0.expires = .zero }
        try await refused(.invalidArgument, "timeout") { $0.timeout = .zero }
        try await refused(.invalidArgument, "name") { $0.name = String(repeating: "n", count: 201) }
        try await refused(.invalidArgument, "content_type") { $0.payload.type = String(repeating: "n", count: 201) }
        try await refused(.invalidArgument, "headers") { $0.headers = Array(repeating: Header(name: "a", value: ""), count: 65) }
        try await refused(.invalidArgument, "key") { $0.deduplication = .init(key: "") }
        try await refused(.tooLarge, nil) { $0.payload.bytes = Bytes([UInt8](repeating: 0, count: Limits.transactionBytes)) }
        #expect(try await store.engine.queue(.work)?.counts.unfinished ?? 0 == 0)
    }

    @Test("without creation on first use an unknown queue is refused")
    func unknownQueue() async throws {
        let store = try await Fixture { $0.createsQueues = false }
        _ = await expectError(.queueNotFound) { try await store.publish() }
        _ = await expectError(.queueNotFound) { _ = try await store.lease() }
        try await store.configure { _ in }
        try await store.publish()
    }
}
