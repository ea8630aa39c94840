import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Claims", .timeLimit(.minutes(2)))
struct ClaimTests {
    @Test("while a job with a claim is unfinished there is no second one; its end, of any kind, is the claim's")
    func unique() async throws {
        var store = try await Fixture()
        try await store.configure { $0.ttl = .seconds(60) }
        func claim() async throws -> OperationResult { try await store.enqueue { $0.claim = "daily" } }
        for end in ["complete", "fail", "cancel", "expire", "purge", "delete"] {
            let first = try #require(try await claim().jobID)
            store = try await store.killed()
            #expect(try await claim() == .duplicate(first), "\(end)")
            #expect(try await store.enqueue(.other) { $0.claim = "daily" }.jobID != first)
            #expect(try await store.enqueue { $0.claim = "weekly" }.jobID != first)
            switch end {
            case "cancel": try await store.run(.cancel(first))
            case "expire": await store.clock.advance(by: .seconds(60))
            case "purge": _ = try await store.engine.purge(.work)
            case "delete": try await store.engine.delete(.work, purging: true)
            default:
                let lease = try await store.leaseOne()
                #expect(try await claim() == .duplicate(first), "it runs")
                if end == "fail" {
                    try await store.run(.fail(lease.token, Failure(message: "no"), retry: .after(.seconds(1))))
                    #expect(try await claim() == .duplicate(first), "it is retrying")
                    await store.clock.advance(by: .seconds(1))
                    let again = try #require(try await store.lease(9).first { $0.job.id == first })
                    try await store.run(.fail(again.token, Failure(message: "no"), retry: .never))
                } else {
                    try await store.run(.complete(lease.token, result: nil))
                }
            }
            store = try await store.killed()
            let second = try #require(try await claim().jobID)
            #expect(second != first, "\(end)")
            _ = try await store.engine.purge(.work)
            _ = try await store.engine.purge(.other)
        }
    }

    @Test("a claim counts within a transaction, and one that its settle ends is free for what follows")
    func transactions() async throws {
        let store = try await Fixture()
        var message = NewMessage(queue: .work, payload: Content("1"))
        message.claim = "c"
        let results = try await store.run(.enqueue(message), .enqueue(message))
        let first = try #require(results[0].jobID)
        #expect(results[1] == .duplicate(first))
        let next = try await store.run(.complete(try await store.leaseOne().token, result: nil), .enqueue(message))
        #expect(next[1].jobID != first && next[1] != .duplicate(first))
        #expect(try await store.status().totals.duplicates == 1)
        // A full queue has a duplicate all the same.
        try await store.configure { $0.maxJobs = 1 }
        #expect(try await store.enqueue { $0.claim = "c" } == .duplicate(try #require(next[1].jobID)))
    }

    @Test("a retried job takes its claim again, unless another has it")
    func retry() async throws {
        var store = try await Fixture()
        let first = try await store.publish { $0.claim = "c" }
        try await store.run(.cancel(first))
        let second = try await store.publish { $0.claim = "c" }
        let error = await expectError(.keyConflict) { try await store.run(.retry(first)) }
        #expect(error?.field == "claim")
        try await store.run(.cancel(second), .retry(first))
        store = try await store.killed()
        #expect(try await store.enqueue { $0.claim = "c" } == .duplicate(first))
        try await store.run(.cancel(first), .retry(first))
        #expect(try await store.killed().enqueue { $0.claim = "c" } == .duplicate(first))
    }

    @Test("a claim goes with the end of its job, whatever ends it, and takes no memory then")
    func memory() throws {
        let clock = ManualClock(start: Fixture.start)
        var core = try Core.open(MemoryStorage(), clock)
        var count = core.state.claims.count
        func publish(_ core: inout EngineCore) {
            for index in 0..<50 { core.turn([(1, Core.publish { $0.claim = "\(index)" })], at: clock.now()) }
        }
        publish(&core)
        count = core.state.claims.count
        #expect(count == 50)
        let cancelled = (1...10 as ClosedRange<UInt64>).map { sequence in
            PreparedTransaction.one(.cancel(JobName(id: core.state.identity.jobID(sequence), sequence: sequence)))
        }
        core.turn([(2, .commit(cancelled, nil))], at: clock.now())
        count = core.state.claims.count
        #expect(count == 40)
        core.turn([(3, .purge(.work))], at: clock.now())
        core.turn([], at: clock.now())
        count = core.state.claims.count
        #expect(count == 0)
    }

    @Test("a table of claims finds owners by claims, and is written down and read back")
    func written() throws {
        var table = ClaimTable()
        let identity = StoreIdentity(incarnation: 1, k0: 1, k1: 2)
        func key(_ claim: UInt64, _ queue: UInt32 = 1) -> ClaimTable.Key { ClaimTable.Key(Array("\(claim)".utf8), in: queue, identity) }
        for number in 1...20_000 as ClosedRange<UInt64> { table.insert(key(number), number) }
        for number in 1...20_000 as ClosedRange<UInt64> where number % 3 != 0 { table.remove(number) }
        // Whoever comes later has it.
        table.insert(key(3), 20_001)
        #expect(table.count == 6_666)
        #expect(table[key(3)] == 20_001 && table[key(9)] == 9 && table[key(9, 2)] == nil && table[key(4)] == nil)
        let snapshot = table.snapshot()
        table.remove(9)
        var writer = RecordWriter()
        snapshot.forEach { number, key in
            writer.put(key.pointee.high)
            writer.put(key.pointee.low)
            writer.put(number)
        }
        table.endSnapshot()
        #expect(table[key(9)] == nil)
        try writer.bytes.withBytes { bytes throws(RecordError) in
            var reader = RecordReader(bytes), copy = ClaimTable()
            while !reader.isAtEnd { try copy.restore(&reader) }
            #expect(copy.count == 6_666 && copy[key(9)] == 9 && copy[key(3)] == 20_001)
            copy.removeAll { $0 != 9 }
            #expect(copy.count == 1 && copy[key(9)] == 9 && copy[key(12)] == nil)
        }
    }

    @Test("groups and claims are checked, and part of a key's fingerprint")
    func validation() async throws {
        let store = try await Fixture()
        for bad in ["", String(repeating: "g", count: 201)] {
            #expect(await expectError(.invalidArgument) { try await store.publish { $0.group = bad } }?.field == "group")
        }
        for bad in ["", String(repeating: "c", count: 513)] {
            #expect(await expectError(.invalidArgument) { try await store.publish { $0.claim = bad } }?.field == "claim")
        }
        var message = NewMessage(queue: .work, payload: Content("1"))
        let plain = message.fingerprint
        message.group = "a"
        let grouped = message.fingerprint
        (message.group, message.claim) = (nil, "a")
        #expect(Set([plain, grouped, message.fingerprint]).count == 3)
    }
}
