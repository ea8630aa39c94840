import GodwitCore
import Testing

@testable import Godwit

@Suite("Retry policies")
struct RetryPolicyTests {
    private func decisions(_ policy: RetryPolicy, allowed: Int, attempts: ClosedRange<Int>) -> [RetryDecision] {
        var random = SplitMix(seed: 1)
        return attempts.map { policy.decision(attempt: $0, allowed: allowed, using: &random) }
    }

    @Test("a registration lowers what a job is allowed, and never raises it")
    func lowers() {
        #expect(RetryPolicy.exponential(maxAttempts: 5).attempts(of: 20) == 5)
        #expect(RetryPolicy.exponential(maxAttempts: 5).attempts(of: 2) == 2)
        #expect(RetryPolicy.standard.attempts(of: 20) == 20)
        #expect(decisions(.constant(.seconds(9), maxAttempts: 2), allowed: 20, attempts: 1...3) == [.after(.seconds(9)), .never, .never])
        #expect(decisions(.never, allowed: 20, attempts: 1...1) == [.never])
        #expect(decisions(.standard, allowed: 2, attempts: 1...2) == [.standard, .never])
    }

    @Test("exponential waits stay below their ceiling and use all of it")
    func exponential() {
        let policy = RetryPolicy.exponential(base: .seconds(2), factor: 3, cap: .seconds(20))
        var random = SplitMix(seed: 2)
        for (attempt, ceiling) in [(1, 2), (2, 6), (3, 18), (4, 20), (9, 20)] {
            let waits = (0..<200).map { _ in
                guard case .after(let wait) = policy.decision(attempt: attempt, allowed: 100, using: &random) else { return Duration.zero }
                return wait
            }
            #expect(waits.allSatisfy { $0 <= .seconds(ceiling) })
            #expect((waits.max() ?? .zero) > .seconds(ceiling) * 9 / 10)
            #expect((waits.min() ?? .zero) < .seconds(ceiling) / 10)
        }
    }
}
