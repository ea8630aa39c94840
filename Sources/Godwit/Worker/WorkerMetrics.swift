import GodwitCore
import Metrics

/// What a worker counts, by queue and job name: `godwit_worker_attempts_total` (also by outcome: succeeded, failed, released, dropped),
/// `godwit_worker_attempt_duration_seconds`, and of first deliveries `godwit_worker_wait_duration_seconds`: from the time at which the job could
/// have been delivered to its delivery.
struct WorkerMetrics: Sendable {
    private final class Instruments: Sendable {
        let succeeded, failed, released, dropped: Counter
        let duration, wait: Metrics.Timer

        init(job: String, queue: String) {
            let dimensions = [("job", job), ("queue", queue)]
            func counter(_ outcome: String) -> Counter {
                Counter(label: "godwit_worker_attempts_total", dimensions: dimensions + [("outcome", outcome)])
            }
            succeeded = counter("succeeded")
            failed = counter("failed")
            released = counter("released")
            dropped = counter("dropped")
            duration = Timer(label: "godwit_worker_attempt_duration_seconds", dimensions: dimensions)
            wait = Timer(label: "godwit_worker_wait_duration_seconds", dimensions: dimensions)
        }
    }

    private let byName: [String: Instruments]
    /// For all names without a handler: a peer that makes up names makes no new series.
    private let others = Instruments(job: "unknown", queue: "any")

    init(_ handlers: some Sequence<Handler>) {
        byName = Dictionary(
            handlers.map { ($0.name, Instruments(job: $0.name, queue: $0.queue)) },
            uniquingKeysWith: { first, _ in first }
        )
    }

    func ended(_ attempt: Attempt, _ outcome: Settlement.Outcome, after duration: Duration) {
        let instruments = attempt.delivery.job.name.flatMap { byName[$0] } ?? others
        instruments.duration.recordNanoseconds(Int64(duration.inSeconds * 1e9))
        if let waited = attempt.delivery.waited { instruments.wait.recordNanoseconds(Int64(waited.inSeconds * 1e9)) }
        switch outcome {
        case .succeeded: instruments.succeeded.increment()
        case .failed: instruments.failed.increment()
        case .released, .untouched: instruments.released.increment()
        case .dropped: instruments.dropped.increment()
        }
    }
}
