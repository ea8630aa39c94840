import GodwitCore

@testable import Godwit

/// A broker whose commits are looked at, and refused, before they reach the real one.
struct FaultyBroker: Broker {
    /// Answers for some transactions in place of the broker; throws for the whole call.
    typealias Fault = @Sendable ([Transaction]) throws(BrokerError) -> [Int: BrokerError]

    let base: any Broker
    let fault: Fault

    var capabilities: Capabilities { base.capabilities }

    func commit(_ transactions: [Transaction]) async throws(BrokerError) -> [TransactionOutcome] {
        let refused = try fault(transactions)
        let accepted = transactions.indices.filter { refused[$0] == nil }
        var outcomes = try await base.commit(accepted.map { transactions[$0] })[...]
        var answer: [TransactionOutcome] = []
        for index in transactions.indices {
            if let error = refused[index] { answer.append(.aborted(operation: 0, error)) } else { answer.append(outcomes.removeFirst()) }
        }
        return answer
    }

    func open(_ options: HolderOptions) async throws(BrokerError) -> any Holder { try await base.open(options) }
    func read(_ jobs: [JobID]) async throws(BrokerError) -> [JobLookup] { try await base.read(jobs) }
    func payload(of job: JobID) async throws(BrokerError) -> Content { try await base.payload(of: job) }
    func result(of job: JobID) async throws(BrokerError) -> Content? { try await base.result(of: job) }
    func list(_ query: JobQuery) async throws(BrokerError) -> JobPage { try await base.list(query) }
    func read(_ records: [RecordKey]) async throws(BrokerError) -> [Record?] { try await base.read(records) }
    func watch(_ items: [WatchItem], wait: Duration) async throws(BrokerError) -> [WatchAnswer] { try await base.watch(items, wait: wait) }
    func queues() async throws(BrokerError) -> [QueueStatus] { try await base.queues() }
    func queue(_ name: QueueName) async throws(BrokerError) -> QueueStatus? { try await base.queue(name) }
    func configure(_ queue: QueueName, _ settings: QueueSettings, expecting: Expectation) async throws(BrokerError) -> QueueStatus {
        try await base.configure(queue, settings, expecting: expecting)
    }
    func pause(_ queue: QueueName) async throws(BrokerError) { try await base.pause(queue) }
    func resume(_ queue: QueueName) async throws(BrokerError) { try await base.resume(queue) }
    func purge(_ queue: QueueName) async throws(BrokerError) -> Int { try await base.purge(queue) }
    func delete(_ queue: QueueName, purging: Bool) async throws(BrokerError) { try await base.delete(queue, purging: purging) }
    func check() async throws(BrokerError) { try await base.check() }
    func close() async { await base.close() }
}

extension Transaction {
    var isCompletion: Bool {
        if case .complete? = operations.first { true } else { false }
    }
}
