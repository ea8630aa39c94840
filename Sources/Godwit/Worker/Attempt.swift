import GodwitCore
import Logging
import Synchronization

/// One delivery of a job in this worker, from its lease to its settlement. Heartbeats cancel it from their own thread.
final class Attempt: Sendable {
    /// Why an attempt's task was cancelled.
    enum Ending: Sendable, Hashable {
        /// It took longer than its timeout.
        case timeout
        /// Somebody cancelled the job.
        case cancelled
        /// The lease expired, or was taken away.
        case leaseLost
        /// The worker shuts down.
        case shutdown
    }

    private struct State {
        var task: RunnerTask?
        var ending: Ending?
        var followUps: [Result<NewMessage, any Error>] = []
        var progress: JobProgress?
        var hasReported = false
    }

    let delivery: Delivery
    let headers: [String: String]
    /// What the publisher or the queue allowed, lowered by the handler.
    let maxAttempts: Int
    /// What runs the job; nil for one that no handler of this worker is registered for.
    let handler: Handler?
    private let workerLogger: Logger
    private let sendProgress: @Sendable (Attempt) async throws -> Void
    private let state = Mutex(State())

    init(
        _ delivery: consuming Delivery,
        handler: Handler?,
        logger: Logger,
        sendProgress: @escaping @Sendable (Attempt) async throws -> Void
    ) {
        self.handler = handler
        headers = delivery.headers.isEmpty ? [:] : Dictionary(delivery.headers.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
        maxAttempts = handler?.retry.attempts(of: delivery.job.maxAttempts) ?? delivery.job.maxAttempts
        workerLogger = logger
        self.sendProgress = sendProgress
        self.delivery = delivery
    }

    var token: LeaseToken { delivery.token }

    /// How long it may take: the shorter one of what the publisher and the handler say.
    var timeout: Duration? {
        guard let own = handler?.timeout else { return delivery.timeout }
        return min(own, delivery.timeout ?? own)
    }

    var logger: Logger {
        var logger = workerLogger
        logger[metadataKey: "job"] = "\(delivery.job.id)"
        logger[metadataKey: "name"] = "\(delivery.job.name ?? "")"
        logger[metadataKey: "queue"] = "\(delivery.job.queue)"
        logger[metadataKey: "attempt"] = "\(delivery.job.attempt)"
        return logger
    }

    /// Whether no other attempt follows one that is lost.
    var isLast: Bool { delivery.job.attempt >= delivery.job.maxAttempts }

    /// Gives the attempt the task that it runs in.
    /// - Returns: what ended it before it began: it is not to be run then.
    func begin(in task: RunnerTask) -> Ending? {
        state.withLock { state in
            if state.ending == nil { state.task = task }
            return state.ending
        }
    }

    /// The attempt is settled: whatever would end it now no longer reaches the task.
    /// - Returns: whether something has ended it before, so that the task is cancelled, or will be.
    func finish() -> Bool {
        state.withLock { state in
            state.task = nil
            return state.ending != nil
        }
    }

    /// Cancels the task; the first reason counts.
    func end(_ ending: Ending) {
        let task = state.withLock { state in
            if state.ending == nil { state.ending = ending }
            return state.task
        }
        task?.cancel()
    }

    var ending: Ending? { state.withLock { $0.ending } }

    /// What is past a transaction's limit is not kept: that there are too many is known by then.
    func collect(_ followUp: Result<NewMessage, any Error>) {
        state.withLock { state in
            if state.followUps.count < Limits.operations { state.followUps.append(followUp) }
        }
    }

    /// What the handler collected.
    /// - Throws: why the first one that could not be encoded could not.
    func followUps() throws -> [NewMessage] {
        let followUps = state.withLock { $0.followUps }
        return followUps.isEmpty ? [] : try followUps.map { try $0.get() }
    }

    /// Whether the handler said anything of its progress.
    var hasReported: Bool { state.withLock { $0.hasReported } }

    func report(_ progress: JobProgress) async throws {
        state.withLock { state in
            state.progress = progress
            state.hasReported = true
        }
        try await sendProgress(self)
    }

    /// The progress could not be sent; a newer one, if there is any, stands.
    func putBack(_ progress: JobProgress) { state.withLock { $0.progress = $0.progress ?? progress } }

    /// The latest progress that was not sent yet; the caller sends it.
    func takeProgress() -> JobProgress? {
        state.withLock { state in
            defer { state.progress = nil }
            return state.progress
        }
    }
}
