import Synchronization

/// What the server counts of itself.
final class ServerStatistics: Sendable {
    let connections = Atomic<Int>(0)
    let refusedConnections = Atomic<Int>(0)
    /// Connections that were closed because their client was too slow.
    let timeouts = Atomic<Int>(0)
    private let successful = Atomic<Int>(0)
    private let refused = Atomic<Int>(0)
    private let failed = Atomic<Int>(0)

    func answered(status: Int) {
        switch status {
        case ..<400: successful.add(1, ordering: .relaxed)
        case ..<500: refused.add(1, ordering: .relaxed)
        default: failed.add(1, ordering: .relaxed)
        }
    }

    /// Answers by the class of their status.
    var answers: [(statusClass: String, count: Int)] {
        [
            ("2xx", successful.load(ordering: .relaxed)), ("4xx", refused.load(ordering: .relaxed)),
            ("5xx", failed.load(ordering: .relaxed)),
        ]
    }
}
