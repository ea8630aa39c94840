/// How many durations were how long: counted in buckets of which each has an upper bound, as Prometheus' histograms are.
package struct DurationHistogram: Sendable, Hashable {
    /// The buckets that durations are counted in.
    package enum Scale: Sendable, Hashable {
        /// From 100 us to a minute: what a disk and a network take.
        case confirm
        /// From a millisecond, the step in which the engine counts a job's time, to a day: what jobs and their workers take.
        case job

        /// The upper bounds in microseconds, each within its bucket; what is longer than the last is counted beyond it.
        package var bounds: [Int64] {
            switch self {
            case .confirm: Self.confirmBounds
            case .job: Self.jobBounds
            }
        }

        private static let confirmBounds: [Int64] = [
            100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
            10_000_000, 30_000_000, 60_000_000,
        ]
        private static let jobBounds: [Int64] = [
            1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
            30_000_000, 60_000_000, 300_000_000, 900_000_000, 3_600_000_000, 14_400_000_000, 86_400_000_000,
        ]
    }

    package let scale: Scale
    /// How many durations fell into each bucket, and as the last one how many were longer than all bounds.
    package var counts: [UInt64]
    /// All durations together, in microseconds.
    package var sum: UInt64

    package init(_ scale: Scale) {
        self.scale = scale
        counts = Array(repeating: 0, count: scale.bounds.count + 1)
        sum = 0
    }

    package var count: UInt64 { counts.reduce(0, +) }

    /// Counts a duration; one below zero, which a clock that was set back makes, as none.
    package mutating func record(microseconds: Int64) {
        let duration = max(0, microseconds)
        counts[scale.bounds.firstIndex { duration <= $0 } ?? counts.count - 1] += 1
        sum += UInt64(duration)
    }
}

/// How long jobs took at each stage, since the store was opened.
package struct JobTimes: Sendable {
    /// From a publishing request's arrival at the engine until what it publishes is on disk. Transient jobs are not among them.
    package var confirm = DurationHistogram(.confirm)
    /// From the time at which a job could have been delivered to its delivery. A job that came back without waiting for a time of its own (its
    /// lease expired, or it was released) is not counted again: nobody knows since when it waits.
    package var wait = DurationHistogram(.job)
    /// From a delivery to what its worker said of it: completed, failed, released. Leases that expire are not among them.
    package var run = DurationHistogram(.job)
    /// Wait and run of single queues, as far as they were asked for and are kept.
    package var queues: [Queue] = []
    /// Bytes of the store's files, and how many they may be: what whoever watches times watches as well. Nil where there is no bound.
    package var diskBytes = 0
    package var maxDiskBytes: Int?

    package struct Queue: Sendable {
        package var name: QueueName
        package var wait: DurationHistogram
        package var run: DurationHistogram

        package init(name: QueueName, wait: DurationHistogram, run: DurationHistogram) {
            self.name = name
            self.wait = wait
            self.run = run
        }
    }

    package init() {}
}

/// A store that knows how long its jobs take.
package protocol Timed: Sendable {
    /// - Parameter queues: whose own times are wanted beside those of all.
    /// - Throws: `closed`, `storeFailed`.
    func times(of queues: [QueueName]) async throws(BrokerError) -> JobTimes
}
