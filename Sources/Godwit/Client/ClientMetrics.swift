import GodwitCore
import Metrics
import Synchronization

/// What a client times, by queue and job name: `godwit_client_enqueue_duration_seconds`, from a call of `enqueue` until what it enqueues is
/// confirmed.
///
/// It is there only where the program has bootstrapped a metrics backend before the client was opened: for nobody nothing is measured.
final class ClientMetrics: Sendable {
    private let timers = Mutex<[ObjectIdentifier: Metrics.Timer]>([:])

    init?() {
        if MetricsSystem.factory is NOOPMetricsHandler { return nil }
    }

    func confirmed<J: Job>(_ type: J.Type, after duration: Duration) {
        timer(for: type).recordNanoseconds(Int64(duration.inSeconds * 1e9))
    }

    private func timer<J: Job>(for type: J.Type) -> Metrics.Timer {
        timers.withLock { timers in
            if let timer = timers[ObjectIdentifier(type)] { return timer }
            let timer = Timer(label: "godwit_client_enqueue_duration_seconds", dimensions: [("job", J.name), ("queue", J.queue)])
            timers[ObjectIdentifier(type)] = timer
            return timer
        }
    }
}
