import GodwitCore

/// Trying again for a while: exponential backoff with full jitter, on top of the least wait that the store asks for.
struct RetryPolicy: Sendable {
    /// How long to go on; zero for a single try.
    var limit: Duration
    var backoff = Backoff(base: .milliseconds(100), cap: .seconds(10))
    /// Whether a request that may have been carried out can be sent again without doing it twice.
    var isRepeatable: Bool

    /// How long to wait before the next try; nil when the failure is final, or the time left does not hold the least wait.
    func delay(
        after failure: CommandFailure,
        tries: Int,
        elapsed: Duration,
        using random: inout some RandomNumberGenerator
    ) -> Duration? {
        switch failure.exit {
        case .busy: break
        case .unreachable where failure.isCertainlyUnsent || isRepeatable: break
        default: return nil
        }
        let least = failure.retryAfter ?? .zero
        let left = limit - elapsed
        guard left > .zero, least <= left else { return nil }
        return min(least + backoff.delay(after: tries, using: &random), left)
    }

    /// Runs the operation until it succeeds or the policy gives up.
    /// - Parameter waiting: told of each failure that is waited for, and how long.
    func run<Value>(
        waiting: (CommandFailure, Duration) -> Void = { _, _ in },
        _ operation: () async throws -> Value
    ) async throws -> Value {
        let start = ContinuousClock.now
        var tries = 0
        var random = SystemRandomNumberGenerator()
        while true {
            do {
                return try await operation()
            } catch let failure as CommandFailure {
                tries += 1
                guard let delay = delay(after: failure, tries: tries, elapsed: start.duration(to: .now), using: &random) else {
                    throw failure
                }
                waiting(failure, delay)
                // The backoff itself: nothing tells when a queue has room or a server is back.
                try await Task.sleep(for: delay)
            }
        }
    }
}
