import GodwitCore
import HTTPTestSupport
import Testing

@testable import GodwitRemote

/// Every primitive of a broker's, through a server.
@Suite("A broker on a server", .timeLimit(.minutes(3)))
struct BrokerTests {
    @Test("transactions have their outcomes, in order; one that is refused changes nothing")
    func transactions() async throws {
        try await RemoteFixture.serve { broker, server in
            let put = Operation.put(RecordKey("k"), value: Bytes("1"), expecting: .absent, lifetime: nil)
            let outcomes = try await broker.commit([
                Transaction([put, try .enqueue("one")]), Transaction([try .enqueue("two"), put]), Transaction(try .enqueue("three")),
            ])
            #expect(try outcomes[0].get().count == 2)
            guard case .aborted(let operation, let error) = outcomes[1] else { throw TestTrouble("the second was committed") }
            #expect(operation == 1 && error.code == .versionConflict)
            #expect(try outcomes[2].get().first?.jobID != nil)
            #expect(try await server.waiting() == ["one", "three"])
            let each = try await broker.commit(each: [try .enqueue("four"), put])
            #expect(try each[0].get().jobID != nil)
            #expect(each[1].code == .versionConflict)
            await #expect(throws: BrokerError.self) { _ = try await broker.commit(put) }
            #expect(try await broker.commit([], in: nil).isEmpty)
        }
    }

    @Test("more transactions than one request takes are committed in their order")
    func manyTransactions() async throws {
        try await RemoteFixture.serve { broker, server in
            let outcomes = try await broker.commit(try (0..<2_500).map { Transaction(try .enqueue("\($0)")) })
            #expect(outcomes.count == 2_500)
            #expect(try await server.waiting() == (0..<2_500).map { "\($0)" })
        }
    }

    @Test("a caller's own session is passed on")
    func session() async throws {
        try await RemoteFixture.serve { broker, server in
            let session = SessionCommit(id: "mine", number: 1)
            let first = try await broker.commit([Transaction(try .enqueue("x"))], in: session)[0].get()
            var again = session
            again.isRepeat = true
            #expect(try await broker.commit([Transaction(try .enqueue("x"))], in: again)[0].get() == first)
            #expect(try await server.waiting() == ["x"])
        }
    }

    @Test("jobs, payloads, results, records and pages are read")
    func reads() async throws {
        try await RemoteFixture.serve { broker, _ in
            let id = try #require(try await broker.commit(try Operation.enqueue("payload")).jobID)
            let lookups = try await broker.read([id, JobID("none")])
            #expect(lookups[0].snapshot?.id == id && lookups[0].snapshot?.state == .queued)
            #expect(lookups[1] == .unknown)
            #expect(try await broker.payload(of: id) == Content("payload", type: Content.text))
            #expect(try await broker.result(of: id) == nil)
            let missing = await #expect(throws: BrokerError.self) { try await broker.payload(of: JobID("none")) }
            #expect(missing?.code == .jobNotFound)
            _ = try await broker.commit(.put(RecordKey("k"), value: Bytes("v"), expecting: .anything, lifetime: nil))
            let records = try await broker.read([RecordKey("none"), RecordKey("k")])
            #expect(records[0] == nil && records[1]?.value == Bytes("v"))
            #expect(try await broker.browse(BrowseQuery(queue: .work)).jobs.map(\.job.id) == [id])
            #expect(try await broker.list(JobQuery(queue: .work)).jobs.map(\.id) == [id])
            let bad = await #expect(throws: BrokerError.self) { try await broker.list(JobQuery(limit: 0)) }
            #expect(bad?.field == "limit")
            try await broker.check()
        }
    }

    @Test("many reads at a time are all answered with their own")
    func manyReads() async throws {
        try await RemoteFixture.serve { broker, _ in
            let ids = try await broker.commit(try (0..<200).map { Transaction(try .enqueue("\($0)")) }).map { try $0.get()[0].jobID }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, id) in ids.enumerated() {
                    let id = try #require(id)
                    group.addTask {
                        let found = try await broker.read([id])[0].snapshot?.id
                        let text = try await broker.payload(of: id).bytes.text
                        #expect(found == id && text == "\(number)")
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await broker.read(ids.compactMap { $0 } + [JobID](repeating: JobID("none"), count: 2_000)).count == 2_200)
        }
    }

    @Test("queues are looked after")
    func queues() async throws {
        try await RemoteFixture.serve { broker, server in
            let name = try QueueName("new queue/ü")
            var settings = QueueSettings()
            settings.maxJobs = 3
            let status = try await broker.configure(name, settings, expecting: .absent, startsPaused: true)
            #expect(status.isPaused && status.settings == settings)
            let conflict = await #expect(throws: BrokerError.self) {
                try await broker.configure(name, settings, expecting: .absent, startsPaused: true)
            }
            #expect(conflict?.code == .versionConflict)
            try await broker.resume(name)
            #expect(try await broker.queue(name)?.isPaused == false)
            try await broker.pause(name)
            #expect(try await server.broker.queue(name)?.isPaused == true)
            #expect(try await broker.queue(QueueName("none")) == nil)
            _ = try await broker.commit(.enqueue(NewMessage(queue: name, payload: Content("1"))))
            #expect(try await broker.queues().map(\.name) == [name])
            let full = await #expect(throws: BrokerError.self) { try await broker.delete(name, purging: false) }
            #expect(full?.code == .queueNotEmpty)
            #expect(try await broker.purge(name) == 1)
            try await broker.delete(name, purging: true)
            #expect(try await broker.queues().isEmpty)
        }
    }

    @Test("jobs are leased from several queues, renewed and settled")
    func leases() async throws {
        try await RemoteFixture.serve { broker, server in
            let other = try QueueName("other")
            let holder = try await broker.open(
                HolderOptions(id: HolderID("h/1"), queues: [other, try .work], capacity: 10, isEmbedded: true)
            )
            let headers = [Header(name: "trace", value: "t")]
            _ = try await broker.commit(.enqueue(NewMessage(queue: try .work, payload: Content("1"), name: "job", headers: headers)))
            _ = try await broker.commit(.enqueue(NewMessage(queue: other, payload: Content("2"))))
            let deliveries = try await holder.lease(max: 10, term: .fixed(.seconds(20)), wait: .zero)
            #expect(deliveries.map(\.payload.bytes) == ["2", "1"])
            #expect(deliveries[1].headers == headers && deliveries[1].job.name == "job")
            #expect(deliveries.allSatisfy { $0.remaining > .seconds(10) && $0.fencingNumber != nil })
            let progress = JobProgress(fraction: 0.5, note: "half")
            let outcomes = try await holder.renew([
                Renewal(deliveries[0].token, progress: progress), Renewal(LeaseToken("none")),
                Renewal(deliveries[1].token, term: .seconds(60)),
            ])
            guard case .good = outcomes[0], case .good(let remaining) = outcomes[2] else { throw TestTrouble("\(outcomes)") }
            #expect(outcomes[1] == .stale && remaining > .seconds(40))
            #expect(try await server.broker.read([deliveries[0].job.id])[0].snapshot?.progress?.fraction == 0.5)
            #expect(try await broker.commit(.complete(deliveries[0].token, result: Content("3"))) == .state(.succeeded))
            #expect(try await broker.result(of: deliveries[0].job.id) == Content("3"))
            _ = try await broker.commit(.cancel(deliveries[1].job.id))
            #expect(try await holder.renew([Renewal(deliveries[1].token)]) == [.cancelRequested])
            #expect(try await holder.renew([]) == [])
        }
    }

    @Test("a holder that closes gives back what it holds")
    func closingHolders() async throws {
        try await RemoteFixture.serve { broker, _ in
            _ = try await broker.commit(try Operation.enqueue("1"))
            let holder = try await broker.open(HolderOptions(id: HolderID("h 1"), queues: [try .work], capacity: 1, isEmbedded: false))
            let first = try await holder.lease(max: 1, term: .fixed(.seconds(60)), wait: .zero)
            #expect(first.count == 1)
            try await holder.close()
            let second = try await holder.lease(max: 1, term: .queue, wait: .zero)
            #expect(second.first?.job.id == first.first?.job.id)
            #expect(second.first?.job.attempt == 1)
        }
    }

    @Test("a wait for jobs ends with a job, with its time, and with its task")
    func waits() async throws {
        try await RemoteFixture.serveThroughProxy { broker, proxy, _ in
            let holder = try await broker.open(HolderOptions(id: HolderID("h"), queues: [try .work], capacity: 1, isEmbedded: false))
            #expect(try await holder.lease(max: 1, term: .queue, wait: .milliseconds(30)).isEmpty)
            async let waiting = holder.lease(max: 1, term: .queue, wait: .seconds(50))
            _ = try await broker.commit(try Operation.enqueue("1"))
            let leased = try await waiting.count
            #expect(leased == 1)
            let requests = proxy.passed("POST /v1/leases")
            let cancelled = Task { try await holder.lease(max: 1, term: .fixed(.seconds(100)), wait: .seconds(50)) }
            try await eventually { proxy.passed("POST /v1/leases") == requests + 1 }
            cancelled.cancel()
            #expect(try await cancelled.value.isEmpty)
            // Nothing stays leased for somebody who has gone.
            _ = try await broker.commit(try Operation.enqueue("2"))
            let other = try await broker.open(HolderOptions(id: HolderID("o"), queues: [try .work], capacity: 1, isEmbedded: false))
            let start = ContinuousClock.now
            #expect(try await other.lease(max: 1, term: .queue, wait: .seconds(60)).first?.job.attempt == 1)
            #expect(ContinuousClock.now - start < .seconds(30))
        }
    }

    @Test("a watch is answered when its job changes, when its time is over, and when its task is cancelled")
    func watches() async throws {
        try await RemoteFixture.serveThroughProxy { broker, proxy, _ in
            let id = try #require(try await broker.commit(try Operation.enqueue("1")).jobID)
            guard case .job(let first)? = try await broker.watch([.job(id, known: nil)], wait: .seconds(20)).first else {
                throw TestTrouble("no job")
            }
            let version = try #require(first.snapshot?.version)
            guard case .unchanged? = try await broker.watch([.job(id, known: version)], wait: .milliseconds(50)).first else {
                throw TestTrouble("it has changed")
            }
            async let changed = broker.watch([.job(id, known: version)], wait: .seconds(30))
            _ = try await broker.commit(.cancel(id))
            guard case .job(let last)? = try await changed.first else { throw TestTrouble("it did not change") }
            #expect(last.snapshot?.state == .cancelled)
            guard case .job(.unknown)? = try await broker.watch([.job(JobID("none"), known: nil)], wait: .seconds(20)).first else {
                throw TestTrouble("it is known")
            }
            let current = try #require(last.snapshot?.version)
            let requests = proxy.passed("POST /v1/watch/")
            let cancelled = Task { try await broker.watch([.job(id, known: current)], wait: .seconds(60)) }
            try await eventually { proxy.passed("POST /v1/watch/") == requests + 1 }
            cancelled.cancel()
            guard case .unchanged? = try await cancelled.value.first else { throw TestTrouble("it has changed") }
            // The server is told.
            try await eventually { proxy.passed("POST /v1/watch/") == requests + 2 }
            guard case .unchanged? = try await broker.watch([.job(id, known: current)], wait: .zero).first else {
                throw TestTrouble("it has changed")
            }
        }
    }

    @Test("several items are watched until one of them changes, and all are answered as they are")
    func watchingSeveral() async throws {
        try await RemoteFixture.serve { broker, _ in
            let key = RecordKey("k")
            let id = try #require(try await broker.commit(try Operation.enqueue("1")).jobID)
            let version = try #require(try await broker.read([id])[0].snapshot?.version)
            async let changed = broker.watch([.job(id, known: version), .record(key, known: Version(1))], wait: .milliseconds(500))
            guard case .unchanged = try await changed[0], case .record(nil) = try await changed[1] else {
                throw TestTrouble("wrong answers")
            }
            guard case .put(let put) = try await broker.commit(.put(key, value: Bytes("1"), expecting: .anything, lifetime: nil)) else {
                throw TestTrouble("not put")
            }
            async let second = broker.watch([.job(id, known: version), .record(key, known: put)], wait: .seconds(30))
            _ = try await broker.commit(.cancel(id))
            guard case .job(let job) = try await second[0], case .unchanged = try await second[1] else {
                throw TestTrouble("wrong answers")
            }
            #expect(job.snapshot?.state == .cancelled)
        }
    }

    @Test("a thousand watches share one stream")
    func manyWatches() async throws {
        try await RemoteFixture.serve { broker, _ in
            let ids = try await broker.commit(try (0..<1_000).map { Transaction(try .enqueue("\($0)")) }).map { try $0.get()[0].jobID }
            let jobs = try ids.map { try #require($0) }
            let versions = try await broker.read(jobs).map { $0.snapshot?.version }
            try await withThrowingTaskGroup(of: JobState?.self) { group in
                for (id, version) in zip(jobs, versions) {
                    group.addTask {
                        guard case .job(let job)? = try await broker.watch([.job(id, known: version)], wait: .seconds(60)).first else {
                            return nil
                        }
                        return job.snapshot?.state
                    }
                }
                group.addTask {
                    _ = try await broker.commit(jobs.map { Transaction(.cancel($0)) })
                    return .cancelled
                }
                var states: [JobState?] = []
                for try await state in group { states.append(state) }
                #expect(states.count == 1_001 && states.allSatisfy { $0 == .cancelled })
            }
        }
    }

    @Test("a client that was closed says so, to those who wait, too")
    func closing() async throws {
        try await RemoteFixture.serveThroughProxy { broker, proxy, _ in
            let id = try #require(try await broker.commit(try Operation.enqueue("1")).jobID)
            let version = try #require(try await broker.read([id])[0].snapshot?.version)
            let holder = try await broker.open(
                HolderOptions(id: HolderID("h"), queues: [try QueueName("q")], capacity: 1, isEmbedded: false)
            )
            async let lease = Self.code { _ = try await holder.lease(max: 1, term: .queue, wait: .seconds(50)) }
            async let watch = Self.code { _ = try await broker.watch([.job(id, known: version)], wait: .seconds(50)) }
            try await eventually { proxy.passed("POST /v1/leases") == 1 && proxy.passed("POST /v1/watch/") == 1 }
            await broker.close()
            let codes = await [lease, watch]
            #expect(codes == [.closed, .closed])
            #expect(await Self.code { _ = try await broker.commit(try Operation.enqueue("1")) } == .closed)
            #expect(await Self.code { _ = try await broker.read([id]) } == .closed)
            #expect(
                await Self.code { _ = try await broker.commit([Transaction(try .enqueue("1"))], in: SessionCommit(id: "s", number: 1)) }
                    == .closed
            )
            #expect(await Self.code { _ = try await holder.renew([Renewal(LeaseToken("x"))]) } == .closed)
            await broker.close()
        }
    }

    private static func code(_ body: () async throws -> Void) async -> BrokerError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? BrokerError)?.code
        }
    }
}
