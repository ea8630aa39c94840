/// A job in the hands of a holder.
package struct Delivery: Sendable {
    package var token: LeaseToken
    /// The job in state `running`.
    package var job: JobSnapshot
    package var payload: Content
    package var headers: [Header]
    /// How long this attempt may take.
    package var timeout: Duration?
    /// How much of the lease remains.
    package var remaining: Duration
    /// How often the job was delivered, releases and crashes among it.
    package var deliveries: Int
    /// Grows with every lease of the store; nil where the broker has no `monotonicFencing`.
    package var fencingNumber: UInt64?
    /// How long the job has waited since it could have been delivered; nil for a repeated delivery, and where the broker does not say.
    package var waited: Duration?

    package init(
        token: LeaseToken,
        job: JobSnapshot,
        payload: Content,
        headers: [Header],
        timeout: Duration?,
        remaining: Duration,
        deliveries: Int,
        fencingNumber: UInt64?,
        waited: Duration? = nil
    ) {
        self.token = token
        self.job = job
        self.payload = payload
        self.headers = headers
        self.timeout = timeout
        self.remaining = remaining
        self.deliveries = deliveries
        self.fencingNumber = fencingNumber
        self.waited = waited
    }
}

/// How long a lease lasts.
package enum LeaseTerm: Sendable, Hashable {
    /// As the queue's settings say.
    case queue
    /// For this long, from each renewal on; ``Limits/shortestLease`` to ``Limits/longestLease``.
    case fixed(Duration)
    /// Until the holder is closed.
    case holderLife
}

/// A heartbeat.
package struct Renewal: Sendable {
    package var token: LeaseToken
    /// The lease's new length from now on; nil for the one that it was taken with.
    package var term: Duration?
    package var progress: JobProgress?

    package init(_ token: LeaseToken, term: Duration? = nil, progress: JobProgress? = nil) {
        self.token = token
        self.term = term
        self.progress = progress
    }
}

package enum RenewalOutcome: Sendable, Hashable {
    /// The lease goes on for this long.
    case good(remaining: Duration)
    /// Somebody cancelled the job: stop; whatever is settled now is stale.
    case cancelRequested
    case stale
    /// Whether the lease is good cannot be known at the moment: the broker that gave it cannot be reached, or is still writing down what
    /// became of it. Ask again.
    case unreachable
}
