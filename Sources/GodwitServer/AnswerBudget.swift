import GodwitHTTP
import HTTPTypes
import Hummingbird
import Synchronization

/// The memory that answers take until the network has taken them: each alone is bounded, and so is their sum, whatever clients do not read.
///
/// Streams are not counted: they are written as far as they are read.
final class AnswerBudget: Sendable {
    /// Answers up to this size are not counted: as many connections as there may be hold no more than those.
    static let free = 16 << 10

    private let limit: Int
    private let used = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    /// Whether an answer may be written; what it takes is given back when it was, or its connection is gone.
    func admits(_ response: Response, to connection: Connection) -> Bool {
        guard let bytes = response.body.contentLength, bytes > Self.free else { return true }
        guard used.add(bytes, ordering: .relaxed).newValue <= limit else {
            used.subtract(bytes, ordering: .relaxed)
            return false
        }
        connection.onResponseWritten { _ in self.used.subtract(bytes, ordering: .relaxed) }
        return true
    }

    /// What is answered instead.
    static let refusal = Problem(
        .serviceUnavailable,
        "overloaded",
        "the server holds as many bytes of answers as it may, which their clients do not read: ask again a little later",
        retryAfter: .seconds(1)
    )
}
