public import Foundation
public import GodwitCore
public import Logging

/// What a handler knows of the attempt that it is, and can do about it. Valid while the handler runs.
public struct JobContext: Sendable {
    let run: Attempt

    public var id: JobID { run.delivery.job.id }
    /// ``Job/name``; nil when the publisher gave none.
    public var name: String? { run.delivery.job.name }
    public var queue: String { run.delivery.job.queue.description }
    /// 1 at the first delivery.
    public var attempt: Int { run.delivery.job.attempt }
    /// How many attempts the job has here: what its publisher or its queue allowed, lowered by the handler's ``RetryPolicy``.
    public var maxAttempts: Int { run.maxAttempts }
    /// Whether no attempt is left after this one.
    public var isLastAttempt: Bool { attempt >= maxAttempts }
    /// What travelled beside the job, the trace context among it. Names are in lower case.
    public var headers: [String: String] { run.headers }
    /// Grows with every lease that the store gives: a resource that remembers the highest one it saw can refuse a worker that lost its lease
    /// without knowing. Nil with stores that cannot promise that.
    public var fencingToken: UInt64? { run.delivery.fencingNumber }
    /// The same for every attempt of this job and for no other job: for effects outside that must happen once.
    public var idempotencyKey: String { id.description }
    /// The worker's logger, with the job's id, name, queue and attempt.
    public var logger: Logger { run.logger }

    /// Says how far the job is. Only the latest value counts; it is sent with the next heartbeat, within a tenth of a second.
    /// - Parameters:
    ///   - fraction: 0 to 1; what lies outside is taken as the nearer end.
    ///   - note: What it is doing, for people; cut at 1,024 bytes.
    /// - Throws: `CancellationError` when the job was cancelled, is out of time, or its lease was lost: stop working then.
    public func progress(_ fraction: Double, _ note: String? = nil) async throws {
        try Task.checkCancellation()
        let clamped = fraction.isNaN ? 0 : min(max(fraction, 0), 1)
        try await run.report(JobProgress(fraction: clamped, note: note.map { $0.cut(to: Limits.progressNote) }))
    }

    /// Collects a job to be enqueued in the very transaction that completes this one: when this attempt does not succeed, it never was. No
    /// queue's bound refuses it.
    ///
    /// An attempt can collect 999 jobs, of 16 MiB together with its result; one that collects more, or one that cannot be encoded, fails.
    /// See ``JobClient/enqueue(_:key:delay:at:priority:group:claim:transient:headers:onFinal:waitingUpTo:)`` for the parameters.
    public func enqueue<J: Job>(
        _ job: J,
        key: String? = nil,
        delay: Duration? = nil,
        at date: Date? = nil,
        priority: Int? = nil,
        group: String? = nil,
        claim: String? = nil,
        transient: Bool = false,
        headers: [String: String] = [:],
        onFinal: [FollowUp] = []
    ) {
        run.collect(
            Result {
                try NewMessage(
                    job,
                    key: key,
                    delay: delay,
                    at: date,
                    priority: priority,
                    group: group,
                    claim: claim,
                    transient: transient,
                    headers: headers,
                    onFinal: onFinal
                )
            }
        )
    }
}
