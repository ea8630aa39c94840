/// What a broker refuses, and why.
///
/// Programs look at ``code`` (stable, in snake_case, the same on every interface); people read ``message``, which says what to do next.
public struct BrokerError: Error, Sendable, CustomStringConvertible {
    /// A stable word for one kind of refusal. New ones may be added.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// The word itself, in snake_case.
        public let rawValue: String
        /// A code by its word, which a newer server may have.
        public init(rawValue: String) { self.rawValue = rawValue }
        public var description: String { rawValue }

        /// A queue is full: come back after ``BrokerError/retryAfter``.
        public static let busy = Code(rawValue: "busy")
        /// A value is not acceptable; ``BrokerError/field`` names it.
        public static let invalidArgument = Code(rawValue: "invalid_argument")
        /// Something is over a limit that waiting does not change.
        public static let tooLarge = Code(rawValue: "too_large")
        /// No job has this id.
        public static let jobNotFound = Code(rawValue: "job_not_found")
        /// The job existed; its retention ended or it was forgotten.
        public static let jobForgotten = Code(rawValue: "job_forgotten")
        /// The job is not in a state in which this can be done.
        public static let wrongState = Code(rawValue: "wrong_state")
        /// The lease expired, or its job was cancelled or settled.
        public static let staleLease = Code(rawValue: "stale_lease")
        /// The idempotency key was used for another request.
        public static let keyConflict = Code(rawValue: "key_conflict")
        /// A record or a queue's settings are at another version than the one expected.
        public static let versionConflict = Code(rawValue: "version_conflict")
        /// No queue has this name.
        public static let queueNotFound = Code(rawValue: "queue_not_found")
        /// The queue has unfinished jobs.
        public static let queueNotEmpty = Code(rawValue: "queue_not_empty")
        /// The store's disk is full: publishing works again when there is room.
        public static let diskFull = Code(rawValue: "disk_full")
        /// Another process, or another part of this one, has the store open.
        public static let storeLocked = Code(rawValue: "store_locked")
        /// The store is damaged; nothing was changed.
        public static let storeCorrupt = Code(rawValue: "store_corrupt")
        /// A newer version made the store, or raised it: open it with that version. Nothing was changed.
        public static let storeNewer = Code(rawValue: "store_newer")
        /// An older version made the store, which must stay readable for it until `godwit upgrade` ran.
        public static let storeOutdated = Code(rawValue: "store_outdated")
        /// The folder holds a backup that is not restored, or not to its end: it is no store yet.
        public static let restoreUnfinished = Code(rawValue: "restore_unfinished")
        /// The store failed (a write or a sync was refused): nothing is confirmed any more until it is opened again.
        public static let storeFailed = Code(rawValue: "store_failed")
        /// The broker was closed.
        public static let closed = Code(rawValue: "closed")
        /// The server wants a token, or another one.
        public static let unauthorized = Code(rawValue: "unauthorized")
        /// The server's certificate is not believed.
        public static let untrusted = Code(rawValue: "untrusted")
        /// The broker cannot be reached.
        public static let unavailable = Code(rawValue: "unavailable")
        /// It cannot be known whether the request was carried out.
        public static let outcomeUnknown = Code(rawValue: "outcome_unknown")
        /// The transaction needs more than one home, and this broker cannot do that atomically.
        public static let crossHome = Code(rawValue: "cross_home")
        /// Whoever runs the server does not let this client do that.
        public static let forbidden = Code(rawValue: "forbidden")
        /// The URL's scheme is unknown, its trait is off, or what answers there is no server that can be used.
        public static let unsupportedURL = Code(rawValue: "unsupported_url")
    }

    /// What kind of refusal it is.
    public var code: Code
    /// What happened and what to do next.
    public var message: String
    /// The argument, option or setting that is wrong.
    public var field: String?
    /// For `busy` and `diskFull`: the least time to wait before the next try.
    public var retryAfter: Duration?
    /// What caused it.
    public var cause: (any Error)?

    /// A refusal of a kind, with what people read of it.
    public init(_ code: Code, _ message: String, field: String? = nil, retryAfter: Duration? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.field = field
        self.retryAfter = retryAfter
        self.cause = cause
    }

    public var description: String {
        var text = "\(code): \(message)"
        if let cause { text += " (\(cause))" }
        return text
    }

    /// The queue is full.
    public static func busy(_ message: String = "the queue is full: try again later", retryAfter: Duration) -> BrokerError {
        BrokerError(.busy, message, retryAfter: retryAfter)
    }

    /// A value that cannot be accepted; `field` names it as the caller spelled it.
    public static func invalidArgument(_ field: String, _ message: String) -> BrokerError {
        BrokerError(.invalidArgument, message, field: field)
    }

    package static let closed = BrokerError(.closed, "the store was closed: open it again")
    package static let staleLease = BrokerError(
        .staleLease,
        "this lease is no longer valid: it expired, or its job was cancelled or settled. Lease the job again"
    )

    package static func jobNotFound(_ id: JobID) -> BrokerError {
        BrokerError(.jobNotFound, "no job has the id \(id.description.prefix(64)): check it, and that this is the store that made it")
    }

    package static func jobForgotten(_ id: JobID) -> BrokerError {
        BrokerError(.jobForgotten, "the job \(id.description.prefix(64)) is no longer kept: its retention ended, or it was forgotten")
    }

    package static func queueNotFound(_ name: String) -> BrokerError {
        BrokerError(.queueNotFound, "there is no queue \(name): create it first", field: "queue")
    }
}
