import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("A store that is opened again", .timeLimit(.minutes(1)))
struct RestartTests {
    @Test("states, counts, versions, keys, results and errors are the same before and after")
    func same() async throws {
        let store = try await Fixture()
        var ids: [JobID] = []
        try await store.configure { $0.maxAttempts = 5 }
        func publish(_ change: (inout NewMessage) -> Void = { _ in }) async throws -> JobID {
            let id = try await store.publish(.work, "\(ids.count)") { message in
                message.name = "job"
                change(&message)
            }
            ids.append(id)
            return id
        }
        _ = try await publish { $0.deduplication = .init(key: "k", fingerprint: 9) }
        try await store.run(.complete(try await store.leaseOne().token, result: Content("r")))
        _ = try await publish()
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "a", code: "b"), retry: .after(.seconds(50))))
        _ = try await publish()
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "c"), retry: .never))
        try await store.run(.cancel(try await publish()))
        _ = try await publish { $0.start = .after(.seconds(500)) }
        _ = try await publish { $0.start = .at(Fixture.start + .seconds(900)) }
        _ = try await publish { $0.expires = .seconds(1) }
        await store.clock.advance(by: .seconds(2))
        _ = try await publish { $0.priority = 9 }
        _ = try await store.leaseOne()
        _ = try await publish()
        let again = try await store.killed()
        let before = try await store.engine.read(ids), after = try await again.engine.read(ids)
        #expect(before == after)
        var one = try await store.status(), other = try await again.status()
        // Totals count from the opening on.
        #expect(other.totals == .init())
        one.totals = .init()
        #expect(one == other)
        #expect(one.counts.running == 1 && one.counts.expired == 1 && one.counts.retrying == 1 && one.counts.scheduled == 2)
        await again.clock.advance(by: .seconds(1_000))
        #expect(try await again.status().counts.scheduled == 0)
    }

    @Test("a lease keeps its token and gets its full time again")
    func leases() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let holder = try await store.holder()
        let delivery = try #require(try await holder.lease(max: 1, term: .fixed(.seconds(10)), wait: .zero).first)
        await store.clock.advance(by: .seconds(9))
        let again = try await store.killed()
        await store.engine.close()
        await again.clock.advance(by: .seconds(9))
        #expect(try await again.job(id).state == .running)
        #expect(try await again.holder().renew([Renewal(delivery.token)]) == [.good(remaining: .seconds(10))])
        #expect(try await again.run(.complete(delivery.token, result: nil)) == [.state(.succeeded)])
    }

    @Test("leases of holders in the process end with it, as attempts that failed")
    func embedded() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let last = try await store.publish { $0.maxAttempts = 1 }
        let held = try await store.lease(2, embedded: true)
        let again = try await store.killed()
        let job = try await again.job(id)
        #expect(job.state == .queued && job.attempt == 1 && job.errors.map(\.code) == [FailureCode.leaseExpired])
        #expect(try await again.job(last).state == .failed)
        _ = await expectError(.staleLease) { try await again.run(.complete(held[0].token, result: nil)) }
        let next = try await again.leaseOne()
        #expect(next.deliveries == 2)
        #expect(try #require(next.fencingNumber) > #require(held[1].fencingNumber))
    }

    @Test("a holder can be closed after a restart")
    func holders() async throws {
        let store = try await Fixture()
        try await store.publish()
        _ = try await store.lease(1, holder: "far away")
        let again = try await store.killed()
        try await again.holder("far away").close()
        #expect(try await again.leaseOne().job.attempt == 1)
    }

    @Test("a delay is exact over a restart within one boot, and goes by the wall clock over another")
    func delays() async throws {
        let store = try await Fixture()
        let id = try await store.publish { $0.start = .after(.seconds(100)) }
        await store.clock.advance(by: .seconds(10))
        store.clock.jumpWall(by: .seconds(1_000))
        let same = try await store.killed()
        await same.clock.advance(by: .seconds(89))
        #expect(try await same.job(id).state == .scheduled)
        await same.clock.advance(by: .seconds(1))
        #expect(try await same.job(id).state == .queued)

        let other = try await Fixture()
        let second = try await other.publish { $0.start = .after(.seconds(100)) }
        let booted = try await other.killed(clock: ManualClock(start: Fixture.start + .seconds(60), boot: .zero, bootID: "another"))
        await booted.clock.advance(by: .seconds(39))
        #expect(try await booted.job(second).state == .scheduled)
        await booted.clock.advance(by: .seconds(1))
        #expect(try await booted.job(second).state == .queued)
    }

    @Test("a wall clock that jumped too far while the machine was off drops nothing until it is accepted")
    func doubt() async throws {
        let store = try await Fixture()
        let id = try await store.publish { $0.deduplication = .init(key: "k") }
        try await store.run(.complete(try await store.leaseOne().token, result: nil))
        let far = Fixture.start + .seconds(8 * 86_400)
        let doubtful = try await store.killed(clock: ManualClock(start: far, boot: .zero, bootID: "another"))
        await doubtful.clock.advance(by: .seconds(5))
        #expect(try await doubtful.job(id).state == .succeeded)
        #expect(try await doubtful.enqueue { $0.deduplication = .init(key: "k") } == .duplicate(id))
        // Also when it is opened once more.
        let still = try await doubtful.killed(clock: ManualClock(start: far + .seconds(60), boot: .zero, bootID: "third"))
        await still.clock.advance(by: .seconds(5))
        #expect(try await still.job(id).state == .succeeded)
        let accepted = try await still.killed { $0.acceptsClock = true }
        await accepted.clock.advance(by: .seconds(1))
        #expect(try await accepted.engine.read([id]) == [.forgotten])
        #expect(try await accepted.status().keys == 0)
        // A jump within the tolerance is believed.
        let near = ManualClock(start: Fixture.start + .seconds(2 * 86_400), boot: .zero, bootID: "another")
        let believed = try await store.killed(clock: near)
        await believed.clock.advance(by: .seconds(1))
        #expect(try await believed.engine.read([id]) == [.forgotten])
    }

    @Test("a wall clock that went back forgets nothing and brings nothing back")
    func back() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        try await store.run(.complete(try await store.leaseOne().token, result: nil))
        await store.clock.advance(by: .seconds(60))
        let delayed = try await store.publish { $0.start = .after(.seconds(10)) }
        let again = try await store.killed(clock: ManualClock(start: Timestamp(milliseconds: 1_000), boot: .zero, bootID: "another"))
        #expect(try await again.job(id).state == .succeeded)
        await again.clock.advance(by: .seconds(10))
        #expect(try await again.job(delayed).state == .queued)
    }

    @Test("versions are never used again, also those of changes that a power failure took back")
    func versions() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        // The delivery leaves before its record is durable.
        let seen = try await store.leaseOne().job.version
        var versions: Set<Version> = [seen]
        for seed in 1...5 as ClosedRange<UInt64> {
            let again = try await store.crashed(seed: seed)
            try await again.run(.cancel(id))
            versions.insert(try await again.job(id).version)
        }
        #expect(!versions.subtracting([seen]).isEmpty && !versions.isEmpty)
        for seed in 1...5 as ClosedRange<UInt64> {
            let again = try await store.crashed(seed: seed)
            try await again.run(.cancel(id))
            #expect(try await again.job(id).version != seen)
        }
    }

    @Test("a record whose checksum is right and whose content is not is an error, never a trap", arguments: 0..<400)
    func garbage(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        var writer = RecordWriter()
        var message = NewMessage(queue: .work, payload: Content("1"), name: "n", headers: [Header(name: "a", value: "b")])
        message.payload.type = "text/plain"
        let changes: [Change] = [
            .published(
                Publication(
                    sequence: 3,
                    queue: 0,
                    maxAttempts: 20,
                    priority: 0,
                    due: .wall(4),
                    expires: 5,
                    timeout: 6,
                    key: [1, 2],
                    fingerprint: 8,
                    size: 9,
                    message: MessageBox(message)
                )
            ),
            .leased(Grant(holder: HolderID("h"), term: 1, endsWithProcess: true, firstFencing: 7, sequences: [5, 3, 9])),
            .failed(
                FailedAttempt(
                    sequence: 1,
                    attempts: Attempts(attempt: 2, maxAttempts: 3, deliveries: 2, started: 1),
                    failure: Failure(message: "", code: "c"),
                    next: .retry(7)
                )
            ),
            .completed(Completion(sequence: 1, attempts: Attempts(attempt: 1, maxAttempts: 3, deliveries: 1), resultBytes: 0)),
            .retried(
                Retry(
                    sequence: 1,
                    position: 4,
                    revival: Retry.Revival(size: 9, priority: 3, attempts: Attempts(attempt: 1, maxAttempts: 3), timeout: 5)
                )
            ),
            .queue(QueueChange(queue: 0, name: .work, settings: QueueSettings())),
            .put(StoredValue(key: RecordKey("k", home: .queue(.work)), value: "", valueBytes: 0, expires: 4)),
            .swept(Sweep(queue: 0, sequences: [1, 2, 900], keys: 3)),
            .added(
                CountedStep(
                    key: RecordKey("k"),
                    step: Array("step".utf8),
                    amount: 2,
                    target: 300,
                    completes: false,
                    expires: 9,
                    then: Bytes(),
                    thenBytes: 0
                )
            ),
            .followed(FollowedEnd(subject: .job(3), states: .failed)),
        ]
        let change = changes[seed % changes.count]
        change.encode(Stamp(engine: 1, wall: 2), into: &writer)
        var bytes = writer.bytes
        for _ in 0...Int(random.next() % 4) {
            switch random.next() % 3 {
            case 0: bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes = Array(bytes.prefix(max(1, Int(random.next() % UInt64(bytes.count)))))
            default: bytes.append(UInt8(truncatingIfNeeded: random.next()))
            }
        }
        // Whatever comes of it, it ends; and what can be read can be applied or is refused.
        bytes.withUnsafeBytes { header in
            var state = EngineState()
            guard let (stamp, change) = try? Change.decode(kind: change.kind.rawValue, header: header, bodyBytes: 0) else { return }
            _ = try? state.apply(change, stamp, at: RecordLocation(segment: 1, offset: 4_096))
        }
    }

    @Test("numbers that no engine writes are refused: nothing is added to them")
    func extremes() {
        let edge = UInt64.max, late = Int64.max
        let changes: [Change] = [
            .retried(Retry(sequence: 1, position: edge)), .retried(Retry(sequence: edge, position: 1)),
            .cancelled(Cancellation(sequence: 1 << 48, attempts: Attempts(maxAttempts: 1))),
            .opened(Opening(epoch: .max, bootID: "b", boot: 0)), .opened(Opening(epoch: 1, bootID: "b", boot: late)),
            .opened(Opening(epoch: 1, bootID: "b", boot: 0, withheld: .min)),
            .leased(Grant(holder: HolderID("h"), term: late, endsWithProcess: true, firstFencing: 7, sequences: [1])),
            .leased(Grant(holder: HolderID("h"), term: 1, endsWithProcess: true, firstFencing: edge, sequences: [1])),
            .due([DueJob(sequence: 1, position: edge)]),
            .failed(
                FailedAttempt(
                    sequence: 1,
                    attempts: Attempts(attempt: 2, maxAttempts: 3),
                    failure: Failure(message: ""),
                    next: .retry(late)
                )
            ),
            .failed(
                FailedAttempt(
                    sequence: 1,
                    attempts: Attempts(attempt: 2, maxAttempts: 3),
                    failure: Failure(message: ""),
                    next: .queue(edge)
                )
            ),
            .put(StoredValue(key: RecordKey("k"), value: "", valueBytes: 0, expires: .min)),
            .queue(
                QueueChange(
                    queue: 0,
                    name: .work,
                    settings: {
                        var settings = QueueSettings()
                        settings.dedupWindow = .milliseconds(Int64.min)
                        return settings
                    }()
                )
            ),
        ]
        for change in changes {
            var writer = RecordWriter()
            change.encode(Stamp(engine: 1, wall: 2), into: &writer)
            #expect(throws: RecordError.self, "\(change)") {
                try writer.bytes.withUnsafeBytes { _ = try Change.decode(kind: change.kind.rawValue, header: $0, bodyBytes: 0) }
            }
        }
        // More keys are swept than there are, a number far from all others: what is well-formed may still not fit.
        var state = EngineState()
        let stamp = Stamp(engine: 1, wall: 2), location = RecordLocation(segment: 1, offset: 4_096)
        #expect(throws: Never.self) {
            try state.apply(.queue(QueueChange(queue: 0, name: .work, settings: QueueSettings())), stamp, at: location)
        }
        var refused = 0
        for change in [Change.swept(Sweep(queue: 0, sequences: [], keys: 1 << 62))] {
            do { try state.apply(change, stamp, at: location) } catch { refused += 1 }
        }
        #expect(refused == 1)
    }

    @Test("records read back as they were written, unknown fields are skipped, unknown critical ones refused")
    func format() throws {
        var writer = RecordWriter()
        let grant = Grant(
            holder: HolderID("hölder"),
            term: 30_000,
            endsWithProcess: false,
            firstFencing: 1 << 40,
            sequences: [900, 3, 1 << 48 - 1, 4]
        )
        Change.leased(grant).encode(Stamp(engine: -1, wall: 1 << 52), into: &writer)
        func decode(_ bytes: [UInt8]) throws -> (Stamp, Change)? {
            try bytes.withUnsafeBytes { try Change.decode(kind: RecordKind.leased.rawValue, header: $0, bodyBytes: 0) }
        }
        guard case (let stamp, .leased(let read))? = try decode(writer.bytes) else { throw RecordError.truncated }
        #expect(stamp == Stamp(engine: -1, wall: 1 << 52) && read == grant)
        guard case (_, .leased(let skipped))? = try decode(writer.bytes + [60, 2, 1, 1]) else { throw RecordError.truncated }
        #expect(skipped == grant)
        #expect(throws: RecordError.newer("field 188")) { try decode(writer.bytes + [60 | RecordTag.critical, 0]) }
        #expect(throws: RecordError.newer("record layout 2")) { try decode([2] + writer.bytes.dropFirst()) }
        #expect(throws: RecordError.truncated) { try decode(Array(writer.bytes.prefix(30))) }
    }

    @Test("the MAC is SipHash-2-4, as published")
    func sipHash() {
        // The key and the 24-byte message 00, 01, 02… of the reference vectors.
        let hash = SipHash(k0: 0x0706_0504_0302_0100, k1: 0x0f0e_0d0c_0b0a_0908)
        #expect(hash.mac(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908, 0x1716_1514_1312_1110) == 0xb8ad_50c6_f649_af94)
    }
}
