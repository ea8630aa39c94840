import GodwitCore
import GodwitJournal
import Logging

extension EngineCore {
    mutating func commit(_ ticket: Ticket, _ transactions: [PreparedTransaction]) throws(JournalError) {
        var outcomes: [OutcomeView] = []
        outcomes.reserveCapacity(transactions.count)
        for transaction in transactions { outcomes.append(try commit(transaction)) }
        hold(ticket, .outcomes(outcomes), until: state.change)
    }

    mutating func commit(_ ticket: Ticket, _ transaction: PreparedTransaction) throws(JournalError) {
        hold(ticket, .outcome(try commit(transaction)), until: state.change)
    }

    mutating func commit(_ transaction: PreparedTransaction) throws(JournalError) -> OutcomeView {
        switch transaction {
        case .refused(let operation, let error):
            return .aborted(operation: operation, error)
        case .one(let operation):
            if let error = try createQueue(for: operation) { return .aborted(operation: 0, error) }
            draft.begin(nextSequence: state.nextSequence)
            do throws(BrokerError) { try decide(operation) } catch { return .aborted(operation: 0, error) }
        case .many(let operations):
            // Queues are created first: one that a refused transaction named stays, empty.
            for (index, operation) in operations.enumerated() {
                if let error = try createQueue(for: operation) { return .aborted(operation: index, error) }
            }
            draft.begin(nextSequence: state.nextSequence)
            for (index, operation) in operations.enumerated() {
                do throws(BrokerError) { try decide(operation) } catch {
                    return .aborted(operation: index, error.code == .busy ? tooLarge(operations, for: operation) ?? error : error)
                }
            }
        }
        if !draft.changes.isEmpty {
            do {
                try record(draft.changes, for: draft.purpose)
            } catch {
                guard error.changedNothing else { throw error }
                return .aborted(operation: 0, BrokerError(error))
            }
        }
        if case .one = transaction { return .one(draft.results[0]) }
        return .many(draft.results)
    }

    /// Sees to it that the queue of a message is there; answers why it cannot be.
    private mutating func createQueue(for operation: PreparedOperation) throws(JournalError) -> BrokerError? {
        guard case .enqueue(let box) = operation, queueNumber(box.message.queue) == nil else { return nil }
        guard options.createsQueues else { return .queueNotFound(box.message.queue.description) }
        do { try createQueue(box.message.queue) } catch {
            guard error.changedNothing else { throw error }
            return BrokerError(error)
        }
        return nil
    }

    /// The number of a queue. Messages mostly come for the queue that the one before came for.
    mutating func queueNumber(_ name: QueueName) -> UInt32? {
        if let last = lastQueue, last.name == name, !state.queues.at(last.number).pointee.isDeleted { return last.number }
        guard let number = state.queues.numbers[name] else { return nil }
        lastQueue = (name, number)
        return number
    }

    @discardableResult
    mutating func createQueue(_ name: QueueName, _ settings: QueueSettings = QueueSettings()) throws(JournalError) -> UInt32 {
        let number = UInt32(state.queues.count)
        try record(.queue(QueueChange(queue: number, name: name, settings: settings)), for: .publish)
        if !leaseWaits.isEmpty { moveWaits(toNew: number) }
        return number
    }

    private mutating func decide(_ operation: PreparedOperation) throws(BrokerError) {
        switch operation {
        case .enqueue(let box): try decideEnqueue(box)
        case .complete(let lease, let result):
            let (sequence, entry) = try settle(lease)
            let completion = Completion(
                sequence: sequence,
                attempts: state.attempts(sequence, entry.pointee),
                result: result,
                resultBytes: result?.bytes.count ?? 0
            )
            settled(.completed(completion), sequence, .succeeded)
        case .fail(let lease, let failure, let retry):
            let (sequence, entry) = try settle(lease)
            let (change, next) = failed(sequence, entry, failure, retry)
            settled(change, sequence, next)
        case .release(let lease, let delay, let isCounted):
            try decideRelease(lease, delay, isCounted)
        case .cancel(let job): try decideCancel(job)
        case .retry(let job): try decideRetry(job)
        case .forget(let job): try decideForget(job)
        case .put(let key, let value, let expectation, let lifetime):
            try check(expectation, of: key)
            let expires = lifetime.map { now.engine.addingClamped($0.inMilliseconds) }
            draft.changes.append(.put(StoredValue(key: key, value: value, valueBytes: value.count, expires: expires)))
            draft.setRecord(key, true)
            draft.results.append(.put(change: nextChange))
        case .delete(let key, let expectation):
            draft.onlyPublishes = false
            try check(expectation, of: key)
            if draft.record(key) ?? (state.records[key] != nil) {
                draft.changes.append(.deleted(key: key))
                draft.setRecord(key, false)
            }
            draft.results.append(.deleted)
        }
    }

    /// The number that the newest change of the draft will have.
    var nextChange: UInt64 { state.change + UInt64(draft.changes.count) }

    // MARK: Publishing

    private mutating func decideEnqueue(_ box: MessageBox) throws(BrokerError) {
        guard let number = queueNumber(box.message.queue) else { throw .queueNotFound(box.message.queue.description) }
        let queue = state.queues.at(number)
        let key = box.message.deduplication.map { Array($0.key.utf8) }
        let fingerprint = box.message.deduplication?.fingerprint
        if let key, let known = draft.key(key, in: number) ?? queue.pointee.keys[key].map({ ($0.sequence, $0.fingerprint) }) {
            if let fingerprint, let first = known.fingerprint, fingerprint != first {
                throw BrokerError(
                    .keyConflict,
                    "this idempotency key was used for another request: use a new key for a new request",
                    field: "key"
                )
            }
            queue.pointee.totals.duplicates += 1
            return draft.results.append(.duplicate(sequence: known.sequence))
        }
        if !draft.hasSettled { try checkBounds(queue, number, size: box.size, hasKey: key != nil) }
        var due: Due?, runAt: Int64?
        switch box.message.start {
        case .now: break
        case .after(let delay):
            let milliseconds = delay.inMilliseconds
            if milliseconds > 0 { (due, runAt) = (.engine(now.engine + milliseconds), now.wall + milliseconds) }
        case .at(let time):
            if time.milliseconds > now.wall { (due, runAt) = (.wall(time.milliseconds), time.milliseconds) }
        }
        let sequence = takeNumber()
        let maxAttempts = UInt16(clamping: box.message.maxAttempts ?? queue.pointee.settings.maxAttempts)
        draft.changes.append(
            .published(
                Publication(
                    sequence: sequence,
                    queue: number,
                    maxAttempts: maxAttempts,
                    priority: UInt8(clamping: box.message.priority),
                    due: due,
                    expires: box.message.expires.map { now.engine + $0.inMilliseconds },
                    timeout: box.message.timeout?.inMilliseconds,
                    key: key,
                    fingerprint: fingerprint,
                    size: box.size,
                    message: box
                )
            )
        )
        if let key { draft.setKey(key, in: number, sequence, fingerprint) }
        draft.add(to: number, bytes: box.size, hasKey: key != nil)
        if key != nil { warnOfKeys(queue) }
        draft.results.append(
            .enqueued(sequence: sequence, created: now.wall, runAt: runAt, maxAttempts: maxAttempts, change: nextChange)
        )
    }

    /// Tells the operator once when the window of a queue is filled to 80 %, and again after it was under 60 %.
    private func warnOfKeys(_ queue: UnsafeMutablePointer<QueueState>) {
        let count = queue.pointee.keys.count, most = queue.pointee.settings.dedupMax
        if queue.pointee.hasWarnedOfKeys {
            if count < most / 10 * 6 { queue.pointee.hasWarnedOfKeys = false }
        } else if count >= most / 10 * 8, most >= 10 {
            queue.pointee.hasWarnedOfKeys = true
            options.logger.warning(
                "the idempotency keys of a queue are close to its dedup_max: when it is reached, publishes with keys are refused as busy",
                metadata: ["queue": "\(queue.pointee.name)", "keys": "\(count)", "dedup_max": "\(most)"]
            )
        }
    }

    /// Why a transaction that was refused as busy would be refused by an empty queue, too; nil when it would not.
    private mutating func tooLarge(_ operations: [PreparedOperation], for refused: PreparedOperation) -> BrokerError? {
        guard case .enqueue(let box) = refused, let number = queueNumber(box.message.queue) else { return nil }
        let queue = state.queues.at(number)
        var jobs = 0, bytes = 0
        for case .enqueue(let other) in operations where other.message.queue == box.message.queue {
            if let key = other.message.deduplication?.key, queue.pointee.keys[Array(key.utf8)] != nil { continue }
            jobs += 1
            bytes += other.size
        }
        guard jobs > queue.pointee.settings.maxJobs || bytes > queue.pointee.settings.maxBytes else { return nil }
        queue.pointee.totals.refused -= 1
        return Self.tooLarge(queue)
    }

    static func tooLarge(_ queue: UnsafeMutablePointer<QueueState>) -> BrokerError {
        BrokerError(
            .tooLarge,
            "this is more than the queue \(queue.pointee.name) takes when it is empty (max_jobs \(queue.pointee.settings.maxJobs), "
                + "max_bytes \(queue.pointee.settings.maxBytes)): split the transaction, or raise the queue's bounds"
        )
    }

    private func checkBounds(
        _ queue: UnsafeMutablePointer<QueueState>,
        _ number: UInt32,
        size: Int,
        hasKey: Bool
    ) throws(BrokerError) {
        let added = draft.added(to: number)
        let settings = queue.pointee.settings
        guard added.jobs < settings.maxJobs, added.bytes + size <= settings.maxBytes else {
            throw Self.tooLarge(queue)
        }
        if queue.pointee.counts.unfinished + added.jobs >= settings.maxJobs || queue.pointee.bytes + added.bytes + size > settings.maxBytes
        {
            queue.pointee.totals.refused += 1
            throw .busy("the queue \(queue.pointee.name) is full: try again later", retryAfter: queue.pointee.retryAfter)
        }
        if hasKey, queue.pointee.keys.count + added.keys >= settings.dedupMax {
            queue.pointee.totals.refused += 1
            var wait: Duration = .seconds(5)
            if let oldest = queue.pointee.keys.oldest, !isClockDoubtful {
                wait = .milliseconds(max(oldest.addingClamped(settings.dedupWindow.inMilliseconds) - now.engine, 1))
            }
            throw .busy("the queue \(queue.pointee.name) remembers as many idempotency keys as dedup_max allows", retryAfter: wait)
        }
    }
}
