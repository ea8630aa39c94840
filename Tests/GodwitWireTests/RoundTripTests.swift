import GodwitCore
import GodwitWire
import Testing

/// Whatever is written is read back as it was: by its fields where they can be compared, and byte by byte when it is written again.
@Suite struct RoundTripTests {
    private static let seeds: [UInt64] = Array(1...200)

    @Test("commits are read back", arguments: seeds)
    func commits(seed: UInt64) throws {
        var samples = Samples(seed: seed)
        let sample = samples.commit()
        let bytes = Wire.encode(CommitRequest(sample.transactions, in: sample.session))
        let read = try Wire.decodeCommit(Bytes(bytes))
        #expect(read.session == sample.session)
        #expect(read.transactions.map(\.operations.count) == sample.transactions.map(\.operations.count))
        #expect(read.transactions.map { "\($0)" } == sample.transactions.map { "\($0)" })
        #expect(Wire.encode(read) == bytes)
    }

    @Test("outcomes are read back", arguments: seeds)
    func outcomes(seed: UInt64) throws {
        var samples = Samples(seed: seed)
        let outcomes = samples.list(atMost: 5) { $0.outcome() }
        let read = try Wire.decodeOutcomes(Bytes(Wire.encode(outcomes)))
        #expect(read.map { "\($0)" } == outcomes.map { "\($0)" })
        #expect(Wire.encode(read) == Wire.encode(outcomes))
    }

    @Test("deliveries and renewals are read back", arguments: seeds)
    func leases(seed: UInt64) throws {
        var samples = Samples(seed: seed)
        let deliveries = samples.list(atMost: 4) { $0.delivery() }
        let read = try Wire.decodeDeliveries(Bytes(Wire.encode(deliveries)))
        #expect(read.map(\.token) == deliveries.map(\.token))
        #expect(read.map(\.job) == deliveries.map(\.job))
        #expect(read.map(\.payload) == deliveries.map(\.payload))
        #expect(read.map(\.headers) == deliveries.map(\.headers))
        #expect(read.map(\.timeout) == deliveries.map(\.timeout))
        #expect(read.map(\.remaining) == deliveries.map(\.remaining))
        #expect(read.map(\.deliveries) == deliveries.map(\.deliveries))
        #expect(read.map(\.fencingNumber) == deliveries.map(\.fencingNumber))

        let renewals = samples.list(atMost: 5) { samples in
            Renewal(samples.token(), term: samples.maybe { $0.duration() }, progress: samples.maybe { $0.progress() })
        }
        let renew = try Wire.decodeRenew(Bytes(Wire.encode(RenewRequest(holder: HolderID("me"), renewals: renewals))))
        #expect(renew.holder == HolderID("me"))
        #expect(renew.renewals.map(\.token) == renewals.map(\.token))
        #expect(renew.renewals.map(\.term) == renewals.map(\.term))
        #expect(renew.renewals.map(\.progress) == renewals.map(\.progress))

        let outcomes: [RenewalOutcome] = [.good(remaining: samples.duration()), .cancelRequested, .stale, .unreachable]
        #expect(try Wire.decodeRenewals(Bytes(Wire.encode(outcomes))) == outcomes)
    }

    @Test("errors that say next to nothing are read back, however many stand at the end")
    func shortErrors() throws {
        var job = JobSnapshot(
            id: JobID("x"),
            queue: try QueueName("q"),
            name: nil,
            state: .failed,
            attempt: 1,
            maxAttempts: 1,
            createdAt: Timestamp(milliseconds: 0),
            deliveries: 1,
            version: Version(1)
        )
        job.errors = Array(repeating: AttemptFailure(message: "", code: nil, attempt: 0, at: Timestamp(milliseconds: 0)), count: 10)
        let answers: [CallAnswer] = [.jobs([.found(job)])]
        let decoded = try Wire.decodeAnswers(Bytes(Wire.encode(answers)))
        guard case .jobs(let read)? = decoded.first else { Issue.record("\(decoded)"); return }
        #expect(read.first?.snapshot == job)
    }

    @Test("a request for leases is read back", arguments: seeds)
    func leaseRequests(seed: UInt64) throws {
        var samples = Samples(seed: seed)
        let queues = samples.list(atMost: 5) { $0.queue() }
        let order: HolderOptions.Order = samples.bool() ? .strict : .weighted(queues.map { _ in samples.below(1_000) })
        let terms: [LeaseTerm] = [.queue, .fixed(samples.duration()), .holderLife]
        let holder = HolderOptions(id: HolderID("h"), queues: queues, order: order, capacity: samples.below(64), isEmbedded: true)
        let request = LeaseRequest(holder: holder, max: samples.below(1_000), term: terms[samples.below(3)], wait: samples.duration())
        let read = try Wire.decodeLease(Bytes(Wire.encode(request)))
        #expect(read.holder.id == holder.id)
        #expect(read.holder.queues == queues)
        #expect(read.holder.order == order)
        #expect(read.holder.capacity == holder.capacity)
        #expect(!read.holder.isEmbedded, "nobody who asks over a network lives in the broker's process")
        #expect(read.max == request.max)
        #expect(read.term == request.term)
        #expect(read.wait == request.wait)
    }

    @Test("calls and their answers are read back", arguments: seeds)
    func calls(seed: UInt64) throws {
        var samples = Samples(seed: seed)
        let calls: [Call] = [
            .jobs(samples.list(atMost: 3) { $0.job() }), .records(samples.list(atMost: 3) { $0.key() }), .payload(samples.job()),
            .result(samples.job()),
            .browse(BrowseQuery(queue: samples.queue(), limit: samples.below(1_000), cursor: samples.maybe { $0.text() })),
            .list(
                JobQuery(
                    queue: samples.maybe { $0.queue() },
                    state: samples.maybe { _ in .failed },
                    name: samples.maybe { $0.text() },
                    reason: samples.maybe { $0.reason() },
                    isOldestFirst: samples.bool(),
                    limit: samples.below(1_000),
                    cursor: samples.maybe { $0.text() },
                    end: samples.maybe { $0.text() }
                )
            ),
            .queues, .queue(samples.queue()),
            .configure(samples.queue(), samples.settings(), expecting: samples.expectation(), startsPaused: samples.bool()),
            .pause(samples.queue()), .resume(samples.queue()), .purge(samples.queue()),
            .delete(samples.queue(), purging: samples.bool()), .check,
        ]
        #expect(try Wire.decodeCalls(Bytes(Wire.encode(calls))).map { "\($0)" } == calls.map { "\($0)" })

        let browsed = samples.list(atMost: 2) { samples in
            BrowsedJob(job: samples.snapshot(), payload: samples.maybe { $0.content() }, headers: samples.list(atMost: 2) { $0.header() })
        }
        let answers: [CallAnswer] = [
            .jobs(samples.list(atMost: 3) { $0.lookup() }), .records(samples.list(atMost: 3) { samples in samples.maybe { $0.record() } }),
            .content(samples.maybe { $0.content() }), .browsed(BrowsePage(jobs: browsed, next: samples.maybe { $0.text() })),
            .listed(JobPage(jobs: samples.list(atMost: 2) { $0.snapshot() }, next: samples.maybe { $0.text() }, end: samples.text())),
            .queues(samples.list(atMost: 2) { $0.status() }), .queue(samples.maybe { $0.status() }), .purged(samples.below(9)), .done,
            .refused(samples.error()),
        ]
        #expect(try Wire.decodeAnswers(Bytes(Wire.encode(answers))).map { "\($0)" } == answers.map { "\($0)" })
    }

    @Test("an event stream is read back in pieces of any size", arguments: [1, 2, 3, 7, 100, 100_000])
    func watches(size: Int) throws {
        var samples = Samples(seed: UInt64(size))
        let requests: [WatchRequest] = [
            .watch(number: 1, .job(samples.job(), known: nil), wait: .seconds(30)),
            .watch(number: .max, .record(samples.key(), known: samples.version()), wait: .zero), .unwatch(number: 5),
        ]
        #expect(try Wire.decodeWatches(Bytes(Wire.encode(requests))).map { "\($0)" } == requests.map { "\($0)" })

        var events: [WatchEvent] = [.opened(stream: "abc")]
        for number in 0..<20 {
            events.append(.answered(number: UInt64(number), .job(samples.lookup())))
            events.append(.answered(number: 3, .record(samples.maybe { $0.record() })))
            events.append(.answered(number: 4, .unchanged))
            events += [.alive, .refused(number: 9, samples.error())]
        }
        events += [.closing(retryAfter: nil), .closing(retryAfter: .seconds(1))]
        let bytes = events.reduce(WatchStreamWriter.preamble) { $0 + WatchStreamWriter.frame($1) }
        var reader = WatchStreamReader()
        var read: [WatchEvent] = []
        var start = 0
        while start < bytes.count {
            reader.add(bytes[start..<min(start + size, bytes.count)])
            while let event = try reader.next() { read.append(event) }
            start += size
        }
        #expect(read.map { "\($0)" } == events.map { "\($0)" })
    }

    @Test("a refusal is read back with its field and its wait")
    func errors() throws {
        let error = BrokerError(.busy, "full", field: "queue", retryAfter: .milliseconds(1_500))
        let read = try Wire.decodeError(Bytes(Wire.encode(error)))
        #expect(read.code == .busy)
        #expect(read.message == "full")
        #expect(read.field == "queue")
        #expect(read.retryAfter == .milliseconds(1_500))
    }

    @Test("a payload that was read is a slice of the document")
    func slices() throws {
        let message = NewMessage(queue: try QueueName("q"), payload: Content(Bytes([UInt8](repeating: 7, count: 1_000))))
        let bytes = Bytes(Wire.encode(CommitRequest([Transaction(.enqueue(message))])))
        guard case .enqueue(let read)? = try Wire.decodeCommit(bytes).transactions.first?.operations.first else {
            return #expect(Bool(false), "no message")
        }
        let owner = bytes.slice.withUnsafeBufferPointer { $0.baseAddress! + $0.count }
        let end = read.payload.bytes.slice.withUnsafeBufferPointer { $0.baseAddress! + $0.count }
        #expect(end <= owner && owner - end < 64)
    }
}
