import GodwitCore
import GodwitJournal
import Logging

/// Ends of attempts, and what the death of a job brings with it.
extension EngineCore {
    typealias Entry = UnsafePointer<JobEntry>

    /// What a failed attempt leads to: its record, with that of the dead letter, if this was the job's end and its queue has a place for those.
    mutating func failed(
        _ sequence: UInt64,
        _ entry: Entry,
        _ failure: Failure,
        _ retry: RetryDecision,
        to target: QueueName? = nil
    ) -> ([Change], JobEntry.State) {
        var attempt = FailedAttempt(sequence: sequence, attempts: state.attempts(sequence, entry.pointee), failure: failure, next: .final)
        if retry == .never {
            attempt.reason = .rejected
        } else if let reason = exhaustion(of: entry) {
            attempt.reason = reason
        }
        if let reason = attempt.reason { return (die(attempt, entry, reason, to: target), .failed) }
        var delay: Int64 = 0
        if case .after(let asked) = retry {
            delay = asked.inMilliseconds
        } else {
            var random = PassedRandom(draw: options.random)
            delay = Backoff.standard.delay(after: Int(entry.pointee.attempt), using: &random).inMilliseconds
        }
        if delay > 0 {
            attempt.next = .retry(now.engine + delay)
            return ([.failed(attempt)], .retrying)
        }
        attempt.next = .queue(takeNumber())
        return ([.failed(attempt)], .queued)
    }

    /// An attempt whose lease expired: with attempts left the job goes back to its place at once.
    mutating func expired(_ sequence: UInt64, _ entry: Entry) -> [Change] {
        let attempt = FailedAttempt(
            sequence: sequence,
            attempts: state.attempts(sequence, entry.pointee),
            failure: Failure(message: "the lease expired: its holder did not renew it in time", code: FailureCode.leaseExpired),
            next: .queue(state.position(sequence, entry.pointee))
        )
        guard let reason = exhaustion(of: entry) else { return [.failed(attempt)] }
        return die(attempt, entry, reason)
    }

    /// A job that its holder gives back.
    mutating func released(_ release: Release, _ entry: Entry) -> ([Change], JobEntry.State) {
        let reason: DeathReason
        if release.isUntouched {
            return ([.released(release)], .queued)
        } else if release.isCounted, !entry.pointee.hasAttemptsLeft {
            reason = .maxAttempts
        } else if isDeliveredOut(entry) {
            reason = .maxDeliveries
        } else {
            return ([.released(release)], release.due == nil ? .queued : .scheduled)
        }
        let attempt = FailedAttempt(
            sequence: release.sequence,
            attempts: state.attempts(release.sequence, entry.pointee),
            failure: Failure(message: "given back by its holder", code: FailureCode.released),
            next: .final
        )
        return (die(attempt, entry, reason), .failed)
    }

    /// Why a job may not be tried again; nil when it may.
    private func exhaustion(of entry: Entry) -> DeathReason? {
        if !entry.pointee.hasAttemptsLeft { return .maxAttempts }
        return isDeliveredOut(entry) ? .maxDeliveries : nil
    }

    private func isDeliveredOut(_ entry: Entry) -> Bool {
        guard let most = state.queues.at(entry.pointee.queue).pointee.settings.maxDeliveries else { return false }
        return Int(entry.pointee.deliveries) >= most
    }

    /// The records of a job's end, its dead letter first: so the job is still there to be marked.
    mutating func die(_ attempt: FailedAttempt, _ entry: Entry, _ reason: DeathReason, to target: QueueName? = nil) -> [Change] {
        var attempt = attempt
        attempt.next = .final
        attempt.reason = reason
        if reason == .maxDeliveries {
            attempt.failure.message +=
                ". It was delivered \(entry.pointee.deliveries) times, as often as its queue allows (max_deliveries)"
            attempt.failure = attempt.failure.bounded
            attempt.messageBytes = attempt.failure.message.utf8.count
        }
        guard let letter = deadLetter(attempt.sequence, entry, reason, to: target) else { return [.failed(attempt)] }
        return [letter, .failed(attempt)]
    }

    /// What the record of a death that time brings about is for: a large message that is left behind must not take the room of settles.
    func purposeOfDeath(_ entry: Entry) -> Journal.Purpose {
        Int(entry.pointee.size) > Draft.smallPayload && deadLetterQueue(of: entry.pointee.queue) != nil ? .settleWithPayload : .settle
    }

    /// The same for the end of a job's attempt.
    func purposeOfFailure(_ entry: Entry) -> Journal.Purpose { exhaustion(of: entry) == nil ? .settle : purposeOfDeath(entry) }

    /// The same for a job that its holder gives back without an attempt being counted.
    func purposeOfRelease(_ entry: Entry) -> Journal.Purpose { isDeliveredOut(entry) ? purposeOfDeath(entry) : .settle }

    // MARK: Dead letters

    /// Sees to it that the queue is there that an operation may send a dead letter to, or back to. Without room for it dead letters stay in place.
    /// - Returns: why a dead letter cannot go back.
    @discardableResult
    mutating func openQueue(for operation: PreparedOperation) throws(JournalError) -> BrokerError? {
        var target: QueueName?
        let lease: LeaseName?
        switch operation {
        case .fail(let name, _, _), .release(let name, _): lease = name
        case .redrive(let job):
            guard let sequence = job.sequence, let entry = state.unfinishedJob(sequence), entry.pointee.state != .running
            else { return nil }
            draft.unread = nil
            guard let name = origin(of: sequence, entry) else { return draft.unread }
            return try openLetterQueue(name)
        case .deadLetter(let name, _, let queue): (lease, target) = (name, queue)
        case .enqueue(let box):
            guard let number = queueNumber(box.message.queue) else { return nil }
            let settings = state.queues.at(number).pointee.settings
            if settings.overflow == .dropOldest { try openDeadLetterQueue(of: number) }
            return nil
        default: return nil
        }
        guard let lease, let (entry, _) = state.lease(lease.sequence, lease.fencing) else { return nil }
        try openDeadLetterQueue(of: entry.pointee.queue, or: target)
        return nil
    }

    mutating func openDeadLetterQueue(of queue: UInt32, or target: QueueName? = nil) throws(JournalError) {
        if let name = target ?? deadLetterQueue(of: queue) { _ = try openLetterQueue(name) }
    }

    private mutating func openLetterQueue(_ name: QueueName) throws(JournalError) -> BrokerError? {
        guard state.queues.numbers[name] == nil, tooManyQueues == nil else { return nil }
        do { try createQueue(name) } catch {
            guard error.changedNothing else { throw error }
            return BrokerError(error)
        }
        return nil
    }

    private func deadLetterQueue(of queue: UInt32) -> QueueName? {
        guard let text = state.queues.at(queue).pointee.settings.deadLetterQueue else { return nil }
        return try? QueueName(text)
    }

    /// The message that a job leaves when it dies; nil when it is kept in its place alone, or when the draft must wait (``Draft/unread``).
    mutating func deadLetter(_ sequence: UInt64, _ entry: Entry, _ reason: DeathReason, to target: QueueName? = nil) -> Change? {
        guard let name = target ?? deadLetterQueue(of: entry.pointee.queue), let number = state.queues.numbers[name],
            number != entry.pointee.queue, !bringsTooMuch, draft.unread == nil, let stored = readMessage(sequence, entry),
            !stored.stored.deaths.isCycle(reason, to: name)
        else { return nil }
        let death = StoredDeath(
            queue: state.queues.at(entry.pointee.queue).pointee.name,
            reason: reason,
            count: 1,
            first: now.wall,
            last: now.wall,
            sequence: sequence,
            attempt: entry.pointee.attempt,
            deliveries: UInt32(entry.pointee.deliveries)
        )
        let message = stored.newMessage(to: name)
        return .published(copy(message, into: number, deaths: stored.stored.deaths.adding(death), origin: sequence))
    }

    /// Whether the draft brings more dead letters, there and back, than the journal takes at a time: it is refused then, and no more of them
    /// are read.
    var bringsTooMuch: Bool { draft.letterBytes > journal.maximumReservation }

    /// Why a draft that ``bringsTooMuch`` is refused.
    var tooManyLetters: BrokerError { BrokerError(JournalError.tooLarge(bytes: draft.letterBytes, limit: journal.maximumReservation)) }

    /// The publication of a message that was in another queue before: no bound keeps it out.
    mutating func copy(_ message: NewMessage, into number: UInt32, deaths: [StoredDeath], origin: UInt64?) -> Publication {
        let settings = state.queues.at(number).pointee.settings
        let box = MessageBox(message, deaths: deaths)
        draft.letterBytes += box.body.count
        return Publication(
            sequence: takeNumber(),
            queue: number,
            maxAttempts: UInt16(clamping: settings.maxAttempts),
            priority: UInt8(clamping: message.priority),
            expires: settings.ttl.map { now.engine.addingClamped($0.inMilliseconds) },
            timeout: message.timeout?.inMilliseconds,
            size: box.size,
            origin: origin,
            group: message.group.map { Array($0.utf8) },
            isTransient: message.isTransient,
            message: box
        )
    }

    /// What was published, read back with what was amended since; nil when it cannot be read, which the log tells.
    ///
    /// What is damaged stays in its place. A disk that does not answer is asked again at once, and then later: the job has no second chance to
    /// leave its message behind.
    mutating func readMessage(_ sequence: UInt64, _ entry: Entry) -> ViewResolver.Message? {
        reading(sequence) { core in try core.tryToReadMessage(sequence, entry) }
    }

    /// The queue that a dead letter came from, as its header says: its body is read when it goes back.
    private mutating func origin(of sequence: UInt64, _ entry: Entry) -> QueueName? {
        let message = reading(sequence) { core in
            try core.makeReadable(entry.pointee.message)
            return try core.resolver.storedMessage(at: entry.pointee.message)
        }
        return message?.deaths.first?.queue
    }

    private mutating func reading<Found>(_ sequence: UInt64, _ body: (inout EngineCore) throws -> Found) -> Found? {
        guard unansweredReads < Self.mostUnansweredReads else {
            draft.unread = Self.unanswered
            return nil
        }
        var tries = 0
        while true {
            tries += 1
            do {
                return try body(&self)
            } catch {
                // Nothing is confirmed any more: whoever asked is told so.
                guard failure == nil else { return nil }
                let isUnanswered = (error as? BrokerError)?.code == .storeFailed
                if isUnanswered, tries < Self.readTries { continue }
                let unanswered = isUnanswered ? Self.unanswered : nil
                if isUnanswered { unansweredReads += 1 }
                draft.unread = unanswered
                if unanswered == nil || postponed.tell(of: sequence, at: instant.boot) {
                    options.logger.error(
                        unanswered == nil
                            ? "a job's message cannot be read: it stays in its place"
                            : "a job's message cannot be read just now: what needs it is tried again until it can",
                        metadata: ["job": "\(state.identity.jobID(sequence))", "error": "\(error)"]
                    )
                }
                return nil
            }
        }
    }

    static let readTries = 3
    static let mostUnansweredReads = 4
    private static let unanswered = BrokerError.busy(
        "the disk does not give back just now the message that would become a dead letter: try again later",
        retryAfter: .milliseconds(noSpaceDelay)
    )

    private mutating func tryToReadMessage(_ sequence: UInt64, _ entry: Entry) throws -> ViewResolver.Message {
        try makeReadable(entry.pointee.message)
        var message = try resolver.message(at: entry.pointee.message)
        if let amendment = state.extra(sequence, entry.pointee)?.amendment {
            try makeReadable(amendment.location)
            message.stored.headers = try message.stored.headers.amended(by: resolver.headers(ofReleaseAt: amendment.location))
        }
        return message
    }

    /// Reads what the journal holds.
    var resolver: ViewResolver { ViewResolver(reader: journal.reader, identity: state.identity, logger: options.logger) }

    /// Writes the group in memory if the record is in it: then it can be read. What fails is noted.
    mutating func makeReadable(_ location: RecordLocation) throws(BrokerError) {
        guard !journal.isWritten(location) else { return }
        do throws(JournalError) { try journal.write() } catch {
            note(error)
            throw BrokerError(error)
        }
    }

    // MARK: Redriving

    mutating func decideRedrive(_ job: JobName) throws(BrokerError) {
        let (sequence, found, current) = try find(job)
        switch (current, found) {
        case (.failed, _), (.expired, _): return try decideRetry(job)
        case (.queued, .unfinished(let entry)), (.scheduled, .unfinished(let entry)), (.retrying, .unfinished(let entry)):
            guard draft.state(of: sequence) == nil, let message = readMessage(sequence, entry),
                let origin = message.stored.deaths.first?.queue, origin != state.queues.at(entry.pointee.queue).pointee.name
            else { break }
            guard let number = state.queues.numbers[origin] else { throw .queueNotFound(origin.description) }
            let letter = copy(message.newMessage(to: origin), into: number, deaths: message.stored.deaths, origin: nil)
            draft.changes.append(.published(letter))
            draft.results.append(
                .enqueued(sequence: letter.sequence, created: now.wall, runAt: nil, maxAttempts: letter.maxAttempts, change: nextChange)
            )
            draft.changes.append(.redriven(sequence: sequence))
            return draft.setState(nil, of: sequence)
        default: break
        }
        if let error = draft.unread { throw error }
        throw BrokerError(
            .wrongState,
            "the job is \(current.jobState) and no dead letter: what failed or expired can be redriven, and what waits and came from another queue"
        )
    }
}

extension ViewResolver.Message {
    /// The same for another queue, whose settings say all that its publisher does not.
    func newMessage(to queue: QueueName) -> NewMessage {
        NewMessage(
            queue: queue,
            payload: payload,
            name: stored.name,
            headers: stored.headers,
            priority: Int(job.priority),
            timeout: job.timeout.map { .milliseconds($0) },
            group: job.group.map { String(decoding: $0, as: UTF8.self) },
            isTransient: job.isTransient
        )
    }
}

extension [Header] {
    /// These with others in the place of all that have their names.
    func amended(by headers: [Header]) -> [Header] {
        filter { old in !headers.contains { $0.name.hasSameBytes(as: old.name) } } + headers
    }
}
