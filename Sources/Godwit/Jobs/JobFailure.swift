/// What a handler throws to say more about a failed attempt than another error could.
///
/// ```swift
/// guard let account = try await accounts.find(job.account) else { throw JobFailure.permanent("no such account: \(job.account)") }
/// guard let wait = limiter.admit() else { throw JobFailure.retry(after: wait, "the mail provider asks to slow down") }
/// ```
///
/// Every other error fails the attempt as well, with the error's type as its code, and the handler's ``RetryPolicy`` says when the next
/// attempt is.
public struct JobFailure: Error, Sendable, CustomStringConvertible {
    enum Retry: Sendable, Hashable { case never, after(Duration), byPolicy }

    /// What went wrong, for people; kept with the job.
    public var message: String
    /// A short stable word for programs; kept with the job.
    public var code: String?
    /// What caused it; for the log, not kept.
    public var cause: (any Error)?
    var retry: Retry

    /// Fails the attempt; the retry policy says what follows.
    public init(_ message: String, code: String? = nil, cause: (any Error)? = nil) {
        self.init(message, code: code, cause: cause, retry: .byPolicy)
    }

    private init(_ message: String, code: String?, cause: (any Error)?, retry: Retry) {
        self.message = message
        self.code = code
        self.cause = cause
        self.retry = retry
    }

    /// Fails the job for good, however many attempts are left.
    public static func permanent(_ message: String, code: String? = nil, cause: (any Error)? = nil) -> JobFailure {
        JobFailure(message, code: code, cause: cause, retry: .never)
    }

    /// Fails the attempt, and has the next one, if one is left, not before `delay` is over.
    public static func retry(after delay: Duration, _ message: String, code: String? = nil, cause: (any Error)? = nil) -> JobFailure {
        JobFailure(message, code: code, cause: cause, retry: .after(max(.zero, delay)))
    }

    public var description: String { cause.map { "\(message) (\($0))" } ?? message }
}
