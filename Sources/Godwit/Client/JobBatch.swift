public import GodwitCore

/// Work in many parts, with what follows when all of them are done.
///
/// ```swift
/// let batch = try jobs.batch("import-42", of: files.count, then: [.enqueue(Report())])
/// for file in files { try await jobs.enqueue(Import(file: file), onFinal: [batch.step(file.name)]) }
/// ```
///
/// Each step counts once, so a job that is retried after its end, or enqueued twice, does no harm. The batch needs no opening: the first step that
/// is counted makes it, and says how many there are and what follows; what others say about that is not looked at. It is kept in the store,
/// over restarts, for 30 days after the latest step unless another time is given.
public struct JobBatch: Sendable {
    /// How many steps are done, and how many there are.
    public struct Progress: Sendable, Hashable {
        /// Steps that were counted.
        public var done: Int
        /// All steps.
        public var total: Int
        /// Whether all are done, and what follows was brought about.
        public var isComplete: Bool { done >= total }

        /// So many steps of so many.
        public init(done: Int, total: Int) {
            self.done = done
            self.total = total
        }
    }

    /// What the batch is called in the store: the same name is the same batch.
    public let name: String
    /// How many steps there are.
    public let count: Int
    private let then: [Operation]
    private let lifetime: Duration?
    private let client: JobClient

    fileprivate init(_ name: String, count: Int, then: [Operation], lifetime: Duration?, client: JobClient) {
        self.name = name
        self.count = count
        self.then = then
        self.lifetime = lifetime
        self.client = client
    }

    /// What counts a job as a step of the batch when it has ended: one of its `onFinal`.
    /// - Parameters:
    ///   - id: What the step is called in the batch, 1 to 512 bytes.
    ///   - when: After which ends it counts: with `.succeeded` alone the batch is complete when all its jobs have succeeded.
    public func step(_ id: String, when: FinalStates = .all) -> FollowUp { FollowUp(.add(addition(id)), when: when) }

    /// Counts a step now.
    /// - Returns: how far the batch is with it.
    /// - Throws: ``BrokerError``, `CancellationError`.
    @discardableResult
    public func finish(step id: String) async throws -> Progress {
        let result = try await asking { () async throws(BrokerError) in try await client.broker.commit(.add(addition(id))) }
        guard case .added(let added) = result else {
            throw BrokerError(.outcomeUnknown, "the store did not say what became of the step: finish it again, it counts once")
        }
        return Progress(added.counter)
    }

    /// How far the batch is; no step is done of one of which none was counted yet, or that is no longer kept.
    /// - Throws: ``BrokerError``, `CancellationError`.
    public var progress: Progress {
        get async throws {
            let records = try await asking { () async throws(BrokerError) in try await client.broker.read([RecordKey.counter(name)]) }
            let record = records.first ?? nil
            return record?.counter.map { Progress($0) } ?? Progress(done: 0, total: count)
        }
    }

    /// Deletes the count: what follows is never done, and a later step begins anew. Nothing happens when there is none.
    /// - Throws: ``BrokerError``, `CancellationError`.
    public func delete() async throws {
        try Task.checkCancellation()
        _ = try await asking { () async throws(BrokerError) in
            try await client.broker.commit(.delete(RecordKey.counter(name), expecting: .anything))
        }
    }

    private func addition(_ step: String) -> Addition {
        Addition(key: .counter(name), step: step, target: count, then: then, lifetime: lifetime)
    }
}

extension JobBatch.Progress {
    fileprivate init(_ counter: CounterValue) { self.init(done: counter.count, total: counter.target) }
}

extension JobClient {
    /// A batch of steps; nothing is stored by this.
    /// - Parameters:
    ///   - name: 1 to 200 bytes; the same name is the same batch, in any process.
    ///   - count: How many steps there are, at least 1; at most 100,000 are told apart.
    ///   - then: What follows when all are done, at most 100. After which ends (`when`) is not asked here.
    ///   - lifetime: How long the batch is kept after the latest step; 30 days by default.
    /// - Throws: ``BrokerError`` (`invalidArgument`).
    public func batch(_ name: String, of count: Int, then: [FollowUp] = [], lifetime: Duration? = nil) throws -> JobBatch {
        guard (1...Limits.counterName).contains(name.utf8.count) else {
            throw BrokerError.invalidArgument("name", "a batch's name has 1 to \(Limits.counterName) bytes")
        }
        guard !name.hasControlCharacters else {
            throw BrokerError.invalidArgument("name", "a batch's name has no control characters, such as line ends")
        }
        guard (1...Limits.steps).contains(count) else {
            throw BrokerError.invalidArgument("count", "a batch has 1 to \(Limits.steps) steps: let larger ones be made of batches")
        }
        return JobBatch(name, count: count, then: then.map(\.operation), lifetime: lifetime, client: self)
    }
}
