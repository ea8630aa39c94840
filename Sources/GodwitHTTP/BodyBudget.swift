import HTTPTypes
import Synchronization

/// The memory that all requests' bodies together may take at a time: each alone is bounded, and so is their sum.
final class BodyBudget: Sendable {
    private let limit: Int
    private let used = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    /// What one request takes of it; given back when the request is done with its body.
    final class Share: Sendable {
        private let budget: BodyBudget
        private let bytes = Atomic<Int>(0)

        fileprivate init(_ budget: BodyBudget) { self.budget = budget }

        deinit { budget.used.subtract(bytes.load(ordering: .relaxed), ordering: .relaxed) }

        /// - Throws: ``Problem`` `overloaded` when others take too much of it.
        func take(_ count: Int) throws(Problem) {
            guard budget.used.add(count, ordering: .relaxed).newValue <= budget.limit else {
                budget.used.subtract(count, ordering: .relaxed)
                throw Problem(
                    .serviceUnavailable,
                    "overloaded",
                    "the server holds as many bytes of requests as it may: send this one again a little later",
                    retryAfter: .seconds(1)
                )
            }
            bytes.add(count, ordering: .relaxed)
        }
    }

    func share() -> Share { Share(self) }
}
