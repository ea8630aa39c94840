import GodwitCore
import GodwitJournal

/// Decisions about leases, jobs and records that are there.
extension EngineCore {
    /// The job of a lease that is good.
    mutating func settle(_ lease: LeaseName?) throws(BrokerError) -> (UInt64, UnsafePointer<JobEntry>) {
        draft.onlyPublishes = false
        guard let lease, draft.state(of: lease.sequence) == nil, let (entry, _) = state.lease(lease.sequence, lease.fencing) else {
            throw .staleLease
        }
        return (lease.sequence, entry)
    }

    mutating func settled(_ change: Change, _ sequence: UInt64, _ next: JobEntry.State) {
        draft.hasSettled = true
        draft.changes.append(change)
        draft.setState(next, of: sequence)
        draft.results.append(.state(next.jobState))
    }

    /// What a failed attempt leads to.
    mutating func failed(
        _ sequence: UInt64,
        _ entry: UnsafePointer<JobEntry>,
        _ failure: Failure,
        _ retry: RetryDecision
    ) -> (Change, JobEntry.State) {
        let attempts = state.attempts(sequence, entry.pointee)
        var attempt = FailedAttempt(sequence: sequence, attempts: attempts, failure: failure, next: .final)
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
    mutating func takeNumber() -> UInt64 {
        defer { draft.nextSequence += 1 }
        return draft.nextSequence
    }

    mutating func decideRelease(_ lease: LeaseName?, _ delay: Duration?, _ isCounted: Bool) throws(BrokerError) {
        let (sequence, entry) = try settle(lease)
        if isCounted, !entry.pointee.hasAttemptsLeft {
            let failure = Failure(message: "given back after its last attempt", code: "released")
            let attempts = state.attempts(sequence, entry.pointee)
            return settled(
                .failed(FailedAttempt(sequence: sequence, attempts: attempts, failure: failure, next: .final)),
                sequence,
                .failed
            )
        }
        var release = Release(sequence: sequence, isCounted: isCounted)
        if let milliseconds = delay?.inMilliseconds, milliseconds > 0 { release.due = now.engine + milliseconds }
        if !isCounted {
            var revival = revival(sequence, entry.pointee)
            if revival.attempts.attempt > 0 { revival.attempts.attempt -= 1 }
            draft.setRevival(revival, of: sequence)
        }
        settled(.released(release), sequence, release.due == nil ? .queued : .scheduled)
    }

    // MARK: Jobs

    /// A job that is there, and the state that the transaction has left it in so far.
    private mutating func find(_ job: JobName) throws(BrokerError) -> (UInt64, EngineState.Job, JobEntry.State) {
        draft.onlyPublishes = false
        guard let sequence = job.sequence, state.wasIssued(sequence) else { throw .jobNotFound(job.id) }
        guard let found = state.job(sequence) else { throw .jobForgotten(job.id) }
        guard let staged = draft.state(of: sequence) else { return (sequence, found, found.state) }
        guard let staged, !staged.isFinal || state.queues.at(found.queue).pointee.keepsFinished else {
            throw .jobForgotten(job.id)
        }
        return (sequence, found, staged)
    }

    mutating func decideCancel(_ job: JobName) throws(BrokerError) {
        let (sequence, found, current) = try find(job)
        guard !current.isFinal else { return draft.results.append(.state(current.jobState)) }
        let attempts = try revival(sequence, found).attempts
        draft.changes.append(.cancelled(Cancellation(sequence: sequence, attempts: attempts)))
        draft.setState(.cancelled, of: sequence)
        draft.results.append(.state(.cancelled))
    }

    mutating func decideRetry(_ job: JobName) throws(BrokerError) {
        let (sequence, found, current) = try find(job)
        var retry = Retry(sequence: sequence, position: 0)
        switch current {
        case .retrying, .scheduled: break
        case .failed, .cancelled, .expired:
            var revival = try revival(sequence, found)
            retry.revival = revival
            revival.attempts.allowOneMore()
            draft.setRevival(revival, of: sequence)
        default:
            throw BrokerError(
                .wrongState,
                "the job is \(current.jobState): a failed, cancelled or expired one can be retried, and a scheduled or retrying one run now"
            )
        }
        retry.position = takeNumber()
        draft.changes.append(.retried(retry))
        draft.setState(.queued, of: sequence)
        draft.results.append(.state(.queued))
    }

    /// What is to be known of a job to end it, or to queue it again: as memory has it, or as the journal's records say.
    private mutating func revival(_ sequence: UInt64, _ job: EngineState.Job) throws(BrokerError) -> Retry.Revival {
        if let staged = draft.revival(of: sequence) { return staged }
        switch job {
        case .unfinished(let entry): return revival(sequence, entry.pointee)
        case .finished:
            let view = view(sequence, job)
            do throws(JournalError) {
                // What ended it may still be in the journal's memory.
                try journal.write()
            } catch {
                note(error)
                throw BrokerError(error)
            }
            return try ViewResolver(reader: journal.reader, identity: state.identity, logger: options.logger).revival(view)
        }
    }

    private func revival(_ sequence: UInt64, _ entry: JobEntry) -> Retry.Revival {
        Retry.Revival(
            size: Int(entry.size),
            priority: entry.priority,
            attempts: state.attempts(sequence, entry),
            timeout: state.extra(sequence, entry)?.timeout
        )
    }

    mutating func decideForget(_ job: JobName) throws(BrokerError) {
        let (sequence, _, current) = try find(job)
        guard current.isFinal else {
            throw BrokerError(.wrongState, "the job is \(current.jobState): cancel it first, only an ended one can be forgotten")
        }
        draft.changes.append(.forgotten(sequence: sequence))
        draft.setState(nil, of: sequence)
        draft.results.append(.forgotten)
    }

    // MARK: Records

    func check(_ expectation: Expectation, of key: RecordKey) throws(BrokerError) {
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
