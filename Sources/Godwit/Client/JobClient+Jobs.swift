public import GodwitCore

/// Jobs of whatever types, for those who look after them.
extension JobClient {
    /// The store's jobs, newest first unless it is said otherwise. Nothing is asked before they are iterated over; what changes meanwhile is
    /// seen or not.
    ///
    /// ```swift
    /// for try await job in jobs.list(queue: "mail", state: .failed) { print(job.id, job.error?.message ?? "") }
    /// ```
    ///
    /// - Parameters:
    ///   - queue: Only jobs of this queue.
    ///   - state: Only those in this state.
    ///   - name: Only those of this ``Job/name``.
    ///   - reason: Only those that died of this.
    ///   - oldestFirst: Whether the oldest comes first.
    /// - Throws: ``BrokerError`` (`invalidArgument`) for a name that no queue can have.
    public func list(
        queue: String? = nil,
        state: JobState? = nil,
        name: String? = nil,
        reason: DeathReason? = nil,
        oldestFirst: Bool = false
    ) throws -> JobList {
        let queue = try queue.map { name throws(BrokerError) in try QueueName(name) }
        let query = JobQuery(queue: queue, state: state, name: name, reason: reason, isOldestFirst: oldestFirst, limit: Limits.page)
        return JobList(broker: broker, query: query)
    }

    /// The jobs that wait in a queue, with their payloads, in the order in which they were enqueued: queued, scheduled and retrying ones.
    /// Nothing is leased.
    /// - Throws: ``BrokerError`` (`invalidArgument`) for a name that no queue can have; the iteration throws `queueNotFound`.
    public func browse(queue: String) throws -> WaitingJobs {
        WaitingJobs(broker: broker, query: BrowseQuery(queue: try QueueName(queue)))
    }

    /// A job as it stands now, of whatever type.
    /// - Throws: ``BrokerError``: `jobNotFound`, `jobForgotten`, or that the store cannot be read; `CancellationError`.
    public func status(of job: JobID) async throws -> JobStatus { JobStatus(try await snapshot(of: job)) }

    /// Cancels a job, also while it runs, as ``JobHandle/cancel()`` does.
    /// - Returns: The state that the job is in now: `cancelled`, or the final state that it was in before.
    /// - Throws: ``BrokerError``: `jobNotFound`, `jobForgotten`, or that the store cannot be written.
    @discardableResult
    public func cancel(_ job: JobID) async throws -> JobState { try await change(.cancel(job), job) }

    /// Runs a failed, cancelled or expired job again, and one that is scheduled or retrying now, as ``JobHandle/retry()`` does.
    /// - Returns: The state that the job is in now.
    /// - Throws: ``BrokerError``: `wrongState` for a job that is queued, running or succeeded, `jobNotFound`, `jobForgotten`, or that the store
    ///   cannot be written.
    @discardableResult
    public func retry(_ job: JobID) async throws -> JobState { try await change(.retry(job), job) }

    /// Gives a dead letter another chance: one that failed or expired is queued again, one that came from another queue goes back there as a
    /// new job.
    /// - Returns: The job that lives on.
    /// - Throws: ``BrokerError``: `wrongState` for one that is no dead letter, or whose dead letter is in another queue; `jobNotFound`,
    ///   `jobForgotten`; `CancellationError`.
    @discardableResult
    public func redrive(_ job: JobID) async throws -> JobID {
        try Task.checkCancellation()
        return try await asking { () async throws(BrokerError) in try await broker.commit(.redrive(job)).jobID ?? job }
    }

    /// Forgets a final job, its result and its errors.
    /// - Throws: ``BrokerError``: `wrongState` for one that is not final; `jobNotFound`, `jobForgotten`; `CancellationError`.
    public func forget(_ job: JobID) async throws {
        try Task.checkCancellation()
        _ = try await asking { () async throws(BrokerError) in try await broker.commit(.forget(job)) }
    }
}

/// Jobs of a store, read a page at a time; see ``JobClient/list(queue:state:name:reason:oldestFirst:)``.
public struct JobList: AsyncSequence, Sendable {
    public typealias Element = JobStatus

    fileprivate let broker: any Broker
    fileprivate let query: JobQuery

    public func makeAsyncIterator() -> Iterator { Iterator(broker: broker, query: query) }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let broker: any Broker
        fileprivate var query: JobQuery
        private var page: [JobSnapshot] = []
        private var taken = 0
        private var isOver = false

        fileprivate init(broker: any Broker, query: JobQuery) {
            self.broker = broker
            self.query = query
        }

        /// - Throws: ``BrokerError``; `CancellationError`.
        public mutating func next() async throws -> JobStatus? {
            while taken == page.count {
                guard !isOver else { return nil }
                try Task.checkCancellation()
                let found = try await asking { [broker, query] () async throws(BrokerError) in try await broker.list(query) }
                (page, taken, query.cursor, isOver) = (found.jobs, 0, found.next, found.next == nil)
            }
            defer { taken += 1 }
            return JobStatus(page[taken])
        }
    }
}

/// A job that waits, with what its worker will get.
public struct WaitingJob: Sendable, Hashable, Identifiable {
    /// The job as it stands.
    public var status: JobStatus
    /// What was published, JSON unless ``contentType`` says otherwise; nil when it cannot be read back.
    public var payload: [UInt8]?
    /// What its publisher said that the payload is.
    public var contentType: String?
    /// What travels beside it. Names are in lower case.
    public var headers: [String: String]

    /// The job's id.
    public var id: JobID { status.id }

    fileprivate init(_ job: BrowsedJob) {
        status = JobStatus(job.job)
        payload = job.payload?.bytes.array
        contentType = job.payload?.type
        headers = Dictionary(job.headers.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    }
}

/// The jobs that wait in a queue, read a page at a time; see ``JobClient/browse(queue:)``.
public struct WaitingJobs: AsyncSequence, Sendable {
    public typealias Element = WaitingJob

    fileprivate let broker: any Broker
    fileprivate let query: BrowseQuery

    public func makeAsyncIterator() -> Iterator { Iterator(broker: broker, query: query) }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let broker: any Broker
        fileprivate var query: BrowseQuery
        private var page: [BrowsedJob] = []
        private var taken = 0
        private var isOver = false

        fileprivate init(broker: any Broker, query: BrowseQuery) {
            self.broker = broker
            self.query = query
        }

        /// - Throws: ``BrokerError``: `queueNotFound`; `CancellationError`.
        public mutating func next() async throws -> WaitingJob? {
            while taken == page.count {
                guard !isOver else { return nil }
                try Task.checkCancellation()
                let found = try await asking { [broker, query] () async throws(BrokerError) in try await broker.browse(query) }
                (page, taken, query.cursor, isOver) = (found.jobs, 0, found.next, found.next == nil)
            }
            defer { taken += 1 }
            return WaitingJob(page[taken])
        }
    }
}
