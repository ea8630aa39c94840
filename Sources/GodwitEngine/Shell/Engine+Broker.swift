package import GodwitCore

extension Engine {
    nonisolated(nonsending) package func commit(
        _ transactions: [Transaction],
        in session: SessionCommit?
    ) async throws(BrokerError) -> [TransactionOutcome] {
        if transactions.isEmpty { return [] }
        try session?.validate()
        let prepared = transactions.map { PreparedTransaction($0, resolver.identity) }
        guard case .outcomes(let views) = try await ask(.commit(prepared, session)) else { throw Self.mixedUp }
        return views.map { $0.outcome(resolver.identity) }
    }

    nonisolated(nonsending) package func commit(
        each operations: [GodwitCore.Operation]
    ) async throws(BrokerError) -> [Result<OperationResult, BrokerError>] {
        if operations.isEmpty { return [] }
        let prepared = operations.map { PreparedTransaction($0, resolver.identity) }
        guard case .outcomes(let views) = try await ask(.commit(prepared)) else { throw Self.mixedUp }
        return views.map { view in
            switch view {
            case .one(let result): .success(result.result(resolver.identity))
            case .aborted(_, let error): .failure(error)
            case .many: .failure(Self.mixedUp)
            }
        }
    }

    nonisolated(nonsending) package func commit(_ operation: GodwitCore.Operation) async throws(BrokerError) -> OperationResult {
        guard case .outcome(let view) = try await ask(.commitOne(PreparedTransaction(operation, resolver.identity))) else {
            throw Self.mixedUp
        }
        switch view {
        case .one(let result): return result.result(resolver.identity)
        case .aborted(_, let error): throw error
        case .many: throw Self.mixedUp
        }
    }

    package func end(session: String) async throws(BrokerError) {
        try SessionCommit(id: session, number: 1).validate()
        _ = try await ask(.endSession(session))
    }

    package func open(_ options: HolderOptions) async throws(BrokerError) -> any Holder {
        try options.validate()
        return EngineHolder(engine: self, options: options)
    }

    package func read(_ jobs: [JobID]) async throws(BrokerError) -> [JobLookup] {
        guard case .lookups(let views) = try await ask(.read(jobs)) else { throw Self.mixedUp }
        return resolver.lookups(views)
    }

    package func payload(of job: JobID) async throws(BrokerError) -> Content {
        guard case .content(let content?) = try await ask(.payload(job)), let payload = try resolver.content(content) else {
            throw Self.mixedUp
        }
        return payload
    }

    package func result(of job: JobID) async throws(BrokerError) -> Content? {
        guard case .content(let content) = try await ask(.result(job)) else { throw Self.mixedUp }
        return try content.flatMap { content throws(BrokerError) in try resolver.content(content) }
    }

    package func list(_ query: JobQuery) async throws(BrokerError) -> JobPage { try await list(query, in: nil) }

    private func list(_ query: JobQuery, in queues: [QueueName]?) async throws(BrokerError) -> JobPage {
        guard (1...Limits.page).contains(query.limit) else {
            throw .invalidArgument("limit", "limit must be 1 to \(Limits.page)")
        }
        guard case .page(let views, let next, let end) = try await ask(.list(query, within: queues)) else { throw Self.mixedUp }
        let jobs = resolver.snapshots(views).filter { job in
            (query.name == nil || job.name.map { $0.hasSameBytes(as: query.name ?? "") } ?? false)
                && (query.reason == nil || job.reason == query.reason)
        }
        return JobPage(jobs: jobs, next: next, end: end)
    }

    package func browse(_ query: BrowseQuery) async throws(BrokerError) -> BrowsePage {
        guard (1...Limits.page).contains(query.limit) else {
            throw .invalidArgument("limit", "limit must be 1 to \(Limits.page)")
        }
        guard case .browsed(let views, let next) = try await ask(.browse(query)) else { throw Self.mixedUp }
        return BrowsePage(jobs: resolver.browsed(views), next: next)
    }

    package func read(_ records: [RecordKey]) async throws(BrokerError) -> [Record?] {
        guard case .records(let views) = try await ask(.readRecords(records)) else { throw Self.mixedUp }
        return try views.map { view throws(BrokerError) in
            guard let view else { return nil }
            return try resolver.record(view)
        }
    }

    package func watch(_ items: [WatchItem], wait: Duration) async throws(BrokerError) -> [WatchAnswer] {
        for item in items { try item.validate() }
        switch try await askWaiting(.watch(items, wait: max(0, wait.inMilliseconds))) {
        case .watched(let views): return try views.map { view throws(BrokerError) in try resolver.watch(view) }
        case .abandoned: return items.map { _ in .unchanged }
        default: throw Self.mixedUp
        }
    }

    package func queues() async throws(BrokerError) -> [QueueStatus] {
        guard case .statuses(let statuses) = try await ask(.queues) else { throw Self.mixedUp }
        // Here, and not where the engine has everybody else wait meanwhile.
        return statuses.sortedByName()
    }

    package func queue(_ name: QueueName) async throws(BrokerError) -> QueueStatus? {
        guard case .statuses(let statuses) = try await ask(.queue(name)) else { throw Self.mixedUp }
        return statuses.first
    }

    package func configure(
        _ queue: QueueName,
        _ settings: QueueSettings,
        expecting: Expectation,
        startsPaused: Bool
    ) async throws(BrokerError) -> QueueStatus {
        try settings.validate(for: queue)
        let answer = try await ask(.configure(queue, settings, expecting, startsPaused: startsPaused))
        guard case .statuses(let statuses) = answer, let status = statuses.first else { throw Self.mixedUp }
        return status
    }

    package func pause(_ queue: QueueName) async throws(BrokerError) { _ = try await ask(.pause(queue, true)) }
    package func resume(_ queue: QueueName) async throws(BrokerError) { _ = try await ask(.pause(queue, false)) }

    package func purge(_ queue: QueueName) async throws(BrokerError) -> Int {
        guard case .count(let count) = try await ask(.purge(queue)) else { throw Self.mixedUp }
        return count
    }

    package func delete(_ queue: QueueName, purging: Bool) async throws(BrokerError) {
        _ = try await ask(.delete(queue, purging: purging))
    }

    package func check() async throws(BrokerError) { _ = try await ask(.check) }

    /// The core answers each command in its own kind; anything else is a fault of the engine's.
    static let mixedUp = BrokerError(.storeFailed, "the engine answered something else than it was asked: please report this")
}

extension Engine: QueuesListable {
    package func list(_ query: JobQuery, within queues: [QueueName]) async throws(BrokerError) -> JobPage {
        try await list(query, in: queues)
    }
}

extension WatchItem {
    /// What is watched is kept as long as it is: no more than there can be.
    fileprivate func validate() throws(BrokerError) {
        switch self {
        case .job(let id, _): guard id.description.utf8.count <= 64 else { throw .jobNotFound(id) }
        case .record(let key, _): try GodwitCore.Operation.check(key)
        }
    }
}

extension HolderOptions {
    fileprivate func validate() throws(BrokerError) {
        guard (1...Limits.holderName).contains(id.description.utf8.count) else {
            throw .invalidArgument("holder", "a holder's name has 1 to \(Limits.holderName) bytes")
        }
        guard queues.count <= Limits.queuesPerHolder else {
            throw .invalidArgument("queue", "name at most \(Limits.queuesPerHolder) queues")
        }
        guard Set(queues).count == queues.count else { throw .invalidArgument("queue", "name each queue once") }
        if case .weighted(let weights) = order {
            guard weights.count == queues.count, weights.allSatisfy((1...1_000).contains) else {
                throw .invalidArgument("weights", "say a weight of 1 to 1,000 for each queue")
            }
        }
    }
}
