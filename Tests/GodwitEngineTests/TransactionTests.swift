import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Transactions and records", .timeLimit(.minutes(1)))
struct TransactionTests {
    @Test("finishing a job, storing its result and enqueueing what follows happen together or not at all")
    func atomic() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let delivery = try await store.leaseOne()
        let next = NewMessage(queue: .other, payload: Content("next"))
        let key = RecordKey("step")
        // The last operation is refused, so nothing happened.
        let outcomes = try await store.engine.commit([
            Transaction([
                .complete(delivery.token, result: Content("1")), .enqueue(next), .put(key, value: "x", expecting: .absent, lifetime: nil),
                .delete(key, expecting: .version(Version(4))),
            ])
        ])
        guard case .aborted(let operation, let error) = outcomes[0] else { return fail("it was committed") }
        #expect(operation == 3 && error.code == .versionConflict)
        #expect(try await store.job(id).state == .running)
        #expect(try await store.engine.queue(.other)?.counts.queued == 0)
        #expect(try await store.engine.read([key]) == [nil])

        try await store.run(
            .complete(delivery.token, result: Content("1")),
            .enqueue(next),
            .put(key, value: "x", expecting: .absent, lifetime: nil)
        )
        let again = try await store.crashed()
        for fixture in [store, again] {
            #expect(try await fixture.job(id).state == .succeeded)
            #expect(try await fixture.status(.other).counts.queued == 1)
            #expect(try await fixture.engine.read([key])[0]?.value == "x")
        }
    }

    @Test("transactions of one call are independent, one outcome each, in order")
    func independent() async throws {
        let store = try await Fixture()
        let outcomes = try await store.engine.commit([
            Transaction(.enqueue(NewMessage(queue: .work, payload: Content("1")))),
            Transaction(.cancel(JobID("no such job"))),
            Transaction([]),
            Transaction(.enqueue(NewMessage(queue: .work, payload: Content("2")))),
        ])
        #expect(outcomes.count == 4)
        #expect(try outcomes[0].get().count == 1)
        #expect(throws: BrokerError.self) { try outcomes[1].get() }
        #expect(try outcomes[2].get().isEmpty)
        #expect(try await store.lease(5).map(\.text) == ["1", "2"])
    }

    @Test("a lease can be settled once in a transaction")
    func twice() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let token = try await store.leaseOne().token
        _ = await expectError(.staleLease) { try await store.run(.complete(token, result: nil), .complete(token, result: nil)) }
        #expect(try await store.job(id).state == .running)
        #expect(
            try await store.run(.complete(token, result: nil), .cancel(id), .forget(id)) == [
                .state(.succeeded), .state(.succeeded), .forgotten,
            ]
        )
        #expect(try await store.engine.read([id]) == [.forgotten])
        _ = await expectError(.jobForgotten) { try await store.run(.cancel(id)) }
    }

    @Test("later operations see what earlier ones did")
    func chain() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let token = try await store.leaseOne().token
        #expect(
            try await store.run(.fail(token, Failure(message: "no"), retry: .never), .retry(id), .cancel(id), .retry(id))
                == [.state(.failed), .state(.queued), .state(.cancelled), .state(.queued)]
        )
        let job = try await store.job(id)
        #expect(job.state == .queued && job.maxAttempts == 22)
        _ = await expectError(.jobForgotten) { try await store.run(.cancel(id), .forget(id), .retry(id)) }
        #expect(try await store.job(id).state == .queued)
    }

    @Test("only a final job can be forgotten; then its id is forgotten, not unknown")
    func forget() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        _ = await expectError(.wrongState) { try await store.run(.forget(id)) }
        try await store.run(.complete(try await store.leaseOne().token, result: Content("1")))
        #expect(try await store.run(.forget(id)) == [.forgotten])
        #expect(try await store.engine.read([id]) == [.forgotten])
        _ = await expectError(.jobForgotten) { _ = try await store.engine.result(of: id) }
        _ = await expectError(.jobForgotten) { _ = try await store.engine.payload(of: id) }
        #expect(try await store.killed().engine.read([id]) == [.forgotten])
    }

    @Test("ids that this store never made are unknown", arguments: ["", "nonsense", String(repeating: "0", count: 26)])
    func unknownIDs(text: String) async throws {
        let store = try await Fixture()
        #expect(try await store.engine.read([JobID(text)]) == [.unknown])
        _ = await expectError(.jobNotFound) { _ = try await store.engine.payload(of: JobID(text)) }
        _ = await expectError(.jobNotFound) { try await store.run(.cancel(JobID(text))) }
    }

    @Test("changing any one character of an id makes it unknown")
    func tamperedIDs() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        #expect(id.description.utf8.count <= 64)
        let characters = Array(id.description)
        for index in characters.indices {
            var other = characters
            other[index] = other[index] == "1" ? "2" : "1"
            #expect(try await store.engine.read([JobID(String(other))]) == [.unknown])
        }
    }

    @Test("a record is put by compare and set, has a version of its own, and ends with its lifetime")
    func records() async throws {
        let store = try await Fixture()
        let key = RecordKey("schedule", home: .queue(.work))
        guard case .put(let first) = try await store.run(.put(key, value: "1", expecting: .absent, lifetime: .seconds(10)))[0] else {
            return fail("no version")
        }
        _ = await expectError(.versionConflict) { try await store.run(.put(key, value: "2", expecting: .absent, lifetime: nil)) }
        guard case .put(let second) = try await store.run(.put(key, value: "2", expecting: .version(first), lifetime: .seconds(10)))[0]
        else {
            return fail("no version")
        }
        #expect(first != second)
        #expect(try await store.engine.read([key, RecordKey("schedule")]) == [Record(value: "2", version: second), nil])
        _ = await expectError(.versionConflict) { try await store.run(.delete(key, expecting: .version(first))) }
        let again = try await store.killed()
        #expect(try await again.engine.read([key]) == [Record(value: "2", version: second)])
        await store.clock.advance(by: .seconds(10))
        #expect(try await store.engine.read([key]) == [nil])
        #expect(try await store.run(.delete(key, expecting: .anything)) == [.deleted])
        #expect(try await again.engine.read([key]) == [nil])
    }

    @Test("watchers learn of changes to jobs and records, coalesced, and of nothing else")
    func watching() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let other = try await store.publish()
        let version = try await store.job(id).version
        let key = RecordKey("k")
        let items: [WatchItem] = [.job(id, known: version), .record(key, known: nil)]
        let engine = store.engine

        let wait = Task { try await engine.watch(items, wait: .seconds(3_600)) }
        try await store.run(.cancel(other))
        try await store.run(.cancel(id), .retry(id))
        let answers = try await wait.value
        guard case .job(.found(let job)) = answers[0], case .unchanged = answers[1] else { return fail("\(answers)") }
        #expect(job.state == .queued && job.version != version)

        // One who knows an older version is answered at once.
        guard case .job = try await engine.watch(items, wait: .seconds(3_600))[0] else { return fail("unchanged") }

        let records = Task { try await engine.watch([.record(key, known: nil)], wait: .seconds(3_600)) }
        try await store.run(.put(key, value: "1", expecting: .anything, lifetime: nil))
        guard case .record(let record?) = try await records.value[0] else { return fail("no record") }
        #expect(record.value == "1")

        let timed = Task { try await engine.watch([.record(key, known: record.version)], wait: .seconds(2)) }
        try await eventually("the watch ends with its time") {
            await store.clock.advance(by: .seconds(1))
            return try await engine.queue(.work) != nil && store.clock.now().wall > Fixture.start.milliseconds + 5_000
        }
        guard case .unchanged = try await timed.value[0] else { return fail("changed") }

        let cancelled = Task { try await engine.watch([.record(key, known: record.version)], wait: .seconds(3_600)) }
        cancelled.cancel()
        guard case .unchanged = try await cancelled.value[0] else { return fail("changed") }
        guard case .job(.unknown) = try await engine.watch([.job(JobID("x"), known: nil)], wait: .seconds(3_600))[0] else {
            return fail("known")
        }
    }

    @Test("jobs are listed newest first, page by page")
    func listing() async throws {
        let store = try await Fixture()
        var ids: [JobID] = []
        for index in 0..<25 { ids.append(try await store.publish(index % 5 == 0 ? .other : .work, "\(index)")) }
        try await store.run(.cancel(ids[7]))
        var listed: [JobID] = [], cursor: String?
        repeat {
            let page = try await store.engine.list(JobQuery(limit: 10, cursor: cursor))
            listed += page.jobs.map(\.id)
            cursor = page.next
        } while cursor != nil
        #expect(listed == ids.reversed())
        #expect(try await store.engine.list(JobQuery(queue: .other)).jobs.count == 5)
        #expect(try await store.engine.list(JobQuery(state: .cancelled)).jobs.map(\.id) == [ids[7]])
        #expect(try await store.engine.list(JobQuery(queue: .name("none"))).jobs.isEmpty)
        _ = await expectError(.invalidArgument) { _ = try await store.engine.list(JobQuery(limit: 0)) }
        _ = await expectError(.invalidArgument) { _ = try await store.engine.list(JobQuery(cursor: "?")) }
    }

    @Test("a page looks at no more than 10,000 jobs")
    func pageScan() async throws {
        let store = try await Fixture()
        let id = try await store.publish(.other)
        let message = NewMessage(queue: .work, payload: Content("1"))
        for _ in 0..<11 { _ = try await store.engine.commit([Transaction(Array(repeating: .enqueue(message), count: 1_000))]) }
        let page = try await store.engine.list(JobQuery(queue: .other))
        #expect(page.jobs.isEmpty && page.next != nil)
        let next = try await store.engine.list(JobQuery(queue: .other, cursor: page.next))
        #expect(next.jobs.map(\.id) == [id] && next.next == nil)
    }

    @Test("a transaction whose dead letters are more than the journal takes at a time is refused before all of them are read")
    func manyDeadLetters() async throws {
        let store = try await Fixture()
        try await store.configure {
            $0.deadLetterQueue = "dead"
            $0.maxJobs = 20
            $0.overflow = .dropOldest
        }
        for _ in 0..<20 { try await store.publish(.work, String(repeating: "1", count: 200_000)) }
        let leases = try await store.lease(10)
        #expect(leases.count == 10)
        func reads(_ body: () async throws -> Void) async throws -> Int {
            let before = store.storage.calls[.read] ?? 0
            try await body()
            return (store.storage.calls[.read] ?? 0) - before
        }
        let failing = try await reads {
            _ = await expectError(.tooLarge) {
                let fail = leases.map { GodwitCore.Operation.fail($0.token, Failure(message: "no"), retry: .never) }
                _ = try await store.engine.commit([Transaction(fail)])[0].get()
            }
        }
        #expect(failing <= 14, "\(failing) reads")
        let dropping = try await reads {
            _ = await expectError(.tooLarge) {
                let message = NewMessage(queue: .work, payload: Content("1"))
                _ = try await store.engine.commit([Transaction(Array(repeating: .enqueue(message), count: 10))])[0].get()
            }
        }
        #expect(dropping <= 14, "\(dropping) reads")
        #expect(try await store.status().counts.running == 10)
        #expect(try await store.status().counts.queued == 10)
        #expect(try await store.engine.queue(.name("dead"))?.counts.queued ?? 0 == 0)
    }

    @Test("a transaction has at most 1,000 operations")
    func tooMany() async throws {
        let store = try await Fixture()
        let message = NewMessage(queue: .work, payload: Content("1"))
        let outcomes = try await store.engine.commit([Transaction(Array(repeating: .enqueue(message), count: 1_001))])
        guard case .aborted(_, let error) = outcomes[0] else { return fail("taken") }
        #expect(error.code == .tooLarge)
    }
}
