public import Foundation
import GodwitCore
public import Logging
public import ServiceLifecycle

/// Runs jobs: leases them from their queues, gives them to the handlers registered for their names, and confirms what came of them.
///
/// ```swift
/// var worker = Worker(jobs, concurrency: 4)
/// worker.handle(Thumbnail.self, retry: .exponential(maxAttempts: 5)) { job, context in
///     try await context.progress(0.5, "resizing")
///     return try await images.resize(job.photo)
/// }
/// try await worker.run()      // or in a ServiceGroup, after its client
/// ```
///
/// **Delivery.** A job runs at least once. A worker that dies loses its leases, and its jobs run elsewhere within one lease time; so make
/// handlers repeatable, with ``JobContext/idempotencyKey`` for effects outside. The completion of a job, its result, and the jobs that its
/// handler enqueued through the context are one transaction: they happen once.
///
/// **Heartbeats** extend the leases from a thread of their own: a handler that blocks its thread keeps its lease.
///
/// **Shutdown.** On graceful shutdown it leases nothing more and lets running handlers finish for `shutdownGrace`; then it cancels their tasks
/// and gives their jobs back, uncounted. When the task of `run()` is cancelled it does so at once. A handler whose task is cancelled must throw
/// to have its job run again: what it returns counts as done.
///
/// **Before a shutdown** a worker can be made ``quiet()``: it takes nothing new, while others already do, and ends when it is told to.
public struct Worker: Service, Sendable {
    /// Told about each failed attempt: for error trackers. Not about jobs that were cancelled or given back.
    public typealias ErrorObserver = @Sendable (any Error, JobContext) -> Void

    let client: JobClient
    let concurrency: Int
    let queues: [String]?
    let lease: Duration
    let shutdownGrace: Duration
    let onError: ErrorObserver?
    let logger: Logger
    /// How long a job that was leased ahead waits for a slot before it is given back.
    var patience: Duration = .milliseconds(200)
    /// A request for jobs that took longer has waited for them, or the way to the broker is long.
    var shortRequest: Duration = .milliseconds(50)
    /// Whether no jobs are taken; shared by all copies.
    let isQuiet = Guarded(false)
    private(set) var handlers: [Handler] = []
    private(set) var schedules: [ScheduleEntry] = []

    /// - Parameters:
    ///   - client: The opened store; it can be shared by many workers.
    ///   - concurrency: How many jobs run at a time. Where they take less time than asking for more, some more are leased ahead, at most three
    ///     for each: so many may run before a job that is more urgent and came later. What has no slot soon, mostly within 200 ms, goes back as if it
    ///     had not come here.
    ///   - queues: Which queues to take jobs from, the first ones first; nil: those of the registered job types, in the order of registration.
    ///   - lease: How long a dead worker keeps its jobs from running elsewhere, 100 ms to 12 h. Heartbeats come three times as often.
    ///   - shutdownGrace: How long running handlers may take to finish on graceful shutdown.
    ///   - logger: The client's when nil.
    ///   - onError: Told about each failed attempt.
    public init(
        _ client: JobClient,
        concurrency: Int,
        queues: [String]? = nil,
        lease: Duration = .seconds(10),
        shutdownGrace: Duration = .seconds(30),
        logger: Logger? = nil,
        onError: ErrorObserver? = nil
    ) {
        self.client = client
        self.concurrency = concurrency
        self.queues = queues
        self.lease = lease
        self.shutdownGrace = shutdownGrace
        self.logger = logger ?? client.logger
        self.onError = onError
    }

    /// Registers what runs the jobs of a type and returns their result. Capture what it needs.
    ///
    /// - Parameters:
    ///   - type: The job type. Two handlers for one ``Job/name`` are an error when the worker starts.
    ///   - retry: When a failed attempt is followed by another.
    ///   - timeout: How long one attempt may take before its task is cancelled and it counts as failed, whatever the handler returns; the
    ///     shorter one of this and ``Job/timeout``.
    ///   - body: Throw to fail the attempt: ``JobFailure`` for more control, any error otherwise.
    public mutating func handle<J: Job>(
        _ type: J.Type,
        retry: RetryPolicy = .standard,
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (J, JobContext) async throws -> J.Output
    ) where J.Output: Codable {
        handlers.append(
            Handler(type, retry: retry, timeout: timeout) { job, context in try JobCoding.encode(try await body(job, context)) }
        )
    }

    /// Registers what runs the jobs of a type that has no result; its parameters are those of the other `handle`.
    public mutating func handle<J: Job>(
        _ type: J.Type,
        retry: RetryPolicy = .standard,
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (J, JobContext) async throws -> Void
    ) where J.Output == Void {
        handlers.append(
            Handler(type, retry: retry, timeout: timeout) { job, context in
                try await body(job, context)
                return nil
            }
        )
    }

    /// Enqueues a job at each due time of a schedule, once per due time however many workers with this schedule share the store.
    ///
    /// The last due time is kept in the store. The first start fires nothing for the past; after a time without any worker the latest missed
    /// due time alone is caught up with. It is kept with the queue of the job, to change in one transaction with it: a schedule whose job type
    /// moves to another queue begins anew, and while workers with both queues run, each of them fires.
    ///
    /// - Parameters:
    ///   - name: The schedule's name in the store, 1 to 200 bytes. Two of one name are an error when the worker starts.
    ///   - schedule: When. One that cannot be read, or has an unknown time zone, is an error when the worker starts.
    ///   - make: The job for a due time.
    public mutating func schedule<J: Job>(_ name: String, _ schedule: Schedule, _ make: @escaping @Sendable (_ due: Date) -> J) {
        schedules.append(
            ScheduleEntry(name: name, schedule: schedule, queue: J.queue) { due in
                try NewMessage(make(due.date), key: nil, delay: nil, at: nil, priority: nil, headers: [:])
            }
        )
    }

    /// Has the worker take no more jobs: those that run go on and keep their leases, schedules fire, and the worker lives on until it is shut down.
    ///
    /// What is on its way to it is given back, uncounted. For rolling restarts: quiet the old workers, start the new ones, and shut the old ones
    /// down when they have finished. It holds for all copies of this worker, and before it runs, too. Calls may come from anywhere, such as a
    /// signal's handler of Dispatch.
    public func quiet() { isQuiet.withLock { $0 = true } }

    /// Has a quiet worker take jobs again.
    public func resume() { isQuiet.withLock { $0 = false } }

    /// Runs jobs until the service group shuts down gracefully, or the task is cancelled.
    /// - Throws: ``WorkerError`` when it is set up wrongly; ``BrokerError`` when the store failed, or was closed under it.
    public func run() async throws {
        let plan = try WorkerPlan(self)
        try await WorkerRun(plan).run()
    }
}
