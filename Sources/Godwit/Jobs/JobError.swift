import GodwitCore

/// Why ``JobHandle/result()`` has no result to give.
public struct JobError: Error, Sendable, CustomStringConvertible {
    /// A stable word for one kind of ending. New ones may be added.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// The word itself.
        public let rawValue: String
        /// A code by its word.
        public init(rawValue: String) { self.rawValue = rawValue }
        public var description: String { rawValue }

        /// The last attempt that the job was allowed failed; ``JobError/status`` has the errors.
        public static let failed = Code(rawValue: "failed")
        /// Somebody cancelled the job, or purged its queue.
        public static let cancelled = Code(rawValue: "cancelled")
        /// No worker started the job within its ``Job/expires``.
        public static let expired = Code(rawValue: "expired")
        /// The job succeeded, but its result is not what ``Job/Output`` says; ``JobError/cause`` tells where they differ.
        public static let unreadableResult = Code(rawValue: "unreadable_result")
    }

    /// What kind of ending it is.
    public var code: Code
    /// What happened, and what to do next.
    public var message: String
    /// The job as it ended.
    public var status: JobStatus
    /// Why the result cannot be read, when there is one.
    public var cause: (any Error)?

    init(_ code: Code, _ message: String, status: JobStatus, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.status = status
        self.cause = cause
    }

    public var description: String { "\(code): \(message)" }

    /// What a final state that is not `succeeded` says to who asks for the result.
    init?(endedAs status: JobStatus) {
        let reason = status.error?.message
        switch status.state {
        case .failed:
            let attempts = status.attempt == 1 ? "1 attempt" : "\(status.attempt) attempts"
            self.init(.failed, "the job failed after \(attempts): \(reason ?? "no error was given"). retry() runs it again", status: status)
        case .cancelled:
            self.init(.cancelled, "the job was cancelled. retry() runs it again", status: status)
        case .expired:
            self.init(.expired, "no worker started the job before it expired. Start a worker, and retry() to run it again", status: status)
        case .scheduled, .queued, .running, .retrying, .succeeded:
            return nil
        }
    }
}
