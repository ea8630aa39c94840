import GodwitCore
import GodwitEngine

/// What transactions come to.
extension Reference {
    /// Why an operation is refused.
    private struct Refusal: Error {
        var codes: Set<BrokerError.Code>
        init(_ codes: BrokerError.Code...) { self.codes = Set(codes) }
    }

    /// What later operations of a transaction must know of earlier ones.
    private struct Progress {
        /// Unfinished jobs and their bytes when it began, by queue.
        var before: [QueueName: (jobs: Int, bytes: Int)] = [:]
        var added: [QueueName: (jobs: Int, bytes: Int)] = [:]
        /// Whether a lease was settled: what comes after it is never refused by a bound.
        var hasSettled = false
    }

    mutating func commit(_ transaction: Transaction) -> ExpectedOutcome {
        // Queues are made first: one that a refused transaction named stays.
        for case .enqueue(let message) in transaction.operations where live.queues[message.queue] == nil {
            record([.queue(message.queue, QueueSettings())])
        }
        var progress = Progress(), results: [ExpectedResult] = [], events: [ModelEvent] = []
        for case .enqueue(let message) in transaction.operations { progress.before[message.queue] = live.unfinished(message.queue) }
        let before = live, cancelledBefore = cancelled
        for (index, operation) in transaction.operations.enumerated() {
            do {
                let (new, result) = try decide(operation, &progress)
                if !new.isEmpty {
                    live.apply(nextUnit(new))
                    events += new
                }
                results.append(result)
            } catch {
                live = before
                cancelled = cancelledBefore
                return .aborted(operation: index, (error as? Refusal)?.codes ?? [])
            }
        }
        if !events.isEmpty { add(nextUnit(events)) }
        var seen: Set<RecordKey> = []
        for (index, operation) in transaction.operations.enumerated().reversed() {
            switch operation {
            case .put(let key, _, _, _): if !seen.insert(key).inserted { results[index] = .put(key, unit: nil) }
            case .delete(let key, _): seen.insert(key)
            default: break
            }
        }
        return .committed(results)
    }

    private mutating func decide(_ operation: Operation, _ progress: inout Progress) throws -> ([ModelEvent], ExpectedResult) {
        switch operation {
        case .enqueue(let message): return try enqueue(message, &progress)
        case .complete(let token, let result):
            let job = try settle(token, &progress)
            return ([.completed(job.number, result)], .state(.succeeded))
        case .fail(let token, let failure, let retry):
            let job = try settle(token, &progress)
            guard job.attempt < job.maxAttempts, retry != .never else {
                return ([.failed(job.number, code: failure.code, .final)], .state(.failed))
            }
            guard case .after(let delay) = retry else { preconditionFailure("the standard backoff is the engine's to draw") }
            if delay > .zero {
                return ([.failed(job.number, code: failure.code, .retry(engine + delay.inMilliseconds))], .state(.retrying))
            }
            return ([.failed(job.number, code: failure.code, .back)], .state(.queued))
        case .deadLetter(let token, let failure, let target):
            guard target == nil else { preconditionFailure("no plan moves dead letters yet") }
            let job = try settle(token, &progress)
            return ([.failed(job.number, code: failure.code ?? FailureCode.rejected, .final)], .state(.failed))
        case .redrive: preconditionFailure("no plan redrives dead letters yet")
        case .release(let token, let delay, let isCounted, let place, let headers):
            guard place == .original, headers.isEmpty else { preconditionFailure("no plan gives jobs back to another place, or amended") }
            let job = try settle(token, &progress)
            if isCounted, job.attempt >= job.maxAttempts {
                return ([.failed(job.number, code: "released", .final)], .state(.failed))
            }
            let due = delay.flatMap { $0 > .zero ? engine + $0.inMilliseconds : nil }
            return ([.released(job.number, isCounted: isCounted, due: due)], .state(due == nil ? .queued : .scheduled))
        case .cancel(let id):
            let job = try find(id)
            guard !job.state.isFinal else { return ([], .state(job.state)) }
            if let lease = job.lease { noteCancelled(lease) }
            return ([.cancelled(job.number)], .state(.cancelled))
        case .retry(let id):
            let job = try find(id)
            switch job.state {
            case .failed, .cancelled, .expired, .retrying, .scheduled: return ([.retried(job.number)], .state(.queued))
            case .queued, .running, .succeeded: throw Refusal(.wrongState)
            }
        case .forget(let id):
            let job = try find(id)
            guard job.state.isFinal else { throw Refusal(.wrongState) }
            return ([.forgotten(job.number)], .forgotten)
        case .put(let key, let value, let expectation, let lifetime):
            try check(expectation, of: key)
            let expires = lifetime.map { engine.addingClamped($0.inMilliseconds) }
            return ([.put(key, value, expires: expires)], .put(key, unit: newestUnit + 1))
        case .add: preconditionFailure("clients count no steps")
        case .delete(let key, let expectation):
            try check(expectation, of: key)
            return (live.records[key] == nil ? [] : [.deleted(key)], .deleted)
        }
    }

    private mutating func enqueue(_ message: NewMessage, _ progress: inout Progress) throws -> ([ModelEvent], ExpectedResult) {
        guard let queue = live.queues[message.queue] else { throw Refusal(.queueNotFound) }
        if let key = message.deduplication, let known = queue.keys[key.key] {
            if let one = key.fingerprint, let other = known.fingerprint, one != other { throw Refusal(.keyConflict) }
            return ([], .duplicate(known.number))
        }
        if !progress.hasSettled { try checkBounds(message, queue, &progress) }
        var due: ModelJob.Due?, runAt: Int64?
        switch message.start {
        case .now: break
        case .after(let delay):
            let delay = delay.inMilliseconds
            if delay > 0 { (due, runAt) = (.engine(engine + delay), instant.wall + delay) }
        case .at(let time):
            if time.milliseconds > instant.wall { (due, runAt) = (.wall(time.milliseconds), time.milliseconds) }
        }
        guard let number = ModelJob.number(in: message.name) else { preconditionFailure("clients name each message by its number") }
        let result = ExpectedResult.enqueued(
            number,
            created: instant.wall,
            runAt: runAt,
            maxAttempts: message.maxAttempts ?? queue.settings.maxAttempts,
            unit: newestUnit + 1
        )
        return ([.published(message, number: number, due: due, expires: message.expires.map { engine + $0.inMilliseconds })], result)
    }

    private func checkBounds(_ message: NewMessage, _ queue: ModelQueue, _ progress: inout Progress) throws {
        let before = progress.before[message.queue] ?? (0, 0)
        var added = progress.added[message.queue] ?? (0, 0)
        if before.jobs + added.jobs >= queue.settings.maxJobs || before.bytes + added.bytes + message.size > queue.settings.maxBytes {
            // One that an empty queue would refuse, too, is too large instead.
            throw Refusal(.busy, .tooLarge)
        }
        if message.deduplication != nil, queue.keys.count >= queue.settings.dedupMax { throw Refusal(.busy) }
        added.jobs += 1
        added.bytes += message.size
        progress.added[message.queue] = added
    }

    private func settle(_ token: LeaseToken, _ progress: inout Progress) throws -> ModelJob {
        guard let (number, serial) = knowledge.leases[token], let job = live.job(number), job.lease?.serial == serial else {
            throw Refusal(.staleLease)
        }
        progress.hasSettled = true
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
        case .absent: if record != nil { throw Refusal(.versionConflict) }
        case .version(let version):
            let known = record.flatMap { knowledge.recordVersions[Knowledge.RecordChange(key: key, unit: $0.unit)] }
            if known != version { throw Refusal(.versionConflict) }
        }
    }
}
