/// Where a job stands.
///
/// `scheduled` and `retrying` wait for a time, `queued` for a worker; `running` is held by one. The other four are final.
public enum JobState: String, Sendable, Hashable, Codable, CaseIterable {
    /// Published with a delay or a time, which has not come yet.
    case scheduled
    /// Ready to run.
    case queued
    /// Leased to a worker.
    case running
    /// An attempt failed; the next one waits for its backoff to end.
    case retrying
    /// Completed; its result is kept for the queue's retention time.
    case succeeded
    /// The last attempt that it was allowed failed: this is its dead letter, kept and queryable.
    case failed
    /// Cancelled by somebody, or purged.
    case cancelled
    /// Not started within its `expires`.
    case expired

    /// Whether nothing will happen to the job any more unless somebody retries it.
    public var isFinal: Bool {
        switch self {
        case .succeeded, .failed, .cancelled, .expired: true
        case .scheduled, .queued, .running, .retrying: false
        }
    }
}

/// How far a running job says it is.
public struct JobProgress: Sendable, Hashable, Codable {
    /// 0 to 1.
    public var fraction: Double
    /// What it is doing, for people; at most 1,024 bytes.
    public var note: String?

    /// So far, with what it is doing now.
    public init(fraction: Double, note: String? = nil) {
        self.fraction = fraction
        self.note = note
    }
}

/// Why an attempt of a job failed.
package struct Failure: Sendable, Hashable {
    package var message: String
    /// A short stable word for programs, such as `lease_expired`, `timeout` or an error type's name.
    package var code: String?

    package init(message: String, code: String? = nil) {
        self.message = message
        self.code = code
    }
}

/// A failed attempt as it is kept with the job.
package struct AttemptFailure: Sendable, Hashable {
    package var message: String
    package var code: String?
    /// 1 for the first delivery; 0 when the job was ended before any.
    package var attempt: Int
    package var at: Timestamp

    package init(message: String, code: String?, attempt: Int, at: Timestamp) {
        self.message = message
        self.code = code
        self.attempt = attempt
        self.at = at
    }
}

/// The stable words that brokers themselves put into ``Failure/code``.
package enum FailureCode {
    package static let leaseExpired = "lease_expired"
    package static let timeout = "timeout"
    package static let expired = "expired"
    package static let cancelled = "cancelled"
    package static let purged = "purged"
    /// Its queue was full and dropped it for a newer one.
    package static let dropped = "dropped"
    /// Its worker gave it back, or said that it must not be tried again.
    package static let released = "released"
    package static let rejected = "rejected"
    /// What is stored of the job cannot be read any more.
    package static let unreadable = "unreadable"
}
