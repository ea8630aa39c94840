package import Hummingbird
import Synchronization

/// The memory that answers take until the network has taken them: each alone is bounded, and so is their sum, whatever clients do not read.
///
/// What may become large is counted before it is read from the store, at about the most that it can be: many that are asked for at the same time
/// would all be there before the first of them was refused. Streams are not counted: they are written as far as they are read.
package final class AnswerBudget: Sendable {
    /// Answers up to this size are not counted: as many connections as there may be hold no more than those.
    private static let free = 16 << 10

    private let limit: Int
    private let used = Atomic<Int>(0)

    package init(limit: Int) { self.limit = limit }

    /// What one answer takes; given back when nobody has it any more, at the latest.
    package final class Share: Sendable {
        private let budget: AnswerBudget
        private let bytes = Mutex(0)

        fileprivate init(_ budget: AnswerBudget) { self.budget = budget }

        deinit { end() }

        /// - Returns: false, and it takes what it took, where others take too much for more.
        fileprivate func take(_ count: Int, of limit: Int) -> Bool {
            bytes.withLock { bytes in
                let more = count - bytes
                guard budget.used.add(more, ordering: .relaxed).newValue <= limit || more <= 0 else {
                    budget.used.subtract(more, ordering: .relaxed)
                    return false
                }
                bytes = count
                return true
            }
        }

        fileprivate func end() {
            bytes.withLock { bytes in
                budget.used.subtract(bytes, ordering: .relaxed)
                bytes = 0
            }
        }
    }

    /// Takes room for the answer to a connection's current request, in place of what was taken for it before.
    /// - Parameters:
    ///   - bytes: of about the largest that it can be. No answer is refused for its size alone: it takes a quarter of all at most.
    ///   - isWork: whether it gives jobs to workers, for whom an eighth more is kept: whatever readers leave unread, work goes on.
    /// - Throws: ``Problem`` `overloaded`.
    package func reserve(_ bytes: Int, for connection: Connection, isWork: Bool = false) throws(Problem) {
        guard bytes > Self.free else { return }
        let share = connection.takeAnswerShare() ?? Share(self)
        defer { connection.keep(share) }
        guard share.take(min(bytes, limit / 4), of: isWork ? limit + limit / 8 : limit) else { throw Self.refusal }
    }

    /// Whether an answer may be written; what it takes is given back when it was, or its connection is gone.
    /// - Parameter isRead: whether nothing was done for it: only then it is refused. Who is told that something was not done asks for it again.
    package func admits(_ response: Response, to connection: Connection, isRead: Bool) -> Bool {
        // What was reserved for more than it takes, or for an answer that was refused, goes with the share.
        let reserved = connection.takeAnswerShare()
        guard let bytes = response.body.contentLength, bytes > Self.free else { return true }
        let share = reserved ?? Share(self)
        guard share.take(bytes, of: isRead ? limit : .max) else { return false }
        connection.onResponseWritten { _ in share.end() }
        return true
    }

    /// What is answered instead.
    package static let refusal = Problem(
        .serviceUnavailable,
        "overloaded",
        "the server holds as many bytes of answers as it may, which their clients do not read: ask again a little later",
        retryAfter: .seconds(1)
    )
}
