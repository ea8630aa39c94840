import GodwitCore
import GodwitJournal

extension EngineCore {
    private typealias Entry = UnsafeMutablePointer<JobEntry>

    mutating func commit(_ ticket: Ticket, _ transactions: [Transaction]) throws(JournalError) {
        var outcomes: [TransactionOutcome] = []
        outcomes.reserveCapacity(transactions.count)
        for transaction in transactions { outcomes.append(try commit(transaction)) }
        hold(ticket, .outcomes(outcomes), until: state.change)
    }

    private mutating func commit(_ transaction: Transaction) throws(JournalError) -> TransactionOutcome {
        if let (operation, error) = transaction.validate() { return .aborted(operation: operation, error) }
        // Queues are created first: one that a refused transaction named stays, empty.
        for (index, operation) in transaction.operations.enumerated() {
            guard case .enqueue(let message) = operation, state.queues.numbers[message.queue] == nil else { continue }
            guard options.createsQueues else { return .aborted(operation: index, .queueNotFound(message.queue.description)) }
            do { try createQueue(message.queue) } catch {
                guard error == .noSpace else { throw error }
                return .aborted(operation: index, BrokerError(error))
            }
        }
        draft.begin(nextSequence: state.nextSequence)
        for (index, operation) in transaction.operations.enumerated() {
            do throws(BrokerError) { try decide(operation) } catch { return .aborted(operation: index, error) }
        }
        if !draft.changes.isEmpty {
            do {
                try record(draft.changes, for: draft.onlyPublishes ? .publish : .settle)
            } catch {
                switch error {
                case .noSpace, .tooLarge: return .aborted(operation: 0, BrokerError(error))
                default: throw error
                }
            }
        }
        return .committed(draft.results)
    }

    @discardableResult
    mutating func createQueue(_ name: QueueName, _ settings: QueueSettings = QueueSettings()) throws(JournalError) -> UInt32 {
        let number = UInt32(state.queues.count)
        try record(.queue(QueueChange(queue: number, name: name, settings: settings)), for: .publish)
        if !leaseWaits.isEmpty { moveWaits(toNew: number) }
        return number
    }

    private mutating func decide(_ operation: Operation) throws(BrokerError) {
        switch operation {
        case .enqueue(let message): try decideEnqueue(message)
        case .complete(let token, let result):
            let (sequence, _) = try settle(token)
            settled(.completed(Completion(sequence: sequence, result: result)), sequence, .succeeded)
        case .fail(let token, let failure, let retry):
            let (sequence, entry) = try settle(token)
            let (change, next) = failed(sequence, entry, failure.bounded, retry)
            settled(change, sequence, next)
        case .release(let token, let delay, let isCounted):
            try decideRelease(token, delay, isCounted)
        case .cancel(let id): try decideCancel(id)
        case .retry(let id): try decideRetry(id)
        case .forget(let id): try decideForget(id)
        case .put(let key, let value, let expectation, let lifetime):
            try check(expectation, of: key)
            let expires = lifetime.map { now.engine.addingClamped($0.inMilliseconds) }
            draft.changes.append(.put(key: key, value: value, expires: expires))
            draft.setRecord(key, true)
            draft.results.append(.put(nextVersion))
        case .delete(let key, let expectation):
            draft.onlyPublishes = false
            try check(expectation, of: key)
            if draft.record(key) ?? (state.records[key] != nil) {
                draft.changes.append(.deleted(key: key))
                draft.setRecord(key, false)
            }
            draft.results.append(.deleted)
        }
    }

    /// The version that the newest change of the draft will have.
    private var nextVersion: Version { Version(state.change + UInt64(draft.changes.count)) }

    // MARK: Publishing

    private mutating func decideEnqueue(_ message: NewMessage) throws(BrokerError) {
        guard let number = state.queues.numbers[message.queue] else { throw .queueNotFound(message.queue.description) }
        let queue = state.queues.at(number)
        var key: [UInt8]?
        if let deduplication = message.deduplication {
            let bytes = Array(deduplication.key.utf8)
            if let known = draft.key(bytes, in: number) ?? queue.pointee.keys[bytes].map({ ($0.sequence, $0.fingerprint) }) {
                if let mine = deduplication.fingerprint, let first = known.fingerprint, mine != first {
                    throw BrokerError(
                        .keyConflict,
                        "this idempotency key was used for another request: use a new key for a new request",
                        field: "key"
                    )
                }
                queue.pointee.totals.duplicates += 1
                draft.results.append(.duplicate(state.identity.jobID(known.sequence)))
                return
            }
            key = bytes
        }
        let size = message.size
        if !draft.hasSettled { try checkBounds(queue, number, size: size, hasKey: key != nil) }
        let due: Due?
        var runAt: Timestamp?
        switch message.start {
        case .now: due = nil
        case .after(let delay):
            let milliseconds = delay.inMilliseconds
            due = milliseconds > 0 ? .engine(now.engine + milliseconds) : nil
            runAt = milliseconds > 0 ? Timestamp(milliseconds: now.wall + milliseconds) : nil
        case .at(let time):
            due = time.milliseconds > now.wall ? .wall(time.milliseconds) : nil
            runAt = due == nil ? nil : time
        }
        let sequence = draft.nextSequence
        draft.nextSequence += 1
        let maxAttempts = message.maxAttempts ?? queue.pointee.settings.maxAttempts
        draft.changes.append(
            .published(
                Publication(
                    sequence: sequence,
                    queue: number,
                    maxAttempts: UInt16(maxAttempts),
                    priority: UInt8(message.priority),
                    due: due,
                    expires: message.expires.map { now.engine + $0.inMilliseconds },
                    timeout: message.timeout?.inMilliseconds,
                    key: key,
                    fingerprint: message.deduplication?.fingerprint,
                    size: size,
                    message: message
                )
            )
        )
        if let key { draft.setKey(key, in: number, sequence, message.deduplication?.fingerprint) }
        draft.add(to: number, bytes: size, hasKey: key != nil)
        draft.results.append(
            .enqueued(
                Enqueued(
                    id: state.identity.jobID(sequence),
                    state: due == nil ? .queued : .scheduled,
                    createdAt: Timestamp(milliseconds: now.wall),
                    runAt: runAt,
                    maxAttempts: maxAttempts,
                    version: nextVersion
                )
            )
        )
    }

    private func checkBounds(
        _ queue: UnsafeMutablePointer<QueueState>,
        _ number: UInt32,
        size: Int,
        hasKey: Bool
    ) throws(BrokerError) {
        let added = draft.added(to: number)
        let settings = queue.pointee.settings
        if queue.pointee.counts.unfinished + added.jobs >= settings.maxJobs || queue.pointee.bytes + added.bytes + size > settings.maxBytes
        {
            queue.pointee.totals.refused += 1
            throw .busy("the queue \(queue.pointee.name) is full: try again later", retryAfter: queue.pointee.retryAfter)
        }
        if hasKey, queue.pointee.keys.count + added.keys >= settings.dedupMax {
            queue.pointee.totals.refused += 1
            var wait: Duration = .seconds(5)
            if let oldest = queue.pointee.keys.oldest {
                wait = .milliseconds(max(oldest.addingClamped(settings.dedupWindow.inMilliseconds) - now.engine, 1))
            }
            throw .busy("the queue \(queue.pointee.name) remembers as many idempotency keys as dedup_max allows", retryAfter: wait)
        }
    }

    // MARK: Settling

    /// The job of a lease that is good.
    private mutating func settle(_ token: LeaseToken) throws(BrokerError) -> (UInt64, Entry) {
        draft.onlyPublishes = false
        guard let (sequence, fencing) = state.identity.lease(of: token), draft.state(of: sequence) == nil,
            let (entry, _) = state.lease(sequence, fencing)
        else { throw .staleLease }
        return (sequence, entry)
    }

    private mutating func settled(_ change: Change, _ sequence: UInt64, _ next: JobEntry.State) {
        draft.hasSettled = true
        draft.changes.append(change)
        draft.setState(next, of: sequence)
        draft.results.append(.state(next.jobState))
    }

    /// What a failed attempt leads to.
    mutating func failed(
        _ sequence: UInt64,
        _ entry: UnsafeMutablePointer<JobEntry>,
        _ failure: Failure,
        _ retry: RetryDecision
    ) -> (Change, JobEntry.State) {
        var attempt = FailedAttempt(sequence: sequence, attempt: entry.pointee.attempt, failure: failure, next: .final)
        guard entry.pointee.hasAttemptsLeft, retry != .never else { return (.failed(attempt), .failed) }
        var delay: Int64 = 0
        if case .after(let asked) = retry {
            delay = asked.inMilliseconds
        } else {
            var random = PassedRandom(draw: options.random)
            delay = Backoff.standard.delay(after: Int(entry.pointee.attempt), using: &random).inMilliseconds
        }
        if delay > 0 {
            attempt.next = .retry(now.engine + delay)
            return (.failed(attempt), .retrying)
        }
        attempt.next = .queue(takeNumber())
        return (.failed(attempt), .queued)
    }

    /// The number after all that were given out: as a position it is the back of every line.
    private mutating func takeNumber() -> UInt64 {
        defer { draft.nextSequence += 1 }
        return draft.nextSequence
    }

    private mutating func decideRelease(_ token: LeaseToken, _ delay: Duration?, _ isCounted: Bool) throws(BrokerError) {
        let (sequence, entry) = try settle(token)
        if isCounted, !entry.pointee.hasAttemptsLeft {
            let failure = Failure(message: "given back after its last attempt", code: "released")
            let attempt = FailedAttempt(sequence: sequence, attempt: entry.pointee.attempt, failure: failure, next: .final)
            return settled(.failed(attempt), sequence, .failed)
        }
        var release = Release(sequence: sequence, isCounted: isCounted)
        if let milliseconds = delay?.inMilliseconds, milliseconds > 0 { release.due = now.engine + milliseconds }
        settled(.released(release), sequence, release.due == nil ? .queued : .scheduled)
    }

    // MARK: Jobs

    /// A job that is there, and the state that the transaction has left it in so far.
    private mutating func find(_ id: JobID) throws(BrokerError) -> (UInt64, Entry, JobEntry.State) {
        draft.onlyPublishes = false
        guard let sequence = state.identity.sequence(of: id), state.wasIssued(sequence) else { throw .jobNotFound(id) }
        guard let entry = state.job(sequence) else { throw .jobForgotten(id) }
        guard let staged = draft.state(of: sequence) else { return (sequence, entry, entry.pointee.state) }
        guard let staged, !staged.isFinal || state.queues.at(entry.pointee.queue).pointee.keepsFinished else { throw .jobForgotten(id) }
        return (sequence, entry, staged)
    }

    private mutating func decideCancel(_ id: JobID) throws(BrokerError) {
        let (sequence, _, current) = try find(id)
        guard !current.isFinal else { return draft.results.append(.state(current.jobState)) }
        draft.changes.append(.cancelled(sequence: sequence))
        draft.setState(.cancelled, of: sequence)
        draft.results.append(.state(.cancelled))
    }

    private mutating func decideRetry(_ id: JobID) throws(BrokerError) {
        let (sequence, _, current) = try find(id)
        switch current {
        case .failed, .cancelled, .expired, .retrying, .scheduled:
            draft.changes.append(.retried(sequence: sequence, position: takeNumber()))
            draft.setState(.queued, of: sequence)
            draft.results.append(.state(.queued))
        default:
            throw BrokerError(
                .wrongState,
                "the job is \(current.jobState): a failed, cancelled or expired one can be retried, and a scheduled or retrying one run now"
            )
        }
    }

    private mutating func decideForget(_ id: JobID) throws(BrokerError) {
        let (sequence, _, current) = try find(id)
        guard current.isFinal else {
            throw BrokerError(.wrongState, "the job is \(current.jobState): cancel it first, only an ended one can be forgotten")
        }
        draft.changes.append(.forgotten(sequence: sequence))
        draft.setState(nil, of: sequence)
        draft.results.append(.forgotten)
    }

    // MARK: Records

    private func check(_ expectation: Expectation, of key: RecordKey) throws(BrokerError) {
        let staged = draft.record(key)
        switch expectation {
        case .anything: return
        case .absent:
            if !(staged ?? (state.records[key] != nil)) { return }
            throw BrokerError(.versionConflict, "the record \(key.name) is there already: read it and try again")
        case .version(let version):
            // Nobody can know the version that an operation of the same transaction makes.
            if staged == nil, state.records[key]?.change == version.number { return }
            throw BrokerError(.versionConflict, "the record \(key.name) is at another version: read it and try again")
        }
    }
}

/// The engine's randomness as a generator.
private struct PassedRandom: RandomNumberGenerator {
    let draw: @Sendable () -> UInt64
    mutating func next() -> UInt64 { draw() }
}

extension Int64 {
    /// The sum, or the limit that it is beyond.
    func addingClamped(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
