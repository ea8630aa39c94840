import GodwitCore

/// Waits for a job's end.
struct JobWait: Sendable {
    private let environment: RouteEnvironment

    init(_ environment: RouteEnvironment) { self.environment = environment }

    /// The job in its final state; where it stands when the time is up or nobody waits any more; nil when it was forgotten meanwhile.
    func final(of job: JobSnapshot, within wait: Duration) async throws -> JobSnapshot? {
        guard !job.state.isFinal, wait > .zero else { return job }
        let broker = environment.broker
        return try await interruptible(by: environment.interruptions) {
            let end = ContinuousClock.now + wait
            var job = job
            while !job.state.isFinal, !Task.isCancelled {
                let left = end - .now
                guard left > .zero else { break }
                switch try await broker.watch([.job(job.id, known: job.version)], wait: left).first {
                case .job(.found(let snapshot)): job = snapshot
                case .job(.unknown), .job(.forgotten): return nil
                default: break
                }
            }
            return job
        }
    }
}
