/// Operations that happen together or not at all. At most ``Limits/operations`` of them, and ``Limits/transactionBytes``.
package struct Transaction: Sendable {
    package var operations: [Operation]

    package init(_ operations: [Operation]) { self.operations = operations }
    package init(_ operation: Operation) { operations = [operation] }
}

/// What a transaction can do.
package enum Operation: Sendable {
    case enqueue(NewMessage)
    /// Ends a leased job as succeeded and stores its result. Enqueues after it in the same transaction are its follow-ups: no bound refuses
    /// them.
    case complete(LeaseToken, result: Content?)
    /// Ends the attempt of a leased job as failed; with attempts left the job is retried as `retry` says.
    case fail(LeaseToken, Failure, retry: RetryDecision)
    /// Gives a leased job back, after a delay if one is given. Uncounted, the attempt never was. Amended headers replace all of their name, for
    /// this and all later deliveries.
    case release(LeaseToken, delay: Duration?, counted: Bool, to: ReleasePlace = .original, amending: [Header] = [])
    /// Ends a leased job as failed for good, for a reason that its worker gives. Its dead letter goes to `to`, else to the queue's
    /// ``QueueSettings/deadLetterQueue``; without either it is kept in place.
    case deadLetter(LeaseToken, Failure, to: QueueName?)
    /// Ends a job as cancelled, also while it runs (its lease is stale from then on). One that is final stays as it is.
    case cancel(JobID)
    /// Queues a failed, cancelled or expired job again under its id, with one more attempt allowed and without its `expires`; lets one that is
    /// retrying or scheduled run now.
    case retry(JobID)
    /// Gives a dead letter another chance. One that failed or expired in its place is retried; one that came from another queue, and waits, goes
    /// back there as a new job, and nothing is left of it here.
    case redrive(JobID)
    /// Removes a final job with its result.
    case forget(JobID)
    /// Puts a small record; a counter that has the key goes.
    case put(RecordKey, value: Bytes, expecting: Expectation, lifetime: Duration?)
    /// Counts a step, and does what follows when the counter is full. A key that holds a record is refused (`wrongState`).
    case add(Addition)
    /// Deletes a record, or a counter.
    case delete(RecordKey, expecting: Expectation)
}

extension Operation {
    /// Whether it does nothing but end a lease.
    package var settlesLease: Bool {
        switch self {
        case .complete, .fail, .release, .deadLetter: true
        case .enqueue, .put, .add, .delete, .cancel, .retry, .redrive, .forget: false
        }
    }
}

/// Where a job goes that its holder gives back.
package enum ReleasePlace: Sendable, Hashable {
    /// The place that it had: before all that came after it.
    case original
    /// Behind all others.
    case back
    /// The place that it had, as if it had not been delivered: the delivery does not count either, and it expires as it would have. For one that
    /// nobody began with: neither `counted` nor a delay goes with it.
    case untouched
}

/// What follows a failed attempt.
package enum RetryDecision: Sendable, Hashable {
    /// The broker's own backoff (``Backoff/standard``), while attempts are left.
    case standard
    /// After this delay, while attempts are left.
    case after(Duration)
    /// None: the job is failed for good.
    case never
}

/// What one transaction came to; given only when it is durable.
package enum TransactionOutcome: Sendable {
    /// One result per operation, in order.
    case committed([OperationResult])
    /// Nothing of it was applied: the operation at this index was refused.
    case aborted(operation: Int, BrokerError)

    /// The results, or the error that aborted the transaction.
    package func get() throws(BrokerError) -> [OperationResult] {
        switch self {
        case .committed(let results): return results
        case .aborted(_, let error): throw error
        }
    }
}

package enum OperationResult: Sendable, Hashable {
    case enqueued(Enqueued)
    /// The deduplication key was used before within its window: the first job's id, which may be forgotten by now.
    case duplicate(JobID)
    /// The state that a settle, a cancel or a retry left the job in.
    case state(JobState)
    case forgotten
    /// The record's new version.
    case put(Version)
    case added(Added)
    case deleted

    package var jobID: JobID? {
        switch self {
        case .enqueued(let job): job.id
        case .duplicate(let id): id
        default: nil
        }
    }
}

/// A new job, as far as its publisher does not know it already.
package struct Enqueued: Sendable, Hashable {
    package var id: JobID
    /// `queued` or `scheduled`.
    package var state: JobState
    package var createdAt: Timestamp
    package var runAt: Timestamp?
    package var maxAttempts: Int
    package var version: Version

    package init(id: JobID, state: JobState, createdAt: Timestamp, runAt: Timestamp?, maxAttempts: Int, version: Version) {
        self.id = id
        self.state = state
        self.createdAt = createdAt
        self.runAt = runAt
        self.maxAttempts = maxAttempts
        self.version = version
    }
}
