public import GodwitCore
package import Logging
public import ServiceLifecycle

/// The one opened store: enqueues jobs, and finds them again.
///
/// ```swift
/// let jobs = try await JobClient.open("embedded:./data")
/// let job = try await jobs.enqueue(Thumbnail(photo: id))
/// let url = try await job.result()
/// await jobs.close()
/// ```
///
/// It works as soon as it is opened. In a `ServiceGroup` list it first, before the workers that use it: it then closes last. Programs
/// without a service group call ``close()``.
public final class JobClient: Service, Sendable {
    /// The primitives below: for the HTTP interface and the command line, which speak of jobs without their Swift types.
    package let broker: any Broker
    package let clock: any JobClock
    /// Jitter comes from here, and holders' ids.
    package let random: @Sendable () -> UInt64
    package let logger: Logger
    /// Whether leases taken here end with this process.
    package let isEmbedded: Bool
    /// Workers at work, which give their jobs back before the store is closed.
    let runs = Guarded(0)
    /// Nil where nobody takes metrics.
    let metrics: ClientMetrics?

    package init(
        broker: any Broker,
        isEmbedded: Bool = true,
        clock: any JobClock = SystemJobClock(),
        logger: Logger = Logger(label: "godwit"),
        random: @escaping @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }
    ) {
        self.broker = broker
        self.isEmbedded = isEmbedded
        self.clock = clock
        self.logger = logger
        self.random = random
        metrics = ClientMetrics()
    }

    /// Keeps the store open until the service group shuts down gracefully, or the task is cancelled; then closes it.
    ///
    /// A group that is cancelled cancels all its services at the same moment: the workers then get their time to give their jobs back first.
    public func run() async throws {
        do {
            try await gracefulShutdown()
        } catch is CancellationError {
            logger.debug("the job client's task was cancelled: closing")
            // In a task of its own, which is not cancelled.
            _ = await Task { await runs.wait(until: { $0 == 0 }, atMost: WorkerRun.lastWait * 2, clock: clock) }.value
        }
        await close()
    }

    /// Syncs what is under way and closes the store. Every later call throws ``BrokerError`` `closed`; closing again does nothing.
    public func close() async { await broker.close() }

    /// The handle of a job that was enqueued before, perhaps by another process. Asks nothing of the store: an id that it never made shows in
    /// the handle's first use.
    public func handle<J: Job>(for type: J.Type, id: JobID) -> JobHandle<J> { JobHandle(id: id, client: self) }
}

extension JobClient {
    func snapshot(of id: JobID) async throws -> JobSnapshot {
        try Task.checkCancellation()
        let lookups = try await asking { () async throws(BrokerError) in try await broker.read([id]) }
        guard let lookup = lookups.first else { throw BrokerError.jobNotFound(id) }
        return try lookup.snapshot(of: id)
    }

    /// A job as it was enqueued.
    /// - Throws: ``BrokerError``: `jobNotFound`, `jobForgotten`; `DecodingError`.
    package func job<J: Job>(_ type: J.Type, id: JobID) async throws -> J {
        let payload = try await asking { () async throws(BrokerError) in try await broker.payload(of: id) }
        return try JobCoding.decode(J.self, from: payload.bytes)
    }

    /// Does its work in a cancelled task, too, in one of its own: whoever is cancelled often has a job to cancel.
    func change(_ operation: Operation, _ id: JobID) async throws -> JobState {
        let results = try await Task { [broker] in try await broker.commit(Transaction(operation)) }.value
        guard case .state(let state)? = results.first else {
            throw BrokerError(.outcomeUnknown, "the broker did not say what state the job \(id) is in: ask for its status")
        }
        return state
    }
}

extension Broker {
    /// Commits one transaction.
    /// - Throws: what aborted it, or kept the broker from committing anything.
    nonisolated(nonsending) package func commit(_ transaction: Transaction) async throws(BrokerError) -> [OperationResult] {
        guard let outcome = try await commit([transaction]).first else {
            throw BrokerError(.outcomeUnknown, "the broker answered nothing: look whether the change is there before it is tried again")
        }
        return try outcome.get()
    }
}

/// A source of random numbers made of a function.
struct RandomFunction: RandomNumberGenerator {
    let function: @Sendable () -> UInt64
    mutating func next() -> UInt64 { function() }
}
