import GodwitCore

/// When a failed attempt is followed by another: said where a handler is registered.
public struct RetryPolicy: Sendable, Hashable {
    private enum Wait: Sendable, Hashable { case brokers, backoff(Backoff) }

    /// Lowers, never raises, what the job was allowed by its publisher or its queue.
    let maxAttempts: Int?
    private let wait: Wait

    /// The broker's own: 1 s x 2^(attempt - 1) with full jitter, at most 1 h, for as many attempts as the job is allowed.
    public static let standard = RetryPolicy(maxAttempts: nil, wait: .brokers)

    /// No second attempt after a failed one. (One whose worker died is repeated all the same, while attempts are left.)
    public static let never = RetryPolicy(maxAttempts: 1, wait: .brokers)

    /// `base` x `factor`^(attempt - 1), at most `cap`; a random part of it (full jitter), so that jobs that failed together do not come back
    /// together.
    /// - Parameter maxAttempts: Lowers what the job is allowed; nil leaves it.
    public static func exponential(
        maxAttempts: Int? = nil,
        base: Duration = .seconds(1),
        factor: Double = 2,
        cap: Duration = .seconds(3_600)
    ) -> RetryPolicy {
        RetryPolicy(maxAttempts: maxAttempts, wait: .backoff(Backoff(base: base, factor: factor, cap: cap)))
    }

    /// The same wait after each failed attempt, without jitter.
    /// - Parameter maxAttempts: Lowers what the job is allowed; nil leaves it.
    public static func constant(_ delay: Duration, maxAttempts: Int? = nil) -> RetryPolicy {
        RetryPolicy(maxAttempts: maxAttempts, wait: .backoff(Backoff(base: delay, factor: 1, cap: delay, hasJitter: false)))
    }

    /// What is wrong with the policy, said so that it can be put right; nil when it can be followed.
    var problem: String? {
        if let maxAttempts, maxAttempts < 1 { return "maxAttempts must be at least 1" }
        guard case .backoff(let backoff) = wait else { return nil }
        let times: ClosedRange<Duration> = .zero...Limits.longestDuration
        guard times.contains(backoff.base), times.contains(backoff.cap) else { return "its waits must be 0s to 3650d" }
        return backoff.factor >= 1 && backoff.factor.isFinite ? nil : "its factor must be at least 1"
    }

    /// How many attempts a job has that was allowed so many.
    func attempts(of allowed: Int) -> Int { min(allowed, maxAttempts ?? allowed) }

    /// What follows the failed attempt.
    func decision(attempt: Int, allowed: Int, using random: inout some RandomNumberGenerator) -> RetryDecision {
        guard attempt < attempts(of: allowed) else { return .never }
        return switch wait {
        case .brokers: .standard
        case .backoff(let backoff): .after(backoff.delay(after: attempt, using: &random))
        }
    }
}
