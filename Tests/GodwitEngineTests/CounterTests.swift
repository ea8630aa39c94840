import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Counters", .timeLimit(.minutes(2)))
struct CounterTests {
    private let key = RecordKey("batch")

    private func step(_ id: String, of target: Int = 3, amount: Int = 1, then: [GodwitCore.Operation] = []) -> GodwitCore.Operation {
        .add(Addition(key: key, step: id, amount: amount, target: target, then: then))
    }

    private func message(_ payload: String = "then", _ queue: QueueName = .other) -> GodwitCore.Operation {
        .enqueue(NewMessage(queue: queue, payload: Content(Bytes(payload))))
    }

    private func add(_ store: Fixture, _ operation: GodwitCore.Operation) async throws -> Added {
        try #require(try await store.run(operation)[0].added)
    }

    private func waiting(_ store: Fixture, _ queue: QueueName = .other) async throws -> [String] {
        guard try await store.engine.queue(queue) != nil else { return [] }
        return try await store.engine.browse(BrowseQuery(queue: queue)).jobs.compactMap { $0.payload?.bytes.text }
    }

    @Test("each step counts once, and the one that reaches the target does what follows; the first says what that is, over crashes")
    func counting() async throws {
        var store = try await Fixture()
        let first = try await add(store, step("a", then: [message()]))
        #expect(first.counter == CounterValue(count: 1, target: 3) && first.isCounted && !first.completes)
        store = try await store.crashed()
        let again = try await add(store, step("a", then: [message()]))
        #expect(!again.isCounted && again.counter.count == 1 && again.version == first.version)
        // What later ones say about the target and what follows is not looked at.
        let second = try await add(store, step("b", of: 9, then: [message("other")]))
        #expect(second.counter == CounterValue(count: 2, target: 3) && second.version != first.version)
        #expect(try await waiting(store) == [])
        store = try await store.killed()
        let third = try await add(store, step("c"))
        #expect(third.isCounted && third.completes && third.counter.isComplete)
        #expect(try await waiting(store) == ["then"])
        #expect(try await store.job(try #require(third.enqueued.first)).queue == .other)
        #expect(third.enqueued.count == 1)
        // Full, it counts nothing more, however late.
        for late in ["a", "c", "d"] {
            store = try await store.crashed()
            let added = try await add(store, step(late, then: [message()]))
            #expect(!added.isCounted && !added.completes && added.counter == CounterValue(count: 3, target: 3) && added.enqueued.isEmpty)
        }
        #expect(try await waiting(store) == ["then"])
    }

    @Test("what follows is read once by the step that makes a counter full")
    func reads() async throws {
        let store = try await Fixture()
        try await store.run(step("a", of: 2, then: [message()]))
        let before = store.storage.calls[.read] ?? 0
        try await store.run(step("b", of: 2))
        #expect(store.storage.calls[.read] == before + 1)
        #expect(try await waiting(store).count == 1)
    }

    @Test("a counter is read and watched like a record, and goes when it is deleted, replaced, or its time is over")
    func records() async throws {
        let store = try await Fixture()
        let added = try await add(store, step("a", of: 2))
        let record = try #require(try await store.engine.read([key])[0])
        #expect(record.counter == CounterValue(count: 1, target: 2) && record.value.isEmpty && record.version == added.version)
        async let watched = store.engine.watch([.record(key, known: added.version)], wait: .seconds(60))
        try await store.run(step("b", of: 2))
        guard case .record(let seen?) = try await watched[0] else { return fail("the watch answers something else") }
        #expect(seen.counter?.isComplete == true)
        // Versions are checked as a record's are.
        _ = await expectError(.versionConflict) { try await store.run(.delete(key, expecting: .version(added.version))) }
        _ = await expectError(.versionConflict) { try await store.run(.put(key, value: "1", expecting: .absent, lifetime: nil)) }
        try await store.run(.delete(key, expecting: .version(seen.version)))
        #expect(try await store.engine.read([key]) == [nil])
        // A new one begins anew; a record in its place is no counter.
        #expect(try await add(store, step("a", of: 2)).counter.count == 1)
        try await store.run(.put(key, value: "1", expecting: .anything, lifetime: nil))
        #expect(try await store.engine.read([key])[0]?.counter == nil)
        let error = await expectError(.wrongState) { try await store.run(step("b")) }
        #expect(error?.field == "key")
        try await store.run(.delete(key, expecting: .anything))
        // Each step that counts puts the end off.
        let short = Addition(key: key, step: "a", target: 3, lifetime: .seconds(10))
        var other = short
        other.step = "b"
        try await store.run(.add(short))
        await store.clock.advance(by: .seconds(8))
        try await store.run(.add(other))
        try await store.run(.add(short))
        await store.clock.advance(by: .seconds(9))
        #expect(try await store.engine.read([key])[0]?.counter?.count == 2)
        let killed = try await store.killed()
        await killed.clock.advance(by: .seconds(2))
        #expect(try await killed.engine.read([key]) == [nil])
    }

    @Test("steps of one transaction count together, all or none; a step can count more, or nothing but make the counter")
    func transactions() async throws {
        let store = try await Fixture()
        let results = try await store.run(
            step("declared", of: 5, amount: 0, then: [message()]),
            step("a"),
            step("a"),
            step("b", amount: 3),
            step("c")
        ).compactMap(\.added)
        #expect(results.map(\.counter.count) == [0, 1, 1, 4, 5])
        #expect(results.map(\.isCounted) == [true, true, false, true, true])
        #expect(results.map(\.completes) == [false, false, false, false, true])
        #expect(results[4].enqueued.count == 1)
        #expect(try await waiting(store) == ["then"])
        try await store.run(.delete(key, expecting: .anything))
        // Refused, it counted nothing; deleted between, it begins anew.
        _ = await expectError(.staleLease) {
            try await store.run(step("a", of: 1, then: [message()]), .complete(LeaseToken("none"), result: nil))
        }
        #expect(try await store.engine.read([key]) == [nil])
        let mixed = try await store.run(step("a", of: 2), .delete(key, expecting: .anything), step("a", of: 2)).compactMap(\.added)
        #expect(mixed.map(\.counter.count) == [1, 1])
        #expect(try await waiting(store) == ["then"])
    }

    @Test("what follows can put, cancel and add, fills other counters in turn, and is kept out by no bound")
    func following() async throws {
        var store = try await Fixture()
        try await store.configure(.other) { $0.maxJobs = 1 }
        try await store.publish(.other, "there")
        let job = try await store.publish()
        let outer = RecordKey("outer")
        let then: [GodwitCore.Operation] = [
            message("inner"),
            .put(RecordKey("done"), value: "yes", expecting: .anything, lifetime: nil),
            .cancel(job),
            .cancel(JobID("none")),
            .add(Addition(key: outer, step: "inner", target: 1, then: [message("outer")])),
        ]
        let added = try await add(store, step("a", of: 1, then: then))
        #expect(added.completes && added.enqueued.count == 1)
        for _ in 0..<2 {
            #expect(try await waiting(store) == ["there", "inner", "outer"])
            #expect(try await store.job(job).state == .cancelled)
            let records = try await store.engine.read([RecordKey("done"), outer])
            #expect(records[0]?.value.text == "yes" && records[1]?.counter?.isComplete == true)
            store = try await store.crashed()
        }
        // A thousand counters one behind the other end no stack.
        for index in 0..<1_000 {
            let next = Addition(key: RecordKey("\(index + 1)"), step: "s", amount: 1, target: 2)
            try await store.run(.add(Addition(key: RecordKey("\(index)"), step: "t", target: 2, then: [.add(next)])))
        }
        try await store.run(.add(Addition(key: RecordKey("0"), step: "s", target: 2)))
        #expect(try await store.engine.read([RecordKey("999")])[0]?.counter?.isComplete == true)
        #expect(try await store.engine.read([RecordKey("1000")])[0]?.counter == CounterValue(count: 1, target: 2))
    }

    @Test("what follows is done though its queue is made for it, however the transaction fills the counter")
    func newQueues() async throws {
        let store = try await Fixture()
        let names = ["one", "two", "three", "four"].map { QueueName.name($0) }
        // In the place of a counter, and of a record.
        try await store.run(step("old"))
        let again = try await store.run(.delete(key, expecting: .anything), step("a", of: 1, then: [message("1", names[0])]))
        #expect(again[1].added?.enqueued.count == 1)
        let record = RecordKey("record")
        try await store.run(.put(record, value: "1", expecting: .anything, lifetime: nil))
        let then = Addition(key: record, step: "a", target: 1, then: [message("2", names[1])])
        #expect(try await store.run(.delete(record, expecting: .anything), .add(then))[1].added?.enqueued.count == 1)
        // By two steps of which neither is enough, when the queue was deleted.
        let parts = RecordKey("parts")
        func part(_ step: String, then: [GodwitCore.Operation] = []) -> GodwitCore.Operation {
            .add(Addition(key: parts, step: step, target: 3, then: then))
        }
        try await store.run(part("a", then: [message("3", names[2])]))
        try await store.engine.delete(names[2], purging: true)
        #expect(try await store.run(part("b"), part("c"))[1].added?.enqueued.count == 1)
        // By what follows another counter: nothing can be said of it before.
        let other = RecordKey("late")
        func late(_ step: String, _ amount: Int, then: [GodwitCore.Operation] = []) -> GodwitCore.Operation {
            .add(Addition(key: other, step: step, amount: amount, target: 3, then: then))
        }
        try await store.run(late("a", 0, then: [message("4", names[3])]))
        try await store.engine.delete(names[3], purging: true)
        let filling = Addition(key: RecordKey("filling"), step: "a", target: 1, then: [late("b", 2)])
        #expect(try await store.run(.add(filling), late("c", 1))[1].added?.completes == true)
        for (index, name) in names.enumerated() { #expect(try await waiting(store, name) == ["\(index + 1)"]) }
        let killed = try await store.crashed()
        for (index, name) in names.enumerated() { #expect(try await waiting(killed, name) == ["\(index + 1)"]) }
    }

    @Test("limits are said with the field, before anything is counted")
    func limits() async throws {
        let store = try await Fixture()
        func refused(_ field: String, _ addition: Addition, code: BrokerError.Code = .invalidArgument) async {
            #expect(await expectError(code) { try await store.run(.add(addition)) }?.field == field)
        }
        let good = Addition(key: key, step: "s", target: 1)
        var bad = good
        bad.key = RecordKey("")
        await refused("key", bad)
        for step in ["", String(repeating: "s", count: 513)] { await refused("step", Addition(key: key, step: step, target: 1)) }
        await refused("step", Addition(key: key, step: "file\n1", target: 1))
        await refused("key", Addition(key: .counter("files\n"), step: "s", target: 1))
        await refused("n", Addition(key: key, step: "s", amount: -1, target: 1))
        await refused("at", Addition(key: key, step: "s", target: 0))
        await refused("lifetime", Addition(key: key, step: "s", target: 1, lifetime: .zero))
        await refused("then", Addition(key: key, step: "s", target: 1, then: Array(repeating: message(), count: 101)))
        await refused("then[1].operation", Addition(key: key, step: "s", target: 1, then: [message(), .retry(JobID("x"))]))
        await refused(
            "then[0].expecting",
            Addition(key: key, step: "s", target: 1, then: [.put(key, value: "", expecting: .absent, lifetime: nil)])
        )
        var late = NewMessage(queue: .other, payload: Content("1"))
        late.priority = 256
        await refused("then[0].enqueue.priority", Addition(key: key, step: "s", target: 1, then: [.enqueue(late)]))
        let much = message(String(repeating: "x", count: Limits.followUpBytes))
        await refused("then", Addition(key: key, step: "s", target: 1, then: [much]), code: .tooLarge)
        var deep = good
        for _ in 0..<Limits.followUpDepth { deep = Addition(key: key, step: "s", target: 1, then: [.add(deep)]) }
        try await store.run(.add(deep))
        try await store.run(.delete(key, expecting: .anything))
        deep = Addition(key: key, step: "s", target: 1, then: [.add(deep)])
        #expect(
            await expectError(.invalidArgument) { try await store.run(.add(deep)) }?.field?.hasSuffix("then[0].add.then") == true
        )
        #expect(try await store.engine.read([key]) == [nil])
        // With queues that are not made on first use, one that cannot be is said by whoever makes the counter.
        let strict = try await Fixture { $0.createsQueues = false }
        #expect(
            await expectError(.queueNotFound) { try await strict.run(.add(Addition(key: key, step: "s", target: 1, then: [message()]))) }?
                .field == "then[0].enqueue.queue"
        )
    }

    @Test("a counter tells as many steps apart as it may")
    func steps() async throws {
        let store = try await Fixture()
        for part in 0..<100 {
            let steps = (0..<1_000).map { step("\(part)-\($0)", of: 200_000) }
            let results = try await store.engine.commit([Transaction(steps)])[0].get()
            #expect(results.last?.added?.counter.count == (part + 1) * 1_000)
        }
        let error = await expectError(.tooLarge) { try await store.run(step("more")) }
        #expect(error?.field == "step")
        #expect(try await add(store, step("7-7")).isCounted == false)
        let restored = try await store.killed()
        #expect(try await add(restored, step("99-999")).isCounted == false)
        _ = await expectError(.tooLarge) { try await restored.run(step("more")) }
    }

    @Test("in a session a step that is asked for again is answered as the first time")
    func session() async throws {
        var store = try await Fixture()
        let transaction = Transaction([step("a", of: 1, then: [message(), message("2")]), step("a"), step("b")])
        let session = SessionCommit(id: "s", number: 1)
        let first = try await store.engine.commit([transaction], in: session)[0].get()
        #expect(first[0].added?.enqueued.count == 2)
        var again = session
        again.isRepeat = true
        for _ in 0..<2 {
            store = try await store.crashed()
            #expect(try await store.engine.commit([transaction], in: again)[0].get() == first)
        }
        #expect(try await waiting(store) == ["then", "2"])
    }
}

extension OperationResult {
    var added: Added? { if case .added(let added) = self { added } else { nil } }
}
