import GodwitCore
import GodwitJournal
import Logging

extension EngineCore {
    mutating func commit(_ ticket: Ticket, _ transactions: [PreparedTransaction], _ session: SessionCommit?) throws(JournalError) {
        var outcomes: [OutcomeView] = [], until: UInt64 = 0
        outcomes.reserveCapacity(transactions.count)
        if let session {
            let id = Array(session.id.utf8)
            state.sessions.touch(id, at: now.engine)
            var number = session.number
            for transaction in transactions {
                let name = SessionName(id: id, number: number, acknowledged: session.acknowledged)
                if let known = knownOutcome(name, isRepeat: session.isRepeat) {
                    outcomes.append(known)
                } else {
                    outcomes.append(try commitNumbered(transaction, name, isRepeat: session.isRepeat))
                }
                number += 1
            }
            until = state.change
        } else {
            for transaction in transactions {
                let outcome = try commit(transaction, nil)
                until = max(until, rest(of: outcome))
                outcomes.append(outcome)
            }
        }
        hold(ticket, .outcomes(outcomes), until: until)
    }

    mutating func commit(_ ticket: Ticket, _ transaction: PreparedTransaction) throws(JournalError) {
        let outcome = try commit(transaction, nil)
        hold(ticket, .outcome(outcome), until: rest(of: outcome))
    }

    mutating func commit(_ transaction: PreparedTransaction, _ session: SessionName?) throws(JournalError) -> OutcomeView {
        switch transaction {
        case .refused(let operation, let error):
            return .aborted(operation: operation, error)
        case .one(let operation):
            var counters = CountersAhead()
            if let error = try createQueue(for: operation, after: &counters) { return .aborted(operation: 0, error) }
            draft.begin(nextSequence: state.nextSequence)
            do throws(BrokerError) { try decideBounded(operation) } catch {
                if draft.unread != nil { keepLeases(of: transaction) }
                return .aborted(operation: 0, error)
            }
        case .many(let operations):
            // Queues are created first: one that a refused transaction named stays, empty.
            var counters = CountersAhead()
            for (index, operation) in operations.enumerated() {
                if let error = try createQueue(for: operation, after: &counters) { return .aborted(operation: index, error) }
            }
            draft.begin(nextSequence: state.nextSequence)
            for (index, operation) in operations.enumerated() {
                do throws(BrokerError) { try decideBounded(operation) } catch {
                    if draft.unread != nil { keepLeases(of: transaction) }
                    return .aborted(operation: index, error.code == .busy ? tooLarge(operations, for: operation) ?? error : error)
                }
            }
        }
        if let session { draft.changes.append(.outcome(SessionOutcome(session: session, results: ResultView.encode(draft.results)))) }
        if !draft.changes.isEmpty {
            do {
                try record(draft.changes, for: draft.purpose)
            } catch {
                guard error.changedNothing else { throw error }
                countRefused()
                return .aborted(operation: 0, postpone(transaction, error) ?? BrokerError(error))
            }
        }
        let outcome: OutcomeView
        if case .one = transaction { outcome = .one(draft.results[0]) } else { outcome = .many(draft.results) }
        outcomeRest = restOfDraft
        try payOwed()
        return outcome
    }

    /// Counts the publishes of a transaction that there is no room for on the disk.
    private func countRefused() {
        for case .published(let publication) in draft.changes { state.queues.at(publication.queue).pointee.totals.refused += 1 }
    }

    /// Sees to it that the queue of a message is there; answers why it cannot be.
    private mutating func createQueue(
        for operation: PreparedOperation,
        after counters: inout CountersAhead
    ) throws(JournalError) -> BrokerError? {
        switch operation {
        case .add(let addition): return try openQueues(for: addition, after: &counters)
        case .delete(let key, _):
            counters.delete(key)
            return nil
        case .enqueue(let box):
            try openQueue(for: operation)
            if box.message.isTransient { try useTransients() }
            if let error = try openQueue(box.message.queue) { return error }
            // They are made when it ends; one that can never be is said now.
            guard !box.message.onFinal.isEmpty, !options.createsQueues else { return nil }
            return try openQueues(for: box.message.onFinal.map(\.operation), in: "on_final")
        default: return try openQueue(for: operation)
        }
    }

    /// Sees to it that a queue is there; answers why it cannot be.
    mutating func openQueue(_ name: QueueName) throws(JournalError) -> BrokerError? {
        guard queueNumber(name) == nil else { return nil }
        guard options.createsQueues else { return .queueNotFound(name.description) }
        if let error = tooManyQueues { return error }
        do { try createQueue(name) } catch {
            guard error.changedNothing else { throw error }
            return BrokerError(error)
        }
        return nil
    }

    /// Why no queue can be made; nil when one can.
    var tooManyQueues: BrokerError? {
        guard state.queues.numbers.count >= options.maxQueues else { return nil }
        return BrokerError(
            .tooLarge,
            "there are \(options.maxQueues) queues, as many as this store takes: delete some, or put what belongs together into one",
            field: "queue"
        )
    }

    /// The number of a queue. Messages mostly come for the queue that the one before came for.
    mutating func queueNumber(_ name: QueueName) -> UInt32? {
        if let last = lastQueue, last.name == name, !state.queues.at(last.number).pointee.isDeleted { return last.number }
        guard let number = state.queues.numbers[name] else { return nil }
        lastQueue = (name, number)
        return number
    }

    @discardableResult
    mutating func createQueue(
        _ name: QueueName,
        _ settings: QueueSettings = QueueSettings(),
        isPaused: Bool = false
    ) throws(JournalError) -> UInt32 {
        let number = UInt32(state.queues.count)
        let creation = Change.queue(QueueChange(queue: number, name: name, settings: settings))
        try record(isPaused ? [creation, .paused(queue: number, true)] : [creation], for: .publish)
        if !leaseWaits.isEmpty { moveWaits(toNew: number) }
        return number
    }

    private mutating func decideBounded(_ operation: PreparedOperation) throws(BrokerError) {
        try decide(operation)
        if let error = draft.unread { throw error }
        if bringsTooMuch { throw tooManyLetters }
    }

    mutating func decide(_ operation: PreparedOperation) throws(BrokerError) {
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
            settled([.completed(completion)], sequence, .succeeded)
        case .fail(let lease, let failure, let retry):
            let (sequence, entry) = try settle(lease)
            let (changes, next) = failed(sequence, entry, failure, retry)
            settled(changes, sequence, next)
        case .deadLetter(let lease, let failure, let target):
            try decideDeadLetter(lease, failure, to: target)
        case .release(let lease, let release):
            try decideRelease(lease, release)
        case .redrive(let job): try decideRedrive(job)
        case .cancel(let job): try decideCancel(job)
        case .retry(let job): try decideRetry(job)
        case .forget(let job): try decideForget(job)
        case .put(let key, let value, let expectation, let lifetime):
            draft.bringsNew = true
            try check(expectation, of: key)
            let expires = lifetime.map { now.engine.addingClamped($0.inMilliseconds) }
            draft.changes.append(.put(StoredValue(key: key, value: value, valueBytes: value.count, expires: expires)))
            draft.setRecord(key, true)
            draft.results.append(.put(change: nextChange))
        case .add(let addition): try decideAdd(addition)
        case .delete(let key, let expectation):
            draft.onlyPublishes = false
            try check(expectation, of: key)
            if draft.record(key) ?? (state.change(of: key) != nil) {
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
        draft.bringsNew = true
        guard let number = queueNumber(box.message.queue) else { throw .queueNotFound(box.message.queue.description) }
        let queue = state.queues.at(number)
        let past = box.message.past
        var key = box.message.deduplication.map { Array($0.key.utf8) }
        let fingerprint = box.message.deduplication?.fingerprint
        let mark = key.map { KeyMark($0, in: number, state.identity) }, fingerprintMark = FingerprintMark(fingerprint, state.identity)
        if let mark, let known = draft.key(mark) ?? queue.pointee.keys[mark].map({ ($0.sequence, $0.fingerprint) }) {
            if past != nil {
                // It is another job all the same: the key stays with the one that has it.
                key = nil
            } else if fingerprintMark.contradicts(known.fingerprint) {
                throw BrokerError(
                    .keyConflict,
                    "this idempotency key was used for another request: use a new key for a new request",
                    field: "key"
                )
            } else {
                queue.pointee.totals.duplicates += 1
                return draft.results.append(.duplicate(sequence: known.sequence))
            }
        }
        let group = box.message.group.map { Array($0.utf8) }
        var claim = box.message.claim.map { Array($0.utf8) }
        if past?.end != nil, let known = claim, owner(of: known, in: number) != nil { claim = nil }
        if let claim, let owner = owner(of: claim, in: number) {
            queue.pointee.totals.duplicates += 1
            return draft.results.append(.duplicate(sequence: owner))
        }
        let hasEnded = past?.end != nil
        if !box.message.onFinal.isEmpty, !draft.isFollowing {
            try box.message.onFinal.map(\.operation).checkStarts(in: "on_final", at: now.wall)
        }
        if !draft.hasSettled, !hasEnded { try admit(box, to: queue, number, hasKey: key != nil) }
        var due: Due?, runAt: Int64?
        switch box.message.start {
        case .now: break
        case .after(let delay):
            let milliseconds = delay.inMilliseconds
            if milliseconds > 0 { (due, runAt) = (.engine(now.engine + milliseconds), now.wall + milliseconds) }
        case .at(let time):
            guard time.milliseconds > now.wall else { break }
            // What follows was looked at when it was said, and is not lost because the clock was put back since.
            if !draft.isFollowing { try time.checkStart(as: "run_at", at: now.wall) }
            (due, runAt) = (.wall(time.milliseconds), time.milliseconds)
        }
        var expires = box.message.expires.map { now.engine + $0.inMilliseconds }
        if let ttl = queue.pointee.settings.ttl, !hasEnded {
            let start = runAt.map { now.engine + ($0 - now.wall) } ?? now.engine
            expires = min(expires ?? .max, start.addingClamped(ttl.inMilliseconds))
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
                    expires: expires,
                    timeout: box.message.timeout?.inMilliseconds,
                    key: key,
                    fingerprint: fingerprint,
                    size: box.size,
                    created: past?.createdAt.milliseconds,
                    group: group,
                    claim: claim,
                    onFinalBytes: box.onFinalBytes,
                    isTransient: box.message.isTransient,
                    message: box
                )
            )
        )
        if let past { draft.changes += Past.steps(of: past, sequence: sequence, maxAttempts: maxAttempts).map { .past($0) } }
        if key != nil, let mark { draft.setKey(mark, sequence, fingerprintMark) }
        if let claim, !hasEnded { draft.setClaim(claim, in: number, sequence) }
        if !hasEnded { draft.add(to: number, bytes: box.size, hasKey: key != nil) }
        if box.message.isTransient { draft.noteTransient(on: queue.pointee.settingsChange) }
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
}
