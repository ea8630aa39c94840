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
        if entry.pointee.flags.contains(.isTransient) { draft.noteTransient() }
        return (lease.sequence, entry)
    }

    mutating func settled(_ changes: [Change], _ sequence: UInt64, _ next: JobEntry.State) {
        draft.hasSettled = true
        draft.changes += changes
        draft.setState(next, of: sequence)
        draft.results.append(.state(next.jobState))
    }

    /// The number after all that were given out: as a position it is the back of every line.
    mutating func takeNumber() -> UInt64 {
        defer { draft.nextSequence += 1 }
        return draft.nextSequence
    }

    mutating func decideRelease(_ lease: LeaseName?, _ asked: PreparedRelease) throws(BrokerError) {
        let (sequence, entry) = try settle(lease)
        let isCounted = asked.isCounted
        var release = Release(sequence: sequence, isCounted: isCounted)
        if let milliseconds = asked.delay?.inMilliseconds, milliseconds > 0 { release.due = now.engine + milliseconds }
        switch asked.place {
        case .original: break
        case .back: release.position = takeNumber()
        case .untouched: release.isUntouched = true
        }
        if !asked.amended.isEmpty { release.amended = try amended(sequence, entry, asked.amended) }
        let (changes, next) = released(release, entry)
        if !isCounted, next != .failed {
            var revival = revival(sequence, entry.pointee)
            if revival.attempts.attempt > 0 { revival.attempts.attempt -= 1 }
            if release.isUntouched {
                revival.attempts.deliveries = max(1, revival.attempts.deliveries) - 1
                if revival.attempts.deliveries == 0 { revival.attempts.started = nil }
            }
            draft.setRevival(revival, of: sequence)
        }
        settled(changes, sequence, next)
    }

    /// All headers of a job that differ from those that were published, with new ones.
    private mutating func amended(_ sequence: UInt64, _ entry: Entry, _ headers: [Header]) throws(BrokerError) -> [Header] {
        try makeReadable(entry.pointee.message)
        let amendment = state.extra(sequence, entry.pointee)?.amendment
        let published = try resolver.headers(ofMessageAt: entry.pointee.message)
        let all = try (amendment.map { old throws(BrokerError) in try resolver.headers(ofReleaseAt: old.location) } ?? []).amended(
            by: headers
        )
        try GodwitCore.Operation.check(published.amended(by: all))
        return all
    }

    mutating func decideDeadLetter(_ lease: LeaseName?, _ failure: Failure, to target: QueueName?) throws(BrokerError) {
        let (sequence, entry) = try settle(lease)
        if let target, target == state.queues.at(entry.pointee.queue).pointee.name {
            throw .invalidArgument("to", "the job is in the queue \(target) already: name another one for its dead letter")
        }
        var failure = failure
        failure.code = failure.code ?? FailureCode.rejected
        let (changes, next) = failed(sequence, entry, failure, .never, to: target)
        settled(changes, sequence, next)
    }

    // MARK: Jobs

    /// A job that is there, and the state that the transaction has left it in so far.
    mutating func find(_ job: JobName) throws(BrokerError) -> (UInt64, EngineState.Job, JobEntry.State) {
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
            guard !isDeadLettered(sequence, found) else {
                throw BrokerError(.wrongState, "the job's dead letter went to another queue: redrive it from there, or it would run twice")
            }
            var revival = try revival(sequence, found)
            if case .unfinished(let entry) = found, !entry.pointee.flags.isDisjoint(with: [.isGrouped, .hasClaim]) {
                // It ends in this very transaction: what memory does not know of it is in its message.
                try complete(&revival, from: entry.pointee.message)
            }
            if let claim = revival.claim, let owner = owner(of: claim, in: found.queue), owner != sequence {
                throw BrokerError(
                    .keyConflict,
                    "another job owns the claim of this one now: wait for its end, or cancel it",
                    field: "claim"
                )
            }
            if let claim = revival.claim { draft.setClaim(claim, in: found.queue, sequence) }
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

    /// Whether a job's dead letter went to another queue, or will with this draft.
    private func isDeadLettered(_ sequence: UInt64, _ job: EngineState.Job) -> Bool {
        if case .finished(let entry) = job { return entry.pointee.hasExtra && state.extras[sequence]?.isDeadLettered ?? false }
        return draft.changes.contains { if case .published(let letter) = $0 { letter.origin == sequence } else { false } }
    }

    /// What is to be known of a job to end it, or to queue it again: as memory has it, or as the journal's records say.
    private mutating func revival(_ sequence: UInt64, _ job: EngineState.Job) throws(BrokerError) -> Retry.Revival {
        if let staged = draft.revival(of: sequence) { return staged }
        switch job {
        case .unfinished(let entry): return revival(sequence, entry.pointee)
        case .finished:
            let view = view(sequence, job)
            try makeReadable(view.message)
            if let final = view.finalRecord { try makeReadable(final) }
            return try resolver.revival(view)
        }
    }

    private mutating func complete(_ revival: inout Retry.Revival, from location: RecordLocation) throws(BrokerError) {
        try makeReadable(location)
        let job = try resolver.message(at: location).job
        (revival.group, revival.claim) = (job.group, job.claim)
    }

    /// The unfinished job that owns a claim, as far as the draft has come.
    func owner(of claim: [UInt8], in queue: UInt32) -> UInt64? {
        if let owner = draft.claim(claim, in: queue) { return draft.hasEnded(owner) ? nil : owner }
        guard let owner = state.owner(of: claim, in: queue) else { return nil }
        return draft.hasEnded(owner) ? nil : owner
    }

    private func revival(_ sequence: UInt64, _ entry: JobEntry) -> Retry.Revival {
        Retry.Revival(
            size: Int(entry.size),
            priority: entry.priority,
            attempts: state.attempts(sequence, entry),
            timeout: state.extra(sequence, entry)?.timeout,
            hasFollowUps: entry.flags.contains(.hasFollowUps)
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
            if !(staged ?? (state.change(of: key) != nil)) { return }
            throw BrokerError(.versionConflict, "the record \(key.name) is there already: read it and try again")
        case .version(let version):
            // Nobody can know the version that an operation of the same transaction makes.
            if staged == nil, state.change(of: key) == version.number { return }
            throw BrokerError(.versionConflict, "the record \(key.name) is at another version: read it and try again")
        }
    }
}
