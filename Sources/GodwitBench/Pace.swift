import Synchronization

/// Hands out the jobs that are to be published, at a rate if one is given.
final class Pace: Sendable {
    private let jobs: Int
    private let start: UInt64
    /// Nanoseconds from one job to the next.
    private let interval: Double?
    private let next = Mutex(0)

    init(jobs: Int, rate: Double?, start: UInt64) {
        self.jobs = jobs
        self.start = start
        interval = rate.map { 1e9 / $0 }
    }

    /// The next jobs that are to be published, at most so many: as soon as the first one is due, all that are due by then. Nil when all were
    /// given out.
    func take(_ most: Int) async throws -> Range<Int>? {
        try Task.checkCancellation()
        guard let (range, wait) = takeAtOnce(most) else { return nil }
        // The pace itself: the next job is due then.
        if wait > 0 { try await Task.sleep(for: .nanoseconds(wait)) }
        return range
    }

    /// The next jobs, and the nanoseconds until the first of them is due.
    func takeAtOnce(_ most: Int) -> (range: Range<Int>, wait: UInt64)? {
        let now = interval == nil ? 0 : MonotonicTime.now
        let range: Range<Int>? = next.withLock { next in
            guard next < jobs else { return nil }
            var count = most
            if let interval {
                let due = now > start ? Int(Double(now - start) / interval) + 1 : 0
                count = max(1, min(most, due - next))
            }
            defer { next = min(jobs, next + count) }
            return next..<min(jobs, next + count)
        }
        guard let range else { return nil }
        let due = time(of: range.lowerBound, now: now)
        return (range, due > now ? due - now : 0)
    }

    /// When a job is to be published: being late counts as latency, so that a slow store does not hide behind the producers that wait for it
    /// (coordinated omission).
    func time(of job: Int, now: UInt64) -> UInt64 {
        interval.map { start + UInt64(Double(job) * $0) } ?? now
    }
}
