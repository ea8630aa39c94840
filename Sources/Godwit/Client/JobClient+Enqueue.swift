public import Foundation
public import GodwitCore
import Tracing

extension JobClient {
    /// Enqueues a job and returns when that is durable.
    ///
    /// - Parameters:
    ///   - job: What is to be done. Its type says how it is enqueued.
    ///   - key: An idempotency key, at most 512 bytes without control characters (as in all names and headers): the same key in the same queue
    ///     within its window (24 h by default) makes no second job, the handle is the first one's. The same key with another job or other options is refused. Jobs are compared as JSON: a `Set`, or
    ///     a dictionary whose keys are neither `String` nor `Int`, has no order of its own and may be another one in another process.
    ///   - delay: How long the job waits before it may run; ``Job/delay`` when nil.
    ///   - date: When the job may run, by the wall clock; in place of a delay.
    ///   - priority: 0 to 255, higher first; ``Job/priority`` when nil.
    ///   - group: The ordered group of the queue that it belongs to, at most 200 bytes: one job of a group runs at a time, in the order in which
    ///     they were enqueued, and one that waits to be retried, or for its time, keeps those behind it waiting.
    ///   - claim: Makes the job unique, at most 512 bytes: while a job with this claim in the same queue is unfinished, the handle is that one's,
    ///     and nothing is enqueued. It ends with its job.
    ///   - transient: Return before the job is on disk (from a server not: that it answered is remembered there). It is gone when the store is opened again, after a clean stop, too: for what is worth less
    ///     than the wait. Such a job has no key, no group, no claim and nothing that follows it.
    ///   - headers: Text that travels beside the job to its handler, in ``JobContext/headers``. Names are lowercased. The trace context is added.
    ///   - onFinal: What follows the job's end, whatever ends it: jobs to enqueue or to cancel, steps of a ``JobBatch``. It is done in one with that
    ///     end, and again when the job is retried and ends once more.
    ///   - patience: How long to come back, with exponential backoff and full jitter, while the queue is full; nil throws `busy` at once, so
    ///     that a web handler can answer its user.
    /// - Throws: ``BrokerError``: `busy` and `diskFull` (with ``BrokerError/retryAfter``), `keyConflict`, `invalidArgument`, `tooLarge`,
    ///   `queueNotFound` where queues are not made by themselves, `storeOutdated`, `storeFailed`, `closed`; by a server also `unavailable`, `outcomeUnknown`, `unauthorized`,
    ///   `forbidden`, `untrusted`, `unsupportedURL`; `EncodingError`; `CancellationError`.
    @discardableResult
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
        onFinal: [FollowUp] = [],
        waitingUpTo patience: Duration? = nil
    ) async throws -> JobHandle<J> {
        try await observed(J.self) {
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
            return try handle(try await commit(.enqueue(message), patience: patience ?? .zero), for: J.self)
        }
    }

    /// Enqueues many jobs of one type, and returns when they all are durable.
    ///
    /// Up to 1,000 jobs (and 16 MiB) are enqueued all or none. More are committed in order, 1,000 at a time: when one of those parts is refused
    /// after an earlier one was enqueued, ``PartlyEnqueuedError`` tells how far it came. Give keys, and repeating the call repeats no job.
    ///
    /// - Parameters:
    ///   - jobs: What is to be done.
    ///   - key: Each job's idempotency key; see ``enqueue(_:key:delay:at:priority:group:claim:transient:headers:onFinal:waitingUpTo:)``, also for the other parameters.
    /// - Returns: a handle for each job, in order.
    /// - Throws: ``BrokerError``, ``PartlyEnqueuedError``, `EncodingError`, `CancellationError`.
    @discardableResult
    public func enqueue<J: Job>(
        contentsOf jobs: [J],
        key: ((J) -> String?)? = nil,
        delay: Duration? = nil,
        at date: Date? = nil,
        priority: Int? = nil,
        group: ((J) -> String?)? = nil,
        claim: ((J) -> String?)? = nil,
        transient: Bool = false,
        headers: [String: String] = [:],
        onFinal: ((J) throws -> [FollowUp])? = nil,
        waitingUpTo patience: Duration? = nil
    ) async throws -> [JobHandle<J>] {
        try await observed(J.self) {
            let messages = try jobs.map {
                try NewMessage(
                    $0,
                    key: key?($0),
                    delay: delay,
                    at: date,
                    priority: priority,
                    group: group?($0),
                    claim: claim?($0),
                    transient: transient,
                    headers: headers,
                    onFinal: onFinal?($0) ?? []
                )
            }
            let deadline = clock.uptime + (patience ?? .zero)
            var enqueued: [JobHandle<J>] = []
            for part in messages.parts() {
                do {
                    let results = try await commit(part.map(Operation.enqueue), patience: deadline - clock.uptime)
                    enqueued += try handles(results, for: J.self)
                } catch  where !enqueued.isEmpty {
                    throw PartlyEnqueuedError(enqueued: enqueued.map(\.id), count: messages.count, cause: error)
                }
            }
            return enqueued
        }
    }

    private func handles<J: Job>(_ results: [OperationResult], for type: J.Type) throws(BrokerError) -> [JobHandle<J>] {
        try results.map { result throws(BrokerError) in try handle(result, for: type) }
    }

    private func handle<J: Job>(_ result: OperationResult, for type: J.Type) throws(BrokerError) -> JobHandle<J> {
        guard let id = result.jobID else {
            throw BrokerError(.outcomeUnknown, "the broker gave no job id: look whether the job is there before it is enqueued again")
        }
        return JobHandle(id: id, client: self)
    }

    // Like all that lies between a caller and the store, it stays on the executor that it is called on: each change of it costs as much as a lock.
    nonisolated(nonsending) private func observed<J: Job, Result>(
        _ type: J.Type,
        _ body: nonisolated(nonsending) () async throws -> Result
    ) async throws -> Result {
        guard let metrics else { return try await traced(type, body) }
        let began = ContinuousClock.now
        let result = try await traced(type, body)
        metrics.confirmed(type, after: began.duration(to: .now))
        return result
    }

    nonisolated(nonsending) private func traced<J: Job, Result>(
        _ type: J.Type,
        _ body: nonisolated(nonsending) () async throws -> Result
    ) async throws -> Result {
        guard TraceHeaders.areUsed else { return try await body() }
        return try await withSpan("enqueue \(J.name)", ofKind: .producer) { span in
            span.attributes["messaging.system"] = "godwit"
            span.attributes["messaging.operation.name"] = "enqueue"
            span.attributes["messaging.operation.type"] = "send"
            span.attributes["messaging.destination.name"] = J.queue
            return try await body()
        }
    }
}

/// A batch of more than 1,000 jobs of which only the first ones were enqueued.
public struct PartlyEnqueuedError: Error, Sendable, CustomStringConvertible {
    /// The jobs that are there, in order: the first so many of the batch.
    public var enqueued: [JobID]
    /// How many were to be enqueued.
    public var count: Int
    /// What kept the next part from being enqueued: a ``BrokerError``, or `CancellationError`.
    public var cause: any Error

    public var description: String {
        let others =
            (cause as? BrokerError)?.code == .outcomeUnknown
            ? "some more may have been: look, or enqueue all again if they have keys" : "the others were not: enqueue those again"
        return "the first \(enqueued.count) of \(count) jobs were enqueued, \(others) (\(cause))"
    }
}

extension NewMessage {
    /// What a typed job is to a broker.
    init<J: Job>(
        _ job: J,
        key: String?,
        delay: Duration?,
        at date: Date?,
        priority: Int?,
        group: String? = nil,
        claim: String? = nil,
        transient: Bool = false,
        headers: [String: String],
        onFinal: [FollowUp] = []
    ) throws {
        guard delay == nil || date == nil else {
            throw BrokerError.invalidArgument("at", "a job starts after a delay or at a time: give one of them")
        }
        let delay = delay ?? J.delay
        guard delay >= .zero else { throw BrokerError.invalidArgument("delay", "a delay cannot be negative") }
        // Looked at here, for the batch format's frames stand only so deep: one message that is deeper would take all that travels with it along.
        guard (onFinal.map(\.operation.followUpLevels).max() ?? -1) < Limits.followUpDepth else {
            throw BrokerError.invalidArgument("on_final", "what follows stands at most \(Limits.followUpDepth) deep inside each other")
        }
        let start: Start = if let date { .at(Timestamp(date)) } else { delay > .zero ? .after(delay) : .now }
        self.init(
            queue: try QueueName(J.queue),
            payload: try JobCoding.encode(job),
            name: J.name,
            headers: Self.headers(headers),
            start: start,
            priority: priority ?? J.priority,
            expires: J.expires == .zero ? nil : J.expires,
            timeout: J.timeout == .zero ? nil : J.timeout,
            maxAttempts: J.maxAttempts == 0 ? nil : J.maxAttempts,
            group: group,
            claim: claim,
            onFinal: onFinal,
            isTransient: transient
        )
        if let key { deduplication = Deduplication(key: key, fingerprint: fingerprint) }
    }

    private static func headers(_ headers: [String: String]) -> [Header] {
        if headers.isEmpty, !TraceHeaders.areUsed { return [] }
        var named = Dictionary(headers.map { ($0.key.lowercased(), $0.value) }, uniquingKeysWith: { $1 })
        TraceHeaders.inject(into: &named)
        return named.map { Header(name: $0.key, value: $0.value) }.sorted { $0.name < $1.name }
    }
}

extension [NewMessage] {
    /// Parts that each fit into one transaction.
    fileprivate func parts() -> [ArraySlice<NewMessage>] {
        var parts: [ArraySlice<NewMessage>] = []
        var start = startIndex, bytes = 0
        for index in indices {
            let size = self[index].size
            if index - start == Limits.operations || (index > start && bytes + size > Limits.transactionBytes) {
                parts.append(self[start..<index])
                (start, bytes) = (index, 0)
            }
            bytes += size
        }
        if start < endIndex { parts.append(self[start...]) }
        return parts
    }
}

extension GodwitCore.Operation {
    /// How many levels of what follows stand inside of it.
    fileprivate var followUpLevels: Int {
        switch self {
        case .enqueue(let message): message.onFinal.map { $0.operation.followUpLevels + 1 }.max() ?? 0
        case .add(let addition): addition.then.map { $0.followUpLevels + 1 }.max() ?? 0
        default: 0
        }
    }
}
