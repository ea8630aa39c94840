import GodwitCore
import Logging
import Tracing

/// Runs an attempt: a pipeline from a delivery to a ``Settlement``.
struct AttemptRunner: Sendable {
    let handlers: [String: Handler]
    let onError: Worker.ErrorObserver?
    let metrics: WorkerMetrics
    let random: @Sendable () -> UInt64

    func handler(for delivery: Delivery) -> Handler? { delivery.job.name.flatMap { handlers[$0] } }

    nonisolated(nonsending) func run(_ attempt: Attempt) async -> Settlement {
        let began = ContinuousClock.now
        let context = JobContext(run: attempt)
        let outcome: Settlement.Outcome
        var thrown: (any Error)?
        do {
            let result = try await traced(attempt) {
                guard let handler = attempt.handler else { throw JobFailure.unknownJob(attempt.delivery.job.name) }
                return try await handler.run(attempt.delivery.payload.bytes, context)
            }
            // A loop over a stream just ends when its task is cancelled: what it returns may be half of the work.
            if attempt.ending == .timeout { throw CancellationError() }
            let followUps = try attempt.followUps()
            outcome = self.outcome(of: attempt, result, followUps)
        } catch {
            let error: any Error = attempt.ending == .timeout ? JobFailure.timeout(attempt.timeout) : error
            thrown = error
            outcome = self.outcome(of: attempt, error)
            if case .failed(let failure, let retry) = outcome {
                report(failure, retry, attempt)
                onError?(error, context)
            }
        }
        if case .dropped(let ending) = outcome {
            attempt.logger.info(
                ending == .cancelled ? "the job was cancelled while it ran" : "the lease was lost: what the handler did does not count"
            )
        }
        let took = began.duration(to: .now)
        metrics.ended(attempt, outcome, after: took)
        return Settlement(attempt: attempt, outcome: outcome, error: thrown, took: took)
    }

    private func outcome(of attempt: Attempt, _ result: Content?, _ followUps: [NewMessage]) -> Settlement.Outcome {
        switch attempt.ending {
        case .cancelled: .dropped(.cancelled)
        case .leaseLost: .dropped(.leaseLost)
        case .timeout, .shutdown, nil: .succeeded(result, followUps: followUps)
        }
    }

    private func outcome(of attempt: Attempt, _ error: any Error) -> Settlement.Outcome {
        switch attempt.ending {
        case .cancelled: return .dropped(.cancelled)
        case .leaseLost: return .dropped(.leaseLost)
        case .shutdown: return .released
        case .timeout, nil: break
        }
        switch error {
        case let failure as JobFailure:
            return .failed(
                Failure(message: failure.description, code: failure.code ?? "\(JobFailure.self)"),
                decision(by: failure.retry, attempt)
            )
        default:
            return .failed(Failure(message: "\(error)", code: "\(type(of: error))"), decision(by: .byPolicy, attempt))
        }
    }

    private func decision(by wish: JobFailure.Retry, _ attempt: Attempt) -> RetryDecision {
        let job = attempt.delivery.job
        guard job.attempt < attempt.maxAttempts else { return .never }
        switch wish {
        case .never: return .never
        case .after(let delay): return .after(min(delay, Limits.longestDuration))
        case .byPolicy:
            var random = RandomFunction(function: self.random)
            let policy = attempt.handler?.retry ?? .standard
            return policy.decision(attempt: job.attempt, allowed: job.maxAttempts, using: &random)
        }
    }

    private func report(_ failure: Failure, _ retry: RetryDecision, _ attempt: Attempt) {
        var metadata: Logger.Metadata = ["error": "\(failure.message)"]
        if let code = failure.code { metadata["code"] = "\(code)" }
        if retry == .never {
            attempt.logger.error("the job failed for good", metadata: metadata)
        } else {
            attempt.logger.warning("an attempt failed: the job is retried", metadata: metadata)
        }
    }

    nonisolated(nonsending) private func traced(
        _ attempt: Attempt,
        _ body: nonisolated(nonsending) () async throws -> Content?
    ) async throws -> Content? {
        guard TraceHeaders.areUsed else { return try await body() }
        let job = attempt.delivery.job
        return try await withSpan(
            "run \(job.name ?? "job")",
            context: TraceHeaders.context(from: attempt.headers),
            ofKind: .consumer
        ) { span in
            span.attributes["messaging.system"] = "godwit"
            span.attributes["messaging.operation.name"] = "run"
            span.attributes["messaging.operation.type"] = "process"
            span.attributes["messaging.destination.name"] = job.queue.description
            span.attributes["messaging.message.id"] = job.id.description
            span.attributes["godwit.attempt"] = job.attempt
            return try await body()
        }
    }
}

/// What a worker itself has to say of an attempt: the codes are what error trackers and programs tell them by.
extension JobFailure {
    fileprivate static func timeout(_ limit: Duration?) -> JobFailure {
        JobFailure("the attempt took longer than \(limit?.text ?? "its timeout")", code: FailureCode.timeout)
    }

    /// A job that no handler of this worker is registered for; another worker may know it.
    fileprivate static func unknownJob(_ name: String?) -> JobFailure {
        let message =
            if let name {
                "this worker has no handler for jobs of the name \"\(name)\": register one with handle, or give such jobs a queue of their own"
            } else {
                "the job was published without a name, so no handler can be chosen: publish it with the name that a handler is registered for"
            }
        return JobFailure(message, code: "unknown_job")
    }
}
