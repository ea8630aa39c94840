/// The primitives that everything above is said in: jobs, schedules, workflows, the HTTP interface.
///
/// All methods take and answer batches, may be called from any task or thread at the same time, answer only what is durable (as
/// ``Capabilities`` say), and throw `CancellationError`-free: a cancelled wait answers what there is, at once.
/// Whole-call failures (closed, store failed, unreachable) are thrown; what concerns one item is that item's outcome.
package protocol Broker: Sendable {
    var capabilities: Capabilities { get }

    /// Commits independent transactions, one outcome each, in order, given when they are durable.
    /// - Parameter session: numbers them, so that they can be committed again when the answer was lost. What cannot be known then is the outcome
    ///   `outcomeUnknown`, and nothing is applied.
    nonisolated(nonsending) func commit(
        _ transactions: [Transaction],
        in session: SessionCommit?
    ) async throws(BrokerError) -> [TransactionOutcome]

    /// Ends a session that is not gone on with: its outcomes are forgotten. Not for one of which anything may still be on its way.
    func end(session: String) async throws(BrokerError)

    /// Commits independent transactions of one operation each, as ``commit(_:in:)`` does: without arrays around each operation and result.
    nonisolated(nonsending) func commit(each operations: [Operation]) async throws(BrokerError) -> [Result<OperationResult, BrokerError>]

    /// Commits a transaction of one operation.
    /// - Throws: what aborted it, or kept the broker from committing anything.
    nonisolated(nonsending) func commit(_ operation: Operation) async throws(BrokerError) -> OperationResult

    /// A holder of leases. The same id again is the same holder; it costs nothing until it leases.
    func open(_ options: HolderOptions) async throws(BrokerError) -> any Holder

    /// What is known of each job.
    func read(_ jobs: [JobID]) async throws(BrokerError) -> [JobLookup]
    /// A job's payload.
    /// - Throws: `jobNotFound`, `jobForgotten`.
    func payload(of job: JobID) async throws(BrokerError) -> Content
    /// A succeeded job's result; nil when it has none, or the job is not succeeded.
    /// - Throws: `jobNotFound`, `jobForgotten`.
    func result(of job: JobID) async throws(BrokerError) -> Content?
    /// Jobs that wait in a queue with their payloads, oldest first, by keyset paging; nothing is leased.
    /// - Throws: `queueNotFound`.
    func browse(_ query: BrowseQuery) async throws(BrokerError) -> BrowsePage
    /// Jobs by keyset paging.
    func list(_ query: JobQuery) async throws(BrokerError) -> JobPage
    func read(_ records: [RecordKey]) async throws(BrokerError) -> [Record?]
    /// Waits until something is not at the version that the caller knows, or for `wait`. One answer per item, at their current values;
    /// `unchanged` for those still at the known version. Changes in between are coalesced. Cancelling the task ends the wait.
    func watch(_ items: [WatchItem], wait: Duration) async throws(BrokerError) -> [WatchAnswer]

    /// All queues, by name.
    func queues() async throws(BrokerError) -> [QueueStatus]
    func queue(_ name: QueueName) async throws(BrokerError) -> QueueStatus?
    /// Creates a queue or replaces its settings.
    /// - Parameter startsPaused: whether a queue that this creates is paused; one that is there stays as it is.
    /// - Throws: `invalidArgument`, `versionConflict`.
    func configure(
        _ queue: QueueName,
        _ settings: QueueSettings,
        expecting: Expectation,
        startsPaused: Bool
    ) async throws(BrokerError) -> QueueStatus
    /// Stops deliveries; everything else goes on.
    func pause(_ queue: QueueName) async throws(BrokerError)
    func resume(_ queue: QueueName) async throws(BrokerError)
    /// Ends all jobs that wait (queued, scheduled, retrying) as `cancelled` with the code `purged`; answers how many.
    func purge(_ queue: QueueName) async throws(BrokerError) -> Int
    /// Removes a queue and its finished jobs; with `purging` its waiting and running ones, too.
    /// - Throws: `queueNotEmpty` when it has unfinished jobs and `purging` is false.
    func delete(_ queue: QueueName, purging: Bool) async throws(BrokerError)

    /// Returns when the broker can confirm changes, throws what keeps it from it.
    func check() async throws(BrokerError)
    /// Syncs what is under way and closes the store; every later call throws `closed`.
    func close() async
}

extension Broker {
    nonisolated(nonsending) package func commit(
        each operations: [Operation]
    ) async throws(BrokerError) -> [Result<OperationResult, BrokerError>] {
        try await commit(operations.map { Transaction($0) }, in: nil).map { outcome in
            do throws(BrokerError) {
                guard let result = try outcome.get().first else {
                    throw BrokerError(.outcomeUnknown, "the broker did not say what became of an operation: look before it is tried again")
                }
                return .success(result)
            } catch {
                return .failure(error)
            }
        }
    }

    package func configure(
        _ queue: QueueName,
        _ settings: QueueSettings,
        expecting: Expectation
    ) async throws(BrokerError) -> QueueStatus {
        try await configure(queue, settings, expecting: expecting, startsPaused: false)
    }

    nonisolated(nonsending) package func commit(_ operation: Operation) async throws(BrokerError) -> OperationResult {
        guard let result = try await commit([Transaction(operation)]).first?.get().first else {
            throw BrokerError(.outcomeUnknown, "the broker answered nothing: look whether the change is there before it is tried again")
        }
        return result
    }
}

/// Who leases from what.
package struct HolderOptions: Sendable {
    package enum Order: Sendable, Hashable {
        /// All of the first queue before any of the second.
        case strict
        /// In turn, each as often as its weight says; weights are 1 to 1,000 and stand in the order of the queues.
        case weighted([Int])
    }

    package var id: HolderID
    /// None for one who does not lease, but renews or closes.
    package var queues: [QueueName]
    package var order: Order
    /// How many messages a broker may buffer for this holder; a buffered one is not leased.
    package var capacity: Int
    /// Whether the holder lives in this process: its leases end with the process.
    package var isEmbedded: Bool

    package init(id: HolderID, queues: [QueueName], order: Order = .strict, capacity: Int, isEmbedded: Bool) {
        self.id = id
        self.queues = queues
        self.order = order
        self.capacity = capacity
        self.isEmbedded = isEmbedded
    }
}

/// Holds leases under one id.
package protocol Holder: Sendable {
    var id: HolderID { get }

    /// Up to `max` jobs, as soon as there is one, or none when `wait` is over. Those after the first are given only as far as all have no more
    /// than ``Limits/leaseBytes``: ask again for the rest. Cancelling the task ends the wait; jobs that were leased for it by then are
    /// released, uncounted.
    /// - Throws: `queueNotFound` where queues are not created on first use.
    func lease(max: Int, term: LeaseTerm, wait: Duration) async throws(BrokerError) -> [Delivery]
    /// Heartbeats; one outcome each. Never hops to the global pool: it runs and resumes on the caller's executor.
    nonisolated(nonsending) func renew(_ renewals: [Renewal]) async throws(BrokerError) -> [RenewalOutcome]
    /// Releases all that the holder holds, uncounted.
    func close() async throws(BrokerError)
}

package enum WatchItem: Sendable, Hashable {
    case job(JobID, known: Version?)
    case record(RecordKey, known: Version?)
}

package enum WatchAnswer: Sendable {
    case unchanged
    case job(JobLookup)
    /// Nil when there is no such record (any more).
    case record(Record?)
}

extension Broker {
    /// Commits independent transactions without a session.
    nonisolated(nonsending) package func commit(_ transactions: [Transaction]) async throws(BrokerError) -> [TransactionOutcome] {
        try await commit(transactions, in: nil)
    }
}
