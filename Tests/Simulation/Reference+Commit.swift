import GodwitCore
import GodwitEngine

/// What transactions come to.
extension Reference {
    /// Why an operation is refused.
    struct Refusal: Error {
        var codes: Set<BrokerError.Code>
        init(_ codes: BrokerError.Code...) { self.codes = Set(codes) }
    }

    /// What later operations of a transaction must know of earlier ones.
    struct Progress {
        /// What there was when it began: bounds look at that.
        var start: Model
        var added: [QueueName: (jobs: Int, bytes: Int)] = [:]
        /// Jobs that it dropped for its own.
        var dropped: [ModelJob] = []
        /// Whether a lease was settled: what comes after it is never refused by a bound.
        var hasSettled = false
        /// What follows an end is decided.
        var isFollowing = false
        /// How many of its operations publish or settle transient messages and do nothing else, and the unit that those rest on.
        var transients = (count: 0, restsOn: 0)
    }

    /// Carries out numbered transactions of a session, those apart that it knows.
    mutating func commit(_ transactions: [Transaction], _ session: SessionCommit) -> [ExpectedOutcome] {
        live.touch(session.id, at: engine)
        return transactions.enumerated().map { index, transaction in
            var session = session
            session.number += UInt64(index)
            if let known = live.sessions[session.id] {
                if let results = known.outcomes[session.number] { return .committed(results) }
                if session.number <= known.floor { return .aborted(operation: 0, [.outcomeUnknown]) }
            } else if session.isRepeat {
                return .aborted(operation: 0, [.outcomeUnknown])
            }
            let kinds = transaction.operations.map(kind)
            if !session.isRepeat, let refusal = refused[session.id]?[session.number] {
                return refusal.kinds == kinds ? refusal.outcome : .aborted(operation: 0, [.keyConflict])
            }
            let outcome = commit(transaction, session)
            if case .aborted = outcome {
                refused[session.id, default: [:]][session.number] = (kinds, outcome)
                refusedAt[session.id] = engine
            }
            return outcome
        }
    }

    /// What an operation is to do, as its case is called.
    private func kind(_ operation: Operation) -> String { Mirror(reflecting: operation).children.first?.label ?? "" }

    mutating func commit(_ transaction: Transaction, _ session: SessionCommit? = nil) -> ExpectedOutcome {
        // Queues are made first: one that a refused transaction named stays.
        var ahead: [RecordKey: CounterAhead] = [:]
        for operation in transaction.operations { openQueues(for: operation, after: &ahead) }
        var progress = Progress(start: live), results: [ExpectedResult] = [], events: [ModelEvent] = []
        let cancelledBefore = cancelled
        for (index, operation) in transaction.operations.enumerated() {
            do {
                let (new, result) = try decide(operation, &progress)
                if !new.isEmpty {
                    live.apply(nextUnit(new))
                    events += new
                }
                results.append(result)
            } catch {
                live = progress.start
                cancelled = cancelledBefore
                outcomeRest = newestUnit
                return .aborted(operation: index, (error as? Refusal)?.codes ?? [])
            }
        }
        var seen: Set<RecordKey> = []
        for (index, operation) in transaction.operations.enumerated().reversed() {
            switch operation {
            case .put(let key, _, _, _): if !seen.insert(key).inserted { results[index] = .put(key, unit: nil) }
            case .delete(let key, _): seen.insert(key)
            default: break
            }
        }
        if let session {
            let outcome = ModelEvent.outcome(
                session: session.id,
                number: session.number,
                acknowledged: session.acknowledged,
                results
            )
            live.apply(nextUnit([outcome]))
            events.append(outcome)
        }
        if !events.isEmpty { add(nextUnit(events)) }
        outcomeRest = progress.transients.count == results.count ? progress.transients.restsOn : newestUnit
        payOwed()
        return .committed(results)
    }

    /// What an operation's records may take beside the client's bytes.
    private static let mostOverhead = 512

    /// There is room for settles, and not for what a transaction brings along with its own: the holders keep their leases for ten seconds
    /// at least.
    mutating func postpone(_ transaction: Transaction) -> ExpectedOutcome {
        let settled = transaction.operations.compactMap { $0.lease.flatMap { leased($0) } }
        let bytes = transaction.operations.reduce(settled.reduce(0) { $0 + $1.size }) { $0 + $1.bytes + Self.mostOverhead }
        guard !settled.isEmpty, bytes > 4_096 else { return .aborted(operation: 0, [.diskFull]) }
        for job in settled { live.keepLease(of: job.number, for: 10_000, at: leaseNow) }
        return .aborted(operation: 0, [.busy])
    }

    mutating func decide(_ operation: Operation, _ progress: inout Progress) throws -> ([ModelEvent], ExpectedResult) {
        switch operation {
        case .enqueue(let message): return try enqueue(message, &progress)
        case .complete(let token, let result):
            let job = try settle(token, &progress)
            return ([.completed(job.number, result)], .state(.succeeded))
        case .fail(let token, let failure, let retry):
            let job = try settle(token, &progress)
            if retry == .never { return (die(job, failure.code, .rejected), .state(.failed)) }
            if let reason = job.exhaustion(live.queues[job.queue]?.settings) { return (die(job, failure.code, reason), .state(.failed)) }
            guard case .after(let delay) = retry else { preconditionFailure("the standard backoff is the engine's to draw") }
            if delay > .zero {
                return ([.failed(job.number, code: failure.code, .retry(engine + delay.inMilliseconds))], .state(.retrying))
            }
            return ([.failed(job.number, code: failure.code, .back)], .state(.queued))
        case .deadLetter(let token, let failure, let target):
            let job = try settle(token, &progress)
            if target == job.queue { throw Refusal(.invalidArgument) }
            return (die(job, failure.code ?? FailureCode.rejected, .rejected, to: target), .state(.failed))
        case .redrive(let id):
            let job = try find(id)
            if job.state == .failed || job.state == .expired { return try retry(job) }
            guard job.isWaiting, !isTouched(job), let origin = job.deaths.first?.queue, origin != job.queue else {
                throw Refusal(.wrongState)
            }
            guard let queue = live.queues[origin] else { throw Refusal(.queueNotFound) }
            let letter = copy(of: job, to: origin, deaths: job.deaths, origin: nil)
            guard case .copied(_, let number, _, _, _) = letter else { preconditionFailure("what a copy is") }
            let result = ExpectedResult.enqueued(
                number,
                created: instant.wall,
                runAt: nil,
                maxAttempts: queue.settings.maxAttempts,
                unit: newestUnit + 1
            )
            return ([letter, .redriven(job.number)], result)
        case .release(let token, let delay, let isCounted, let place, let headers):
            let job = try settle(token, &progress)
            let due = delay.flatMap { $0 > .zero ? engine + $0.inMilliseconds : nil }
            let (events, state) = released(job, isCounted: isCounted, due: due, place: place, amended: headers)
            return (events, .state(state))
        case .cancel(let id):
            let job = try find(id)
            guard !job.state.isFinal else { return ([], .state(job.state)) }
            if let lease = job.lease { noteCancelled(lease) }
            return ([.cancelled(job.number)], .state(.cancelled))
        case .retry(let id): return try retry(find(id))
        case .forget(let id):
            let job = try find(id)
            guard job.state.isFinal else { throw Refusal(.wrongState) }
            return ([.forgotten(job.number)], .forgotten)
        case .put(let key, let value, let expectation, let lifetime):
            try check(expectation, of: key)
            let expires = lifetime.map { engine.addingClamped($0.inMilliseconds) }
            return ([.put(key, value, expires: expires)], .put(key, unit: newestUnit + 1))
        case .add(let addition): return try add(addition, &progress)
        case .delete(let key, let expectation):
            try check(expectation, of: key)
            return (live.records[key] == nil && live.counters[key] == nil ? [] : [.deleted(key)], .deleted)
        }
    }

    private func retry(_ job: ModelJob) throws -> ([ModelEvent], ExpectedResult) {
        switch job.state {
        case .retrying, .scheduled: break
        case .failed, .cancelled, .expired:
            if job.isDeadLettered { throw Refusal(.wrongState) }
            if let claim = job.message.claim, live.owner(of: claim, in: job.queue) != nil { throw Refusal(.keyConflict) }
        case .queued, .running, .succeeded: throw Refusal(.wrongState)
        }
        return ([.retried(job.number)], .state(.queued))
    }

    /// Whether the transaction that is decided has changed a job.
    private func isTouched(_ job: ModelJob) -> Bool { live.job(job.number)?.unit ?? newestUnit + 1 == newestUnit + 1 }

    // MARK: Publishing

    private mutating func enqueue(_ message: NewMessage, _ progress: inout Progress) throws -> ([ModelEvent], ExpectedResult) {
        guard let queue = live.queues[message.queue] else { throw Refusal(.queueNotFound) }
        if let key = message.deduplication, let known = queue.keys[key.key] {
            if let one = key.fingerprint, let other = known.fingerprint, one != other { throw Refusal(.keyConflict) }
            return ([], .duplicate(known.number))
        }
        if let claim = message.claim, let owner = live.owner(of: claim, in: message.queue) { return ([], .duplicate(owner.number)) }
        let drops = progress.hasSettled ? [] : try admit(message, queue, &progress)
        if progress.isFollowing {
            // None of it is refused, but it counts for what is asked for after it.
            progress.added[message.queue, default: (0, 0)].jobs += 1
            progress.added[message.queue, default: (0, 0)].bytes += message.size
        }
        var due: ModelJob.Due?, runAt: Int64?
        switch message.start {
        case .now: break
        case .after(let delay):
            let delay = delay.inMilliseconds
            if delay > 0 { (due, runAt) = (.engine(engine + delay), instant.wall + delay) }
        case .at(let time):
            if time.milliseconds > instant.wall { (due, runAt) = (.wall(time.milliseconds), time.milliseconds) }
        }
        var expires = message.expires.map { engine + $0.inMilliseconds }
        if let ttl = queue.settings.ttl {
            let start = runAt.map { engine + ($0 - instant.wall) } ?? engine
            expires = min(expires ?? .max, start + ttl.inMilliseconds)
        }
        // Clients name each message by its number; what follows gets one when it comes to that.
        guard let number = progress.isFollowing ? takeNumber() : ModelJob.number(in: message.name) else {
            preconditionFailure("a message without a number")
        }
        // A transaction that a crash took is carried out anew when it is repeated, and its transient jobs had been seen before: these are others.
        if !progress.isFollowing { knowledge.retire(number, at: newestUnit + 1) }
        let result = ExpectedResult.enqueued(
            number,
            created: instant.wall,
            runAt: runAt,
            maxAttempts: message.maxAttempts ?? queue.settings.maxAttempts,
            unit: newestUnit + 1
        )
        if message.isTransient, !progress.isFollowing {
            progress.transients.count += 1
            progress.transients.restsOn = max(progress.transients.restsOn, queue.settingsUnit)
        }
        return (drops + [.published(message, number: number, due: due, expires: expires)], result)
    }

    /// Lets a message in; where the queue drops its oldest jobs, those that go for it.
    private mutating func admit(_ message: NewMessage, _ queue: ModelQueue, _ progress: inout Progress) throws -> [ModelEvent] {
        let settings = queue.settings
        var added = progress.added[message.queue] ?? (0, 0)
        // One that an empty queue would refuse, too, is too large instead.
        guard added.jobs < settings.maxJobs, added.bytes + message.size <= settings.maxBytes else { throw Refusal(.busy, .tooLarge) }
        if message.deduplication != nil, queue.keys.count >= settings.dedupMax { throw Refusal(.busy, .tooLarge) }
        let before = progress.start.unfinished(message.queue)
        var drops: [ModelEvent] = []
        while true {
            let gone = progress.dropped.filter { $0.queue == message.queue }
            let jobs = before.jobs + added.jobs - gone.count
            let bytes = before.bytes + added.bytes - gone.reduce(0) { $0 + $1.size }
            let isSlow = progress.start.isSlow(message.queue, adding: added.jobs - gone.count) == true
            guard isSlow || jobs >= settings.maxJobs || bytes + message.size > settings.maxBytes else { break }
            guard settings.overflow == .dropOldest, let oldest = oldest(of: message.queue, progress.start, progress.dropped),
                oldest.message.priority <= message.priority
            else { throw Refusal(.busy, .tooLarge) }
            progress.dropped.append(oldest)
            drops += die(oldest, FailureCode.dropped, .dropped)
        }
        added.jobs += 1
        added.bytes += message.size
        progress.added[message.queue] = added
        return drops
    }

    /// The oldest of the lowest priority of those that were queued when a transaction began, in their group's turn or not, and that it has
    /// not changed.
    func oldest(of queue: QueueName, _ start: Model, _ dropped: [ModelJob]) -> ModelJob? {
        let word = queue.word
        return start.allJobs.filter { $0.state == .queued && $0.queueWord == word }
            .filter { job in !isTouched(job) && !dropped.contains { $0.number == job.number } }
            .min { ($0.message.priority, $0.order) < ($1.message.priority, $1.order) }
    }

    // MARK: What is there

    private func settle(_ token: LeaseToken, _ progress: inout Progress) throws -> ModelJob {
        guard let job = leased(token) else { throw Refusal(.staleLease) }
        progress.hasSettled = true
        if job.message.isTransient, !progress.isFollowing { progress.transients.count += 1 }
        return job
    }

    private func find(_ id: JobID) throws -> ModelJob {
        guard let number = knowledge.numbers[id], let job = live.job(number) else { throw Refusal(.jobForgotten) }
        return job
    }

    private func check(_ expectation: Expectation, of key: RecordKey) throws {
        let record = live.records[key]
        switch expectation {
        case .anything: return
        case .absent: if record != nil || live.counters[key] != nil { throw Refusal(.versionConflict) }
        case .version(let version):
            let known = record.flatMap { knowledge.recordVersions[Knowledge.RecordChange(key: key, unit: $0.unit)] }
            if known != version { throw Refusal(.versionConflict) }
        }
    }
}

extension GodwitCore.Operation {
    /// The lease that it settles.
    fileprivate var lease: LeaseToken? {
        switch self {
        case .complete(let token, _), .fail(let token, _, _), .deadLetter(let token, _, _), .release(let token, _, _, _, _): token
        default: nil
        }
    }

    /// The client's bytes that it brings along.
    fileprivate var bytes: Int {
        switch self {
        case .enqueue(let message): message.size
        case .complete(_, let result): result?.bytes.count ?? 0
        case .put(_, let value, _, _): value.count
        default: 0
        }
    }
}
