package import GodwitCore
package import GodwitJournal

/// Many plain messages at a time, answered by a function: for frontends on their event loops, and for who has a million a second.
///
/// Each `then` is called once, on the engine's thread: it must return at once, and must not wait for the engine.
extension Engine {
    /// Publishes a batch.
    /// - Parameter then: gets the range when all of them are durable, or why none was taken: `busy`, `queueNotFound`, `invalidArgument`, …
    package func publish(_ batch: MessageBatch, then: @escaping @Sendable (Result<PublishedRange, BrokerError>) -> Void) {
        if let error = batch.refusal { return then(.failure(error)) }
        if batch.count == 0 { return then(.success(PublishedRange(first: 0, count: 0))) }
        send(.publishBatch(batch)) { answer in
            switch answer {
            case .published(let range): then(.success(range))
            case .refused(let error): then(.failure(error))
            default: then(.failure(Self.mixedUp))
            }
        }
    }

    /// Takes up to `max` messages, as soon as there is one, for as long as the holder lives: until they are completed, or it is closed.
    /// - Parameter then: gets them, or an empty batch when `wait` is over.
    package func lease(
        _ max: Int,
        for holder: HolderOptions,
        wait: Duration,
        then: @escaping @Sendable (Result<LeasedBatch, BrokerError>) -> Void
    ) {
        guard (1...MessageBatch.mostLeased).contains(max) else {
            return then(.failure(.invalidArgument("max", "max must be 1 to \(MessageBatch.mostLeased)")))
        }
        let request = LeaseRequest(holder: holder, max: max, term: .holderLife, wait: Swift.max(0, wait.inMilliseconds), isBatch: true)
        send(.lease(request), mayWait: true) { answer in
            switch answer {
            case .batch(let batch): then(.success(batch))
            case .deliveries, .abandoned: then(.success(LeasedBatch(firstFencing: 0)))
            case .refused(let error): then(.failure(error))
            default: then(.failure(Self.mixedUp))
            }
        }
    }

    /// The bodies of leased messages, in their order. Reads files: not for the engine's thread.
    package func bodies(of batch: LeasedBatch) throws(BrokerError) -> RecordBodies {
        try resolver.bodies(of: batch)
    }

    /// Completes leased messages, without results.
    /// - Parameter then: gets how many were completed, when that is durable; the others' leases were over.
    package func complete(_ batch: LeasedBatch, then: @escaping @Sendable (Result<Int, BrokerError>) -> Void) {
        if batch.isEmpty { return then(.success(0)) }
        send(.completeBatch(batch)) { answer in
            switch answer {
            case .count(let count): then(.success(count))
            case .refused(let error): then(.failure(error))
            default: then(.failure(Self.mixedUp))
            }
        }
    }
}

extension MessageBatch {
    /// What is wrong with it whatever the state.
    fileprivate var refusal: BrokerError? {
        guard contentType.utf8.count <= Limits.contentType else {
            return .invalidArgument("content_type", "a media type has at most \(Limits.contentType) bytes")
        }
        return nil
    }
}
