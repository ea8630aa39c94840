import GodwitCore
import Testing

@testable import GodwitCLI

@Suite("Trying again")
struct RetryPolicyTests {
    private let busy = CommandFailure(exit: .busy, message: "full", code: "busy", retryAfter: .seconds(2))

    @Test("waits at least as long as the store asks for, and at most its backoff more")
    func leastWait() throws {
        let policy = RetryPolicy(limit: .seconds(60), isRepeatable: false)
        var random = SystemRandomNumberGenerator()
        for tries in 1...20 {
            let delay = try #require(policy.delay(after: busy, tries: tries, elapsed: .zero, using: &random))
            #expect(delay >= .seconds(2))
            #expect(delay <= .seconds(2) + policy.backoff.ceiling(after: tries))
        }
    }

    @Test("gives up at once when the least wait does not fit into what is left")
    func noRoom() {
        let policy = RetryPolicy(limit: .seconds(5), isRepeatable: false)
        var random = SystemRandomNumberGenerator()
        #expect(policy.delay(after: busy, tries: 1, elapsed: .seconds(4), using: &random) == nil)
        #expect(RetryPolicy(limit: .zero, isRepeatable: true).delay(after: busy, tries: 1, elapsed: .zero, using: &random) == nil)
    }

    @Test("does not repeat what may have been done, unless repeating is safe")
    func repeatable() {
        let lost = CommandFailure.unreachable("the connection broke")
        let refused = CommandFailure.unreachable("connection refused", isCertainlyUnsent: true)
        let wrong = CommandFailure.usage("bad delay")
        var random = SystemRandomNumberGenerator()
        for (failure, isRepeatable, isTried) in [(lost, false, false), (lost, true, true), (refused, false, true), (wrong, true, false)] {
            let policy = RetryPolicy(limit: .seconds(60), isRepeatable: isRepeatable)
            #expect((policy.delay(after: failure, tries: 1, elapsed: .zero, using: &random) != nil) == isTried)
        }
    }

    @Test("runs until it succeeds")
    func success() async throws {
        var policy = RetryPolicy(limit: .seconds(30), isRepeatable: false)
        policy.backoff = Backoff(base: .milliseconds(1), cap: .milliseconds(2))
        var tries = 0
        let value = try await policy.run {
            tries += 1
            guard tries == 4 else { throw CommandFailure(exit: .busy, message: "full", code: "busy", retryAfter: .milliseconds(1)) }
            return "done"
        }
        #expect(value == "done" && tries == 4)
    }
}
