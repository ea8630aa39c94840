public import Foundation
public import GodwitCore

/// ```swift
/// try await jobs.enqueue(
///     Import(file: file),
///     onFinal: [.enqueue(Report(of: file), when: .succeeded), .enqueue(Alarm(about: file), when: [.failed, .expired])]
/// )
/// ```
extension FollowUp {
    /// A job that is enqueued when another one has ended, in one with that end: both are there after a crash, or neither. No bound of its queue
    /// keeps it out.
    ///
    /// - Parameters:
    ///   - job: What is to be done. Its type says how it is enqueued.
    ///   - key: An idempotency key; see ``JobClient/enqueue(_:key:delay:at:priority:group:claim:transient:headers:onFinal:waitingUpTo:)``,
    ///     also for the other parameters. One that was used before enqueues nothing.
    ///   - delay: How long it waits after the end.
    ///   - date: When it may run, by the wall clock; in place of a delay.
    ///   - when: After which ends; all of them by default.
    /// - Throws: `EncodingError`, ``BrokerError`` (`invalidArgument`).
    public static func enqueue<J: Job>(
        _ job: J,
        key: String? = nil,
        delay: Duration? = nil,
        at date: Date? = nil,
        priority: Int? = nil,
        group: String? = nil,
        claim: String? = nil,
        transient: Bool = false,
        headers: [String: String] = [:],
        onFinal: [FollowUp] = [],
        when: FinalStates = .all
    ) throws -> FollowUp {
        let message = try NewMessage(
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
        return FollowUp(.enqueue(message), when: when)
    }

    /// A job that is cancelled when another one has ended; one that is final by then, or gone, stays as it is.
    public static func cancel(_ job: JobID, when: FinalStates = .all) -> FollowUp { FollowUp(.cancel(job), when: when) }
}
