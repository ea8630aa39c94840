/// What a job that comes from another store has behind it.
package final class JobPast: Sendable {
    /// How a job ended.
    package struct End: Sendable, Hashable {
        /// A final state.
        package var state: JobState
        package var at: Timestamp
        /// What a succeeded one came to.
        package var result: Content?
        /// The failure that a failed one ended with.
        package var failure: AttemptFailure?
        package var reason: DeathReason?

        package init(state: JobState, at: Timestamp, result: Content? = nil, failure: AttemptFailure? = nil, reason: DeathReason? = nil) {
            self.state = state
            self.at = at
            self.result = result
            self.failure = failure
            self.reason = reason
        }
    }

    package let createdAt: Timestamp
    package let attempt: Int
    package let deliveries: Int
    /// When its latest attempt began.
    package let startedAt: Timestamp?
    /// Its failed attempts, oldest first, but for the one that ended it.
    package let failures: [AttemptFailure]
    /// What it is the dead letter of, newest first.
    package let deaths: [Death]
    /// Whether it waits for another try.
    package let isRetrying: Bool
    /// Nil for an unfinished job.
    package let end: End?

    package init(
        createdAt: Timestamp,
        attempt: Int = 0,
        deliveries: Int = 0,
        startedAt: Timestamp? = nil,
        failures: [AttemptFailure] = [],
        deaths: [Death] = [],
        isRetrying: Bool = false,
        end: End? = nil
    ) {
        self.createdAt = createdAt
        self.attempt = attempt
        self.deliveries = deliveries
        self.startedAt = startedAt
        self.failures = failures
        self.deaths = deaths
        self.isRetrying = isRetrying
        self.end = end
    }
}
