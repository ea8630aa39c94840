import GodwitCore

/// The states of one job, latest value only: an iterator asks for the next one when it is wanted, so nothing piles up behind a slow reader.
public struct JobUpdates: AsyncSequence, Sendable {
    public typealias Element = JobStatus

    let broker: any Broker
    let id: JobID

    public func makeAsyncIterator() -> Iterator { Iterator(broker: broker, id: id) }

    public struct Iterator: AsyncIteratorProtocol {
        /// How long one question to the broker waits for a change, before it is asked again.
        private static let wait: Duration = .seconds(30)

        let broker: any Broker
        let id: JobID
        private var known: Version?
        private var isOver = false

        init(broker: any Broker, id: JobID) {
            self.broker = broker
            self.id = id
        }

        /// The job's current state at first, then the latest whenever it has changed; nil after a final one.
        /// - Throws: ``BrokerError``: `jobNotFound`, `jobForgotten`, or that the store cannot be read; `CancellationError`.
        public mutating func next() async throws -> JobStatus? {
            guard !isOver else { return nil }
            // Whatever is thrown below ends the sequence.
            isOver = true
            while true {
                try Task.checkCancellation()
                guard case .job(let lookup)? = try await broker.watch([.job(id, known: known)], wait: Self.wait).first else { continue }
                let snapshot = try lookup.snapshot(of: id)
                known = snapshot.version
                isOver = snapshot.state.isFinal
                return JobStatus(snapshot)
            }
        }
    }
}

extension JobLookup {
    /// - Throws: `jobNotFound`, `jobForgotten`.
    func snapshot(of id: JobID) throws(BrokerError) -> JobSnapshot {
        switch self {
        case .found(let snapshot): return snapshot
        case .unknown: throw .jobNotFound(id)
        case .forgotten: throw .jobForgotten(id)
        }
    }
}
