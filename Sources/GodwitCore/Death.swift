/// Why a job ended without having succeeded, where nobody cancelled it.
public enum DeathReason: String, Sendable, Hashable, Codable, CaseIterable {
    /// Its worker said that it must not be tried again.
    case rejected
    /// The last attempt that it was allowed failed.
    case maxAttempts = "max_attempts"
    /// It was delivered as often as its queue allows.
    case maxDeliveries = "max_deliveries"
    /// It was not started in time.
    case expired
    /// Its queue was full and dropped its oldest job for a new one.
    case dropped
}

/// One line of a dead letter's history: what it died of in one queue, and how often.
package struct Death: Sendable, Hashable {
    package var queue: QueueName
    package var reason: DeathReason
    /// How often it died of this in this queue.
    package var count: Int
    package var firstAt: Timestamp
    package var lastAt: Timestamp
    /// The job that died the last time.
    package var job: JobID
    /// How many attempts and deliveries that job had.
    package var attempt: Int
    package var deliveries: Int

    package init(
        queue: QueueName,
        reason: DeathReason,
        count: Int,
        firstAt: Timestamp,
        lastAt: Timestamp,
        job: JobID,
        attempt: Int,
        deliveries: Int
    ) {
        self.queue = queue
        self.reason = reason
        self.count = count
        self.firstAt = firstAt
        self.lastAt = lastAt
        self.job = job
        self.attempt = attempt
        self.deliveries = deliveries
    }
}
