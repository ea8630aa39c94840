package import GodwitCore

/// A broker that tells a test of some calls before it passes them on, or refuses a part of them in the real one's place.
package struct HookedBroker: Broker {
    package let base: any Broker
    package var onCommit: @Sendable ([Transaction]) async -> Void = { _ in }
    /// The errors of transactions that are not passed on, by their places.
    package var refusals: @Sendable ([Transaction]) -> [Int: BrokerError] = { _ in [:] }
    package var onBrowse: @Sendable () async -> Void = {}
    package var onWatch: @Sendable () async throws(BrokerError) -> Void = { () throws(BrokerError) in }

    package init(_ base: any Broker) { self.base = base }

    package var capabilities: Capabilities { base.capabilities }

    package func commit(_ transactions: [Transaction], in session: SessionCommit?) async throws(BrokerError) -> [TransactionOutcome] {
        await onCommit(transactions)
        let refused = refusals(transactions)
        if refused.isEmpty { return try await base.commit(transactions, in: session) }
        let passed = transactions.indices.filter { refused[$0] == nil }
        var outcomes = try await base.commit(passed.map { transactions[$0] }, in: session)[...]
        return transactions.indices.map { place in refused[place].map { .aborted(operation: 0, $0) } ?? outcomes.removeFirst() }
    }

    package func end(session: String) async throws(BrokerError) { try await base.end(session: session) }
    package func open(_ options: HolderOptions) async throws(BrokerError) -> any Holder { try await base.open(options) }
    package func read(_ jobs: [JobID]) async throws(BrokerError) -> [JobLookup] { try await base.read(jobs) }
    package func payload(of job: JobID) async throws(BrokerError) -> Content { try await base.payload(of: job) }
    package func result(of job: JobID) async throws(BrokerError) -> Content? { try await base.result(of: job) }

    package func browse(_ query: BrowseQuery) async throws(BrokerError) -> BrowsePage {
        await onBrowse()
        return try await base.browse(query)
    }

    package func list(_ query: JobQuery) async throws(BrokerError) -> JobPage { try await base.list(query) }
    package func read(_ records: [RecordKey]) async throws(BrokerError) -> [Record?] { try await base.read(records) }

    package func watch(_ items: [WatchItem], wait: Duration) async throws(BrokerError) -> [WatchAnswer] {
        try await onWatch()
        return try await base.watch(items, wait: wait)
    }

    package func queues() async throws(BrokerError) -> [QueueStatus] { try await base.queues() }
    package func queue(_ name: QueueName) async throws(BrokerError) -> QueueStatus? { try await base.queue(name) }

    package func configure(
        _ queue: QueueName,
        _ settings: QueueSettings,
        expecting: Expectation,
        startsPaused: Bool
    ) async throws(BrokerError) -> QueueStatus {
        try await base.configure(queue, settings, expecting: expecting, startsPaused: startsPaused)
    }

    package func pause(_ queue: QueueName) async throws(BrokerError) { try await base.pause(queue) }
    package func resume(_ queue: QueueName) async throws(BrokerError) { try await base.resume(queue) }
    package func purge(_ queue: QueueName) async throws(BrokerError) -> Int { try await base.purge(queue) }

    package func delete(_ queue: QueueName, purging: Bool) async throws(BrokerError) {
        try await base.delete(queue, purging: purging)
    }

    package func check() async throws(BrokerError) { try await base.check() }
    package func close() async { await base.close() }
}
