import GodwitCore

@testable import Godwit

/// A broker whose calls are looked at, and refused, before they reach the real one, or afterwards, when the answer is lost.
struct FaultyBroker: Broker {
    /// Answers for some transactions in place of the broker; throws for the whole call.
    typealias Fault = @Sendable ([Transaction]) throws(BrokerError) -> [Int: BrokerError]
    /// Throws in place of a call's answer.
    typealias Check = @Sendable () throws(BrokerError) -> Void

    let base: any Broker
    /// What a commit waits for.
    var beforeCommit: @Sendable ([Transaction]) async -> Void = { _ in }
    var fault: Fault = { _ throws(BrokerError) in [:] }
    /// As `fault`, but for what was committed.
    var afterCommit: Fault = { _ throws(BrokerError) in [:] }
    var onLease: Check = { () throws(BrokerError) in }
    /// Told how many jobs are asked for, and how long that may wait.
    var onAsked: @Sendable (Int, Duration) -> Void = { _, _ in }
    var onRenew: Check = { () throws(BrokerError) in }

    var capabilities: Capabilities { base.capabilities }

    func commit(_ transactions: [Transaction], in session: SessionCommit?) async throws(BrokerError) -> [TransactionOutcome] {
        await beforeCommit(transactions)
        let refused = try fault(transactions)
        let accepted = transactions.indices.filter { refused[$0] == nil }
        var outcomes = try await base.commit(accepted.map { transactions[$0] }, in: session)[...]
        let lost = try afterCommit(transactions)
        var answer: [TransactionOutcome] = []
        for index in transactions.indices {
            let outcome = refused[index].map { .aborted(operation: 0, $0) } ?? outcomes.removeFirst()
            answer.append(lost[index].map { .aborted(operation: 0, $0) } ?? outcome)
        }
        return answer
    }

    func end(session: String) async throws(BrokerError) { try await base.end(session: session) }

    func open(_ options: HolderOptions) async throws(BrokerError) -> any Holder {
        FaultyHolder(base: try await base.open(options), onLease: onLease, onAsked: onAsked, onRenew: onRenew)
    }

    func read(_ jobs: [JobID]) async throws(BrokerError) -> [JobLookup] { try await base.read(jobs) }
    func payload(of job: JobID) async throws(BrokerError) -> Content { try await base.payload(of: job) }
    func result(of job: JobID) async throws(BrokerError) -> Content? { try await base.result(of: job) }
    func browse(_ query: BrowseQuery) async throws(BrokerError) -> BrowsePage { try await base.browse(query) }
    func list(_ query: JobQuery) async throws(BrokerError) -> JobPage { try await base.list(query) }
    func read(_ records: [RecordKey]) async throws(BrokerError) -> [Record?] { try await base.read(records) }
    func watch(_ items: [WatchItem], wait: Duration) async throws(BrokerError) -> [WatchAnswer] { try await base.watch(items, wait: wait) }
    func queues() async throws(BrokerError) -> [QueueStatus] { try await base.queues() }
    func queue(_ name: QueueName) async throws(BrokerError) -> QueueStatus? { try await base.queue(name) }
    func configure(
        _ queue: QueueName,
        _ settings: QueueSettings,
        expecting: Expectation,
        startsPaused: Bool
    ) async throws(BrokerError) -> QueueStatus {
        try await base.configure(queue, settings, expecting: expecting, startsPaused: startsPaused)
    }
    func pause(_ queue: QueueName) async throws(BrokerError) { try await base.pause(queue) }
    func resume(_ queue: QueueName) async throws(BrokerError) { try await base.resume(queue) }
    func purge(_ queue: QueueName) async throws(BrokerError) -> Int { try await base.purge(queue) }
    func delete(_ queue: QueueName, purging: Bool) async throws(BrokerError) { try await base.delete(queue, purging: purging) }
    func check() async throws(BrokerError) { try await base.check() }
    func close() async { await base.close() }
}

private struct FaultyHolder: Holder {
    let base: any Holder
    let onLease: FaultyBroker.Check
    let onAsked: @Sendable (Int, Duration) -> Void
    let onRenew: FaultyBroker.Check

    var id: HolderID { base.id }

    func lease(max: Int, term: LeaseTerm, wait: Duration) async throws(BrokerError) -> [Delivery] {
        onAsked(max, wait)
        try onLease()
        return try await base.lease(max: max, term: term, wait: wait)
    }

    nonisolated(nonsending) func renew(_ renewals: [Renewal]) async throws(BrokerError) -> [RenewalOutcome] {
        try onRenew()
        return try await base.renew(renewals)
    }

    func close() async throws(BrokerError) { try await base.close() }
}

extension Transaction {
    var isCompletion: Bool {
        if case .complete? = operations.first { true } else { false }
    }
}
