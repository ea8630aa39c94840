/// Lets one line a second into the log, and counts what it stands for: a state machine that is told the time. Who can cause lines must not be able
/// to fill the disk.
struct LineLimit: Sendable {
    static let interval: Duration = .seconds(1)

    private var next: ContinuousClock.Instant?
    private var unsaid = 0

    /// Something happened.
    /// - Returns: how often it has since the last line; nil when it is too early for another one.
    mutating func count(now: ContinuousClock.Instant) -> Int? {
        unsaid += 1
        if let next, now < next { return nil }
        next = now + Self.interval
        defer { unsaid = 0 }
        return unsaid
    }
}
