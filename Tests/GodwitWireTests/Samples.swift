import GodwitCore
import GodwitWire

/// Values of all kinds, drawn from a seed.
struct Samples {
    private var random: SplitMix
    /// Whether numbers are drawn that can be written and are none of what they stand for.
    private let isWild: Bool

    init(seed: UInt64, wild isWild: Bool = false) {
        random = SplitMix(state: seed)
        self.isWild = isWild
    }

    private struct SplitMix: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }
    mutating func bool() -> Bool { Bool.random(using: &random) }
    mutating func maybe<Value>(_ make: (inout Samples) -> Value) -> Value? { bool() ? make(&self) : nil }
    mutating func list<Value>(atMost count: Int, _ make: (inout Samples) -> Value) -> [Value] {
        var values: [Value] = []
        for _ in 0..<below(count + 1) { values.append(make(&self)) }
        return values
    }

    mutating func text() -> String { ["a", "größe", "x y", String(repeating: "long ", count: 40), "日本"][below(5)] }
    mutating func queue() -> QueueName { try! QueueName(["mail", "größe", "a/b c", "q\(below(1_000))"][below(4)]) }
    mutating func job() -> JobID { bool() ? JobID(random.next(), random.next()) : JobID("foreign-\(below(100))") }
    mutating func token() -> LeaseToken {
        bool() ? LeaseToken(random.next(), random.next(), random.next()) : LeaseToken("token-\(below(100))")
    }
    mutating func duration() -> Duration { .milliseconds(wild() ?? Int64([0, 1, 127, 128, 60_000, 315_360_000_000][below(6)])) }
    mutating func time() -> Timestamp {
        Timestamp(milliseconds: wild() ?? Int64([0, -1, 1_764_530_000_123, 253_402_300_799_999][below(4)]))
    }
    /// Now and then a number that is at the edge of what can be said.
    private mutating func wild() -> Int64? {
        guard isWild, below(3) == 0 else { return nil }
        return [.min, .min + 1, -1 << 53, -1, 0, 1 << 53, 1 << 62, .max][below(8)]
    }
    /// What a count is said as.
    mutating func count(below bound: Int) -> Int { wild().map { Int($0) } ?? below(bound) }
    mutating func version() -> Version { Version([0, 1, 1 << 40, .max][below(4)]) }
    mutating func bytes() -> Bytes { Bytes((0..<[0, 1, 100, 5_000][below(4)]).map { UInt8(truncatingIfNeeded: $0) }) }
    mutating func content() -> Content {
        Content(bytes(), type: [Content.json, Content.binary, Content.text, "image/png", ""][below(5)])
    }
    mutating func header() -> Header { Header(name: text(), value: text()) }
    mutating func failure() -> Failure { Failure(message: text(), code: maybe { $0.text() }) }
    mutating func key() -> RecordKey {
        let homes: [RecordKey.Home] = [.own, .queue(queue()), .job(job())]
        return RecordKey(text(), home: homes[below(3)])
    }
    mutating func expectation() -> Expectation {
        let all: [Expectation] = [.anything, .absent, .version(version())]
        return all[below(3)]
    }

    // MARK: Transactions

    mutating func message(depth: Int = 0) -> NewMessage {
        let starts: [NewMessage.Start] = [.now, .after(duration()), .at(time())]
        let key = maybe { samples in
            NewMessage.Deduplication(key: samples.text(), fingerprint: samples.maybe { $0.random.next() })
        }
        return NewMessage(
            queue: queue(),
            payload: content(),
            name: maybe { $0.text() },
            headers: list(atMost: 2) { $0.header() },
            start: starts[below(3)],
            priority: count(below: 256),
            expires: maybe { $0.duration() },
            timeout: maybe { $0.duration() },
            maxAttempts: maybe { $0.count(below: 1_000) },
            deduplication: key,
            group: maybe { $0.text() },
            claim: maybe { $0.text() },
            onFinal: depth < 2
                ? list(atMost: 2) { samples in
                    FollowUp(
                        samples.operation(depth: depth + 1),
                        when: FinalStates(rawValue: UInt8(samples.isWild ? samples.below(256) : 1 + samples.below(15)))
                    )
                } : [],
            isTransient: bool()
        )
    }

    mutating func operation(depth: Int = 0) -> Operation {
        switch below(12) {
        case 0: .enqueue(message(depth: depth))
        case 1: .complete(token(), result: maybe { $0.content() })
        case 2: .fail(token(), failure(), retry: [.standard, .never, .after(duration())][below(3)])
        case 3:
            bool()
                ? .release(
                    token(),
                    delay: maybe { $0.duration() },
                    counted: bool(),
                    to: bool() ? .back : .original,
                    amending: list(atMost: 2) { $0.header() }
                )
                : .release(token(), delay: nil, counted: false, to: .untouched)
        case 4: .deadLetter(token(), failure(), to: maybe { $0.queue() })
        case 5: .cancel(job())
        case 6: .retry(job())
        case 7: .redrive(job())
        case 8: .forget(job())
        case 9: .put(key(), value: bytes(), expecting: expectation(), lifetime: maybe { $0.duration() })
        case 10:
            .add(
                Addition(
                    key: key(),
                    step: text(),
                    amount: count(below: 10),
                    target: count(below: 1_000_000),
                    then: depth < 2 ? list(atMost: 2) { $0.operation(depth: depth + 1) } : [],
                    lifetime: maybe { $0.duration() }
                )
            )
        default: .delete(key(), expecting: expectation())
        }
    }

    mutating func commit() -> CommitSample {
        let session = maybe { samples in
            guard samples.isWild else { return SessionCommit(id: samples.text(), number: 7, acknowledged: 3, isRepeat: samples.bool()) }
            let number = UInt64(bitPattern: samples.wild() ?? 7), acknowledged = UInt64(bitPattern: samples.wild() ?? 3)
            return SessionCommit(id: samples.text(), number: number, acknowledged: acknowledged, isRepeat: samples.bool())
        }
        return CommitSample(
            session: session,
            transactions: list(atMost: 4) { samples in Transaction(samples.list(atMost: 4) { $0.operation() }) }
        )
    }

    struct CommitSample {
        var session: SessionCommit?
        var transactions: [Transaction]
    }

    mutating func error() -> BrokerError {
        BrokerError(.busy, text(), field: maybe { $0.text() }, retryAfter: maybe { $0.duration() })
    }

    mutating func result() -> OperationResult {
        switch below(7) {
        case 0:
            .enqueued(
                Enqueued(
                    id: job(),
                    state: bool() ? .queued : .scheduled,
                    createdAt: time(),
                    runAt: maybe { $0.time() },
                    maxAttempts: below(1_000),
                    version: version()
                )
            )
        case 1: .duplicate(job())
        case 2: .state(JobState.allCases[below(JobState.allCases.count)])
        case 3: .forgotten
        case 4: .put(version())
        case 5:
            .added(
                Added(
                    counter: CounterValue(count: below(100), target: 100),
                    isCounted: bool(),
                    completes: bool(),
                    enqueued: list(atMost: 3) { $0.job() },
                    version: version()
                )
            )
        default: .deleted
        }
    }

    mutating func outcome() -> TransactionOutcome {
        bool() ? .committed(list(atMost: 4) { $0.result() }) : .aborted(operation: below(1_000), error())
    }

    // MARK: Jobs and leases

    mutating func snapshot() -> JobSnapshot {
        JobSnapshot(
            id: job(),
            queue: queue(),
            name: maybe { $0.text() },
            state: JobState.allCases[below(JobState.allCases.count)],
            attempt: below(20),
            maxAttempts: below(1_000),
            priority: below(256),
            progress: maybe { $0.progress() },
            createdAt: time(),
            runAt: maybe { $0.time() },
            startedAt: maybe { $0.time() },
            finishedAt: maybe { $0.time() },
            errors: list(atMost: 3) { samples in
                AttemptFailure(message: samples.text(), code: samples.maybe { $0.text() }, attempt: samples.below(9), at: samples.time())
            },
            group: maybe { $0.text() },
            isTransient: bool(),
            deliveries: below(1_000),
            reason: maybe { $0.reason() },
            deaths: list(atMost: 2) { samples in
                Death(
                    queue: samples.queue(),
                    reason: samples.reason(),
                    count: samples.below(9),
                    firstAt: samples.time(),
                    lastAt: samples.time(),
                    job: samples.job(),
                    attempt: samples.below(9),
                    deliveries: samples.below(9)
                )
            },
            holder: maybe { HolderID($0.text()) },
            version: version()
        )
    }

    mutating func reason() -> DeathReason { DeathReason.allCases[below(DeathReason.allCases.count)] }
    mutating func progress() -> JobProgress { JobProgress(fraction: Double(below(1_001)) / 1_000, note: maybe { $0.text() }) }
    mutating func lookup() -> JobLookup {
        let all: [JobLookup] = [.found(snapshot()), .unknown, .forgotten]
        return all[below(3)]
    }
    mutating func record() -> Record {
        Record(value: bytes(), counter: maybe { CounterValue(count: $0.below(9), target: 9) }, version: version())
    }

    mutating func delivery() -> Delivery {
        Delivery(
            token: token(),
            job: snapshot(),
            payload: content(),
            headers: list(atMost: 3) { $0.header() },
            timeout: maybe { $0.duration() },
            remaining: duration(),
            deliveries: below(1_000),
            fencingNumber: maybe { $0.random.next() },
            waited: maybe { $0.duration() }
        )
    }

    mutating func renewal() -> Renewal { Renewal(token(), term: maybe { $0.duration() }, progress: maybe { $0.progress() }) }

    mutating func event() -> WatchEvent {
        let number = random.next()
        switch below(7) {
        case 0: return .opened(stream: text())
        case 1: return .answered(number: number, .unchanged)
        case 2: return .answered(number: number, .job(lookup()))
        case 3: return .answered(number: number, .record(maybe { $0.record() }))
        case 4: return .refused(number: number, error())
        case 5: return .alive
        default: return .closing(retryAfter: maybe { $0.duration() })
        }
    }

    mutating func settings() -> QueueSettings {
        var settings = QueueSettings()
        settings.maxJobs = count(below: 1_000_000)
        settings.maxBytes = count(below: 1 << 40)
        settings.maxWait = maybe { $0.duration() }
        settings.overflow = bool() ? .reject : .dropOldest
        settings.ttl = maybe { $0.duration() }
        settings.maxAttempts = count(below: 1_000)
        settings.maxDeliveries = maybe { $0.below(1_000) }
        settings.deadLetterQueue = maybe { $0.text() }
        settings.lease = duration()
        settings.retention = bool() ? .none : .keep(succeeded: duration(), failed: duration(), count: below(9_999))
        settings.dedupWindow = duration()
        settings.dedupMax = count(below: 9_999)
        return settings
    }

    mutating func status() -> QueueStatus {
        var counts = QueueStatus.Counts()
        for state in JobState.allCases { counts[state] = below(1_000) }
        var totals = QueueStatus.Totals()
        (totals.published, totals.refused, totals.duplicates) = (below(99), below(99), below(99))
        (totals.delivered, totals.succeeded, totals.failedAttempts) = (below(99), below(99), below(99))
        (totals.leasesExpired, totals.dropped, totals.deadLettered) = (below(99), below(99), below(99))
        (totals.failed, totals.expired) = (below(99), below(99))
        return QueueStatus(
            name: queue(),
            settings: settings(),
            settingsVersion: version(),
            isPaused: bool(),
            counts: counts,
            bytes: below(1 << 40),
            keys: below(99),
            totals: totals,
            oldestQueued: maybe { $0.time() }
        )
    }
}
