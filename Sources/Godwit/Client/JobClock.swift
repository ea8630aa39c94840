import Foundation
import GodwitCore

/// Time as clients and schedules see it; passed in, so that tests can drive it.
package protocol JobClock: Sendable {
    /// The wall clock.
    var now: Timestamp { get }
    /// Time that only goes forward, from any origin.
    var uptime: Duration { get }
    /// - Throws: `CancellationError` as soon as the task is cancelled.
    func sleep(for duration: Duration) async throws
}

/// The machine's time.
package struct SystemJobClock: JobClock {
    private static let origin = ContinuousClock.now

    package init() {}

    package var now: Timestamp { Timestamp(Date()) }
    package var uptime: Duration { Self.origin.duration(to: .now) }
    package func sleep(for duration: Duration) async throws { try await ContinuousClock().sleep(for: duration) }
}
