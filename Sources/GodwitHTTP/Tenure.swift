package import GodwitCore

/// How long somebody may go on with what he has begun: a stream ends with the rights that it was opened with.
package struct Tenure: Sendable, Hashable {
    /// When it ends by itself; nil for never.
    package var end: Timestamp?
    /// Set when it is taken away before.
    package var revoked: Latch?

    package init(end: Timestamp? = nil, revoked: Latch? = nil) {
        self.end = end
        self.revoked = revoked
    }

    package func isOver(at now: Timestamp) -> Bool { revoked?.isSet == true || (end.map { $0 <= now } ?? false) }

    /// What is left, and no more than a limit.
    package func left(at now: Timestamp, atMost limit: Duration) -> Duration { end.map { max(.zero, min(limit, $0 - now)) } ?? limit }

    package static func == (one: Tenure, other: Tenure) -> Bool { one.end == other.end && one.revoked === other.revoked }
    package func hash(into hasher: inout Hasher) { hasher.combine(end) }
}
