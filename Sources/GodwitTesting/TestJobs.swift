public import Foundation
public import Godwit
import GodwitCore
import GodwitEngine
import GodwitJournal
public import Logging
import Synchronization

/// A store for tests: the real engine, in memory, on a clock that stands still until the test moves it.
///
/// Works with Swift Testing and with XCTest; it is of neither. Nothing runs by itself: jobs run in ``runDue(_:)`` and
/// ``advance(by:running:)``, one after the other, on the test's own task, so that a test is the same each time.
///
/// ```swift
/// @Test func aPostIsDelivered() async throws {
///     let jobs = try await TestJobs()
///     var worker = Worker(jobs.client, concurrency: 1)
///     worker.handle(Deliver.self) { job, context in try await timelines.add(job.post) }
///
///     try await publish(post, using: jobs.client)             // the code under test
///     #expect(try await jobs.enqueued(Deliver.self).map(\.post) == [post.id])
///
///     let attempts = try await jobs.runDue(worker)
///     #expect(attempts.map(\.state) == [.succeeded])
/// }
/// ```
///
/// Whatever waits for a job, such as `JobHandle.result()`, waits until the test has run it: run it first.
///
/// Two things of a worker that runs for real are left out: nothing sends heartbeats and no handler is timed out, for time stands still
/// while a handler runs.
public final class TestJobs: Sendable {
    /// An attempt that was run, and how it ended.
    public struct Attempt: Sendable {
        /// The job that was run.
        public var id: JobID
        /// ``Job/name``.
        public var name: String?
        /// The queue that it came from.
        public var queue: String
        /// 1 for the job's first.
        public var attempt: Int
        /// The state that it left the job in: `succeeded`, `retrying`, `failed`.
        public var state: JobState
        /// What the handler threw.
        public var error: (any Error)?

        init(_ attempted: DueRun.Attempted) {
            id = attempted.job.id
            name = attempted.job.name
            queue = attempted.job.queue.description
            attempt = attempted.job.attempt
            state = attempted.state
            error = attempted.error
        }
    }

    /// Give it to the code under test, and to the test's workers.
    public let client: JobClient
    private let clock: TestClock

    /// - Parameters:
    ///   - start: What the clock shows at first; 2026-01-01T00:00:00Z unless said otherwise.
    ///   - seed: Where ids and the jitter of retries come from: the same seed, the same run.
    ///   - logger: Where the store and the workers log to.
    /// - Throws: ``BrokerError`` when the store cannot be opened.
    public init(
        startingAt start: Date = Date(timeIntervalSince1970: 1_767_225_600),
        seed: UInt64 = 1,
        logger: Logger = Logger(label: "godwit.testing")
    ) async throws {
        let manual = ManualClock(start: Timestamp(start))
        let numbers = Mutex(SplitMix64(seed: seed))
        let random: @Sendable () -> UInt64 = { numbers.withLock { $0.next() } }
        // Numbers of its own: the journal draws some of the engine's whenever a segment is made ready beside.
        let jitter = Mutex(SplitMix64(seed: ~seed))
        clock = TestClock(manual)
        var options = EngineOptions()
        options.clock = manual
        options.random = random
        options.segmentBytes = JobClient.memorySegmentBytes
        options.logger = logger
        let engine = try await Engine.open(storage: MemoryStorage(), options: options)
        client = JobClient(broker: engine, clock: clock, logger: logger, random: { jitter.withLock { $0.next() } })
    }

    /// What the clock shows.
    public var now: Date { clock.now.date }

    /// The jobs of a type that wait to run (scheduled, queued and retrying), in the order in which they were enqueued.
    /// - Throws: `DecodingError` for a job of this name that is none of this type; ``BrokerError``.
    public func enqueued<J: Job>(_ type: J.Type) async throws -> [J] {
        var jobs: [J] = []
        try await forEachJob(in: try QueueName(J.queue), states: [.scheduled, .queued, .retrying]) { job in
            guard job.name == J.name else { return }
            jobs.append(try await client.job(J.self, id: job.id))
        }
        // Pages come newest first.
        return jobs.reversed()
    }

    /// Fires the worker's schedules that are due and runs jobs of its queues until none is ready, those among them that were enqueued
    /// meanwhile. Jobs that are scheduled or retrying wait for ``advance(by:running:)``.
    /// - Returns: the attempts, in order.
    /// - Throws: ``WorkerError`` when the worker is set up wrongly; ``BrokerError``. What a handler throws is in the attempts.
    @discardableResult
    public func runDue(_ worker: Worker) async throws -> [Attempt] {
        try await withRun(of: worker) { run in try await run.run().attempts.map(Attempt.init) }
    }

    /// Moves the clock. With a worker it stops wherever something of that worker is due, a scheduled job, a retry or a schedule, and runs it
    /// at its time, as ``runDue(_:)`` does.
    /// - Returns: the attempts, in order.
    /// - Throws: ``WorkerError`` when the worker is set up wrongly; ``BrokerError``. What a handler throws is in the attempts.
    @discardableResult
    public func advance(by duration: Duration, running worker: Worker? = nil) async throws -> [Attempt] {
        guard let worker else {
            await clock.advance(by: duration)
            return []
        }
        let end = clock.now + duration
        return try await withRun(of: worker) { run in
            var attempts: [Attempt] = []
            while true {
                let (done, nextFiring) = try await run.run()
                attempts += done.map(Attempt.init)
                let now = clock.now
                guard now < end else { return attempts }
                let due = [try await nextRun(in: run.queues, after: now), nextFiring].compactMap { $0 }.filter { $0 > now }.min()
                await clock.advance(by: min(due ?? end, end) - now)
            }
        }
    }

    /// Gives back what the run holds, also when it throws.
    private func withRun(of worker: Worker, _ body: (inout DueRun) async throws -> [Attempt]) async throws -> [Attempt] {
        var run = try await DueRun(worker)
        do {
            let attempts = try await body(&run)
            try await run.close()
            return attempts
        } catch {
            try? await run.close()
            throw error
        }
    }

    /// Closes the store; everything in it is gone.
    public func close() async { await client.close() }

    /// When the first of the jobs that wait for a time may run.
    private func nextRun(in queues: [QueueName], after now: Timestamp) async throws -> Timestamp? {
        var next: Timestamp?
        for queue in queues {
            try await forEachJob(in: queue, states: [.scheduled, .retrying]) { job in
                if let time = job.runAt, time > now { next = min(next ?? time, time) }
            }
        }
        return next
    }

    /// Newest first.
    private func forEachJob(in queue: QueueName, states: Set<JobState>, _ body: (JobSnapshot) async throws -> Void) async throws {
        var query = JobQuery(queue: queue, limit: 1_000)
        repeat {
            let page = try await client.broker.list(query)
            for job in page.jobs where states.contains(job.state) { try await body(job) }
            query.cursor = page.next
        } while query.cursor != nil
    }
}
