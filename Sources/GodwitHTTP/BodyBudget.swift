import HTTPTypes
import Synchronization

/// The memory that all requests' bodies together may take at a time: each alone is bounded, and so is their sum.
final class BodyBudget: Sendable {
    private let limit: Int
    private let used = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    /// What one request takes of it; given back when the request is done with its body, at its own end at the latest.
    final class Share: Sendable {
        private let budget: BodyBudget
        private let limit: Int
        private let bytes = Atomic<Int>(0)

        fileprivate init(_ budget: BodyBudget, limit: Int) {
            self.budget = budget
            self.limit = limit
        }

        deinit { end() }

        /// - Throws: ``Problem`` `overloaded` when others take too much of it.
        func take(_ count: Int) throws(Problem) {
            guard budget.used.add(count, ordering: .relaxed).newValue <= limit else {
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

        /// Gives back what was taken: the body is no longer needed, though the request may go on.
        func end() { budget.used.subtract(bytes.exchange(0, ordering: .relaxed), ordering: .relaxed) }
    }

    /// - Parameter isWork: whether a worker settles or renews its leases, for which an eighth is kept free of everybody else's bodies: a
    ///   lease that cannot be renewed expires, and its job runs twice.
    func share(isWork: Bool) -> Share { Share(self, limit: isWork ? limit + limit / 8 : limit) }
}
