import GodwitCore
import HTTPTypes

/// What became of one lease.
enum Settled {
    case ended(JobState?, enqueued: [JobID])
    case renewed(expiresAt: Timestamp)
    case cancelRequested
    /// Operation 0 is what became of the lease, the others are the jobs that go with it.
    case failed(operation: Int, BrokerError)

    init(_ outcome: RenewalOutcome, now: Timestamp) {
        switch outcome {
        case .good(let remaining): self = .renewed(expiresAt: now + remaining)
        case .cancelRequested: self = .cancelRequested
        case .stale: self = .failed(operation: 0, .staleLease)
        case .unreachable:
            self = .failed(
                operation: 0,
                BrokerError(.unavailable, "it cannot be known yet whether this lease is good: renew it again", retryAfter: .seconds(1))
            )
        }
    }

    init(_ outcome: TransactionOutcome) {
        switch outcome {
        case .aborted(let operation, let error): self = .failed(operation: operation, error)
        case .committed(let results):
            let state: JobState? = if case .state(let state)? = results.first { state } else { nil }
            self = .ended(state, enqueued: results.dropFirst().compactMap(\.jobID))
        }
    }
}

extension JSONWriter {
    /// - Parameter path: the item's place in a batch, where each result has a status; nil for a single one, whose status is the answer's.
    mutating func settled(_ result: Settled, path: String? = nil) {
        switch result {
        case .ended(let state, let jobs):
            if path != nil { member("status", 200) }
            if let state { member("state", state.rawValue) }
            guard !jobs.isEmpty else { return }
            key("enqueued")
            array { json in
                for job in jobs { json.string(job.description) }
            }
        case .renewed(let time):
            if path != nil { member("status", 200) }
            member("expires_at", time)
            member("cancel_requested", false)
        case .cancelRequested:
            if path != nil { member("status", 200) }
            member("expires_at", Timestamp?.none)
            member("cancel_requested", true)
        case .failed(let operation, let error):
            let place = operation == 0 ? "" : "enqueue[\(operation - 1)]."
            let problem = Problem(error, path: (path ?? "") + place)
            if path != nil { member("status", problem.status.code) }
            key("error")
            problem.write(to: &self)
        }
    }
}
