import GodwitCore
import GodwitJournal

/// Decisions about leases, jobs and records that are there.
extension EngineCore {
    /// The job of a lease that is good.
    mutating func settle(_ lease: LeaseName?) throws(BrokerError) -> (UInt64, UnsafeMutablePointer<JobEntry>) {
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
    mutating func takeNumber() -> UInt64 {
        defer { draft.nextSequence += 1 }
        return draft.nextSequence
    }

    mutating func decideRelease(_ lease: LeaseName?, _ delay: Duration?, _ isCounted: Bool) throws(BrokerError) {
        let (sequence, entry) = try settle(lease)
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
    private mutating func find(_ job: JobName) throws(BrokerError) -> (UInt64, UnsafeMutablePointer<JobEntry>, JobEntry.State) {
        draft.onlyPublishes = false
        guard let sequence = job.sequence, state.wasIssued(sequence) else { throw .jobNotFound(job.id) }
        guard let entry = state.job(sequence) else { throw .jobForgotten(job.id) }
        guard let staged = draft.state(of: sequence) else { return (sequence, entry, entry.pointee.state) }
        guard let staged, !staged.isFinal || state.queues.at(entry.pointee.queue).pointee.keepsFinished else {
            throw .jobForgotten(job.id)
        }
        return (sequence, entry, staged)
    }

    mutating func decideCancel(_ job: JobName) throws(BrokerError) {
        let (sequence, _, current) = try find(job)
        guard !current.isFinal else { return draft.results.append(.state(current.jobState)) }
        draft.changes.append(.cancelled(sequence: sequence))
        draft.setState(.cancelled, of: sequence)
        draft.results.append(.state(.cancelled))
    }

    mutating func decideRetry(_ job: JobName) throws(BrokerError) {
        let (sequence, _, current) = try find(job)
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
