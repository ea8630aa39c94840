import GodwitCore
import Synchronization

/// The time that a stopping server gives to those who hold leases, to settle and renew them, on the connections they have and on new ones.
///
/// It is over after its time, whatever clients do, and before when nobody can have anything to settle: no job runs, and for a
/// moment there was no connection. Whoever stops a server on a terminal, with no workers, does not wait.
struct Drain: Sendable {
    /// How long there must be nobody.
    static let calm: Duration = .milliseconds(200)
    /// How often it is looked at: a few times in the end of a server's life.
    private static let interval: Duration = .milliseconds(50)

    let broker: any Broker
    let statistics: ServerStatistics
    let longest: Duration

    /// - Throws: `CancellationError`.
    func wait() async throws {
        var timing = DrainTiming(began: .now, longest: longest)
        while !timing.isOver(now: .now, isDeserted: await isDeserted) {
            try await Task.sleep(for: min(Self.interval, timing.left(now: .now)))
        }
    }

    /// Whether nobody is there who could settle something, and nothing runs that somebody could come back for.
    private var isDeserted: Bool {
        get async {
            guard statistics.connections.load(ordering: .relaxed) == 0 else { return false }
            // A store that does not answer takes no settlement.
            guard let queues = try? await broker.queues() else { return true }
            return queues.allSatisfy { $0.counts.running == 0 }
        }
    }
}

/// When a drain is over: arithmetic without clock or connection.
struct DrainTiming {
    typealias Instant = ContinuousClock.Instant

    private let end: Instant
    private var desertedSince: Instant?

    init(began: Instant, longest: Duration) { end = began + longest }

    mutating func isOver(now: Instant, isDeserted: Bool) -> Bool {
        guard now < end else { return true }
        guard isDeserted else {
            desertedSince = nil
            return false
        }
        let since = desertedSince ?? now
        desertedSince = since
        return now - since >= Drain.calm
    }

    func left(now: Instant) -> Duration { max(.zero, end - now) }
}
