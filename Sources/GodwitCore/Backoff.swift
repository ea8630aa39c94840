/// Exponential backoff with full jitter: before try n + 1 it waits a random time between nothing and `base` x `factor`^(n - 1), capped.
///
/// Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
package struct Backoff: Sendable, Hashable {
    package var base: Duration
    package var factor: Double
    package var cap: Duration
    package var hasJitter: Bool

    package init(base: Duration, factor: Double = 2, cap: Duration, hasJitter: Bool = true) {
        self.base = base
        self.factor = factor
        self.cap = cap
        self.hasJitter = hasJitter
    }

    /// What a broker takes for a failed attempt whose worker sent no delay: 1 s x 2^(attempt - 1), at most 1 h.
    package static let standard = Backoff(base: .seconds(1), cap: .seconds(3_600))

    /// The longest wait after the given failed try.
    /// - Parameter attempt: 1 for the first.
    package func ceiling(after attempt: Int) -> Duration {
        var factor = 1.0
        let capSeconds = cap.inSeconds, baseSeconds = base.inSeconds
        guard baseSeconds > 0 else { return .zero }
        for _ in 1..<max(1, attempt) {
            factor *= self.factor
            if baseSeconds * factor >= capSeconds { return cap }
        }
        return min(cap, base * factor)
    }

    /// The wait after the given failed try.
    /// - Parameters:
    ///   - attempt: 1 for the first.
    ///   - random: where the jitter comes from.
    package func delay(after attempt: Int, using random: inout some RandomNumberGenerator) -> Duration {
        let ceiling = ceiling(after: attempt).inMilliseconds
        guard hasJitter, ceiling > 0 else { return .milliseconds(max(0, ceiling)) }
        return .milliseconds(Int64.random(in: 0...ceiling, using: &random))
    }
}
