import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Exports: what is taken in again is what was there", .timeLimit(.minutes(2)))
struct ExportTests {
    private static func jobs(of fixture: Fixture, limit: Int = Limits.page) async throws -> [ExportedJob] {
        var jobs: [ExportedJob] = [], query = ExportQuery(limit: limit)
        repeat {
            let page = try await fixture.engine.exportPage(query)
            jobs += page.jobs
            query.cursor = page.next
        } while query.cursor != nil
        return jobs
    }

    private static func records(of fixture: Fixture) async throws -> [ExportedRecord] {
        var records: [ExportedRecord] = [], cursor: String?
        repeat {
            let page = try await fixture.engine.exportRecords(after: cursor)
            records += page.records
            cursor = page.next
        } while cursor != nil
        return records
    }

    /// All that a job is, but for its id: as text, so that a difference can be read.
    private static func description(_ job: ExportedJob, state: JobState? = nil) throws -> String {
        let message = try job.message.get(), past = try #require(message.past)
        return """
            \(job.queue) \(state ?? job.state) \(message.payload) \(message.name ?? "-") \(message.headers) \(message.start) \
            \(message.priority) \(String(describing: message.expires)) \(String(describing: message.timeout)) \
            \(String(describing: message.maxAttempts)) \(String(describing: message.deduplication)) \(message.group ?? "-") \
            \(message.claim ?? "-") \(past.createdAt) \(past.attempt) \(past.deliveries) \(String(describing: past.startedAt)) \
            \(past.failures) \(past.deaths) \(past.isRetrying) \(String(describing: past.end))
            """
    }

    /// A store with jobs in every state, and every option among them.
    private static func work(_ seed: UInt64) async throws -> Fixture {
        let fixture = try await Fixture()
        var generator = SplitMix64(seed: seed)
        let dead = QueueName.name("dead")
        try await fixture.configure { settings in
            settings.maxAttempts = 3
            settings.deadLetterQueue = "dead"
        }
        for number in 0..<120 {
            try await fixture.publish(number % 3 == 0 ? .other : .work, "{\"n\":\(number)}") { message in
                if generator.next() % 4 == 0 { message.name = "job-\(number)" }
                if generator.next() % 4 == 0 { message.headers = [Header(name: "color", value: "blue \(number)")] }
                if generator.next() % 5 == 0 { message.start = .after(.seconds(60 + number)) }
                if generator.next() % 4 == 0 { message.priority = Int(generator.next() % 256) }
                if generator.next() % 9 == 0 { message.expires = .seconds(20) }
                if generator.next() % 9 == 0 { message.timeout = .seconds(100) }
                if generator.next() % 3 == 0 { message.deduplication = .init(key: "key-\(number)", fingerprint: message.fingerprint) }
                if generator.next() % 5 == 0 { message.group = "group-\(number % 4)" }
                if generator.next() % 5 == 0 { message.claim = "claim-\(number)" }
            }
        }
        for round in 0..<8 {
            await fixture.clock.advance(by: .seconds(5))
            for queue in [QueueName.work, .other, dead] {
                guard try await fixture.engine.queue(queue) != nil else { continue }
                for delivery in try await fixture.lease(8, queue) {
                    switch generator.next() % 9 {
                    case 0: try await fixture.run(.complete(delivery.token, result: nil))
                    case 1: try await fixture.run(.complete(delivery.token, result: Content(Bytes("\"result \(round)\""))))
                    case 2: try await fixture.run(.fail(delivery.token, Failure(message: "no", code: "bad"), retry: .after(.seconds(3))))
                    case 3: try await fixture.run(.fail(delivery.token, Failure(message: "never"), retry: .never))
                    case 4:
                        try await fixture.run(
                            .release(delivery.token, delay: nil, counted: false, amending: [Header(name: "color", value: "red")])
                        )
                    case 5: try await fixture.run(.cancel(delivery.job.id))
                    case 6: break
                    default: try await fixture.run(.fail(delivery.token, Failure(message: "again"), retry: .after(.zero)))
                    }
                }
            }
        }
        for number in 0..<3_000 {
            let home: RecordKey.Home = number % 2 == 0 ? .own : .queue(.work)
            let lifetime: Duration? = number % 5 == 0 ? .seconds(3_600) : nil
            try await fixture.run(
                .put(RecordKey("r\(number)", home: home), value: Bytes("v\(number)"), expecting: .absent, lifetime: lifetime)
            )
        }
        return fixture
    }

    private static func expectJobs(_ expected: [String], of fixture: Fixture, limit: Int = Limits.page) async throws {
        let found = try await jobs(of: fixture, limit: limit).map { try description($0) }
        #expect(found.count == expected.count)
        for (job, wanted) in zip(found, expected) { #expect(job == wanted) }
    }

    @Test("an export, taken in by an empty store, is exported alike, whatever the jobs have behind them", arguments: [1, 2, 3] as [UInt64])
    func roundTrip(seed: UInt64) async throws {
        let fixture = try await Self.work(seed)
        let exported = try await Self.jobs(of: fixture, limit: 7)
        #expect(Set(exported.map(\.state)) == Set(JobState.allCases))
        let other = try await Fixture(clock: fixture.clock)
        for job in exported {
            let message = try job.message.get()
            let result = try await other.run(.enqueue(message))
            guard case .enqueued = result[0] else { return fail("\(job) was not taken in") }
        }
        // What ran waits again.
        let expected = try exported.map { try Self.description($0, state: $0.state == .running ? .queued : nil) }
        try await Self.expectJobs(expected, of: other)
        // It is all in the journal, and in a checkpoint.
        let killed = try await other.killed()
        try await Self.expectJobs(expected, of: killed)
        await killed.engine.close()
        let again = try await Fixture(storage: killed.storage, clock: killed.clock)
        try await Self.expectJobs(expected, of: again, limit: 3)

        let records = try await Self.records(of: fixture)
        #expect(Set(records.map(\.key)).count == 3_000 && records.count == 3_000)
        for record in records { #expect(try record.value.get().text == "v" + record.key.name.dropFirst()) }
        #expect(records.count { $0.lifetime == .seconds(3_600) } == 600)
        await again.engine.close()
        await fixture.engine.close()
    }

    @Test("a record's part is the same in every process: a page goes on where the one before it ended, also after a restart")
    func recordsOverRestart() async throws {
        #expect(RecordKey("a record").shard == RecordKey("a record").shard)
        #expect(RecordKey("a record").shard & 0xff == 0x16)
        var fixture = try await Fixture()
        func run(_ operations: [GodwitCore.Operation]) async throws {
            for start in stride(from: 0, to: operations.count, by: 500) {
                let part = Array(operations[start..<min(start + 500, operations.count)])
                _ = try await fixture.engine.commit([Transaction(part)])[0].get()
            }
        }
        // So many that they are kept in parts, and then so few that an opening would not.
        let keys = (0..<2_000).map { RecordKey("r\($0)") }
        try await run(keys.map { .put($0, value: Bytes("1"), expecting: .anything, lifetime: nil) })
        try await run(keys[1_010...].map { .delete($0, expecting: .anything) })
        let first = try await fixture.engine.exportRecords(after: nil)
        #expect(first.records.count == Limits.page)
        fixture = try await fixture.killed()
        var found = first.records.map(\.key), cursor = first.next
        while let next = cursor {
            let page = try await fixture.engine.exportRecords(after: next)
            found += page.records.map(\.key)
            cursor = page.next
        }
        #expect(found.count == 1_010 && Set(found) == Set(keys[..<1_010]))
    }

    @Test("records of a kind are found among any number of others, in as many looks as those take")
    func recordsOfAKind() async throws {
        let fixture = try await Fixture()
        var operations: [GodwitCore.Operation] = (0..<12_000).map {
            .put(RecordKey("other:\($0)"), value: Bytes("1"), expecting: .anything, lifetime: nil)
        }
        let wanted = (0..<3).map { RecordKey("schedule:\($0)", home: .queue(.work)) }
        operations += wanted.map { .put($0, value: Bytes("{}"), expecting: .anything, lifetime: nil) }
        for start in stride(from: 0, to: operations.count, by: 500) {
            _ = try await fixture.engine.commit([Transaction(Array(operations[start..<min(start + 500, operations.count)]))])[0].get()
        }
        var found: [RecordKey] = [], cursor: String?, looks = 0
        repeat {
            let page = try await fixture.engine.exportRecords(after: cursor, named: "schedule:")
            found += page.records.map(\.key)
            cursor = page.next
            looks += 1
        } while cursor != nil
        #expect(Set(found) == Set(wanted) && found.count == 3)
        #expect(looks == 2)
    }

    @Test("a finished job that was taken in has its result, is retried, redriven and forgotten like any other")
    func finished() async throws {
        let fixture = try await Fixture()
        var message = NewMessage(queue: .work, payload: Content("1"), maxAttempts: 2)
        let at = Timestamp(milliseconds: 1_700_000_000_000)
        let failure = AttemptFailure(message: "the end", code: "bad", attempt: 2, at: at)
        message.past = JobPast(
            createdAt: at,
            attempt: 2,
            deliveries: 2,
            startedAt: at,
            failures: [AttemptFailure(message: "first", code: nil, attempt: 1, at: at)],
            end: .init(state: .failed, at: at, failure: failure, reason: .maxAttempts)
        )
        let failed = try #require(try await fixture.run(.enqueue(message))[0].jobID)
        var job = try await fixture.job(failed)
        #expect(job.state == .failed && job.errors.map(\.message) == ["first", "the end"] && job.finishedAt == at && job.createdAt == at)
        try await fixture.run(.retry(failed))
        let delivery = try await fixture.leaseOne()
        #expect(delivery.job.attempt == 3 && delivery.job.maxAttempts == 3)
        try await fixture.run(.complete(delivery.token, result: nil))
        job = try await fixture.job(failed)
        #expect(job.state == .succeeded && job.errors.map(\.message) == ["first", "the end"])

        message.past = JobPast(createdAt: at, attempt: 1, deliveries: 1, end: .init(state: .succeeded, at: at, result: Content("\"done\"")))
        let succeeded = try #require(try await fixture.run(.enqueue(message))[0].jobID)
        #expect(try await fixture.engine.result(of: succeeded)?.bytes.text == "\"done\"")
        // It counts against no bound, and says nothing of how fast jobs end here.
        #expect(try await fixture.status().bytes == 0)
        try await fixture.run(.forget(succeeded))
        await fixture.engine.close()
    }

    @Test("keys and claims of jobs with a past keep nothing out, and are kept out by nothing")
    func keysAndClaims() async throws {
        let fixture = try await Fixture()
        var message = NewMessage(queue: .work, payload: Content("1"))
        message.deduplication = .init(key: "daily")
        message.claim = "one"
        let first = try #require(try await fixture.run(.enqueue(message))[0].jobID)
        var old = message
        old.past = JobPast(createdAt: Fixture.start, attempt: 1, deliveries: 1, end: .init(state: .succeeded, at: Fixture.start))
        guard case .enqueued = try await fixture.run(.enqueue(old))[0] else { return fail("it was taken for another job") }
        #expect(try await fixture.run(.enqueue(message))[0].jobID == first)
        message.deduplication = nil
        #expect(try await fixture.run(.enqueue(message))[0].jobID == first)
        await fixture.engine.close()
    }
}
