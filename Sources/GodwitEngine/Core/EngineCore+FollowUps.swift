import GodwitCore
import GodwitJournal
import Logging

/// What follows jobs' ends and full counters.
///
/// An end, whatever brings it about, only notes that something is owed, in the very record that ends. That is paid in the same turn, right behind
/// it, before anything else is decided and before any answer leaves; after a crash in between, by the opening. So nobody sees the one without
/// the other, unless the disk does not give back just then what follows; and no chain of ends makes one transaction endless.
extension EngineCore {
    /// How many operations follow at a time, about; a purge may owe more.
    static let followLimit = 10_000

    /// Does what follows what has ended. Without room on the disk it is tried again later.
    mutating func payOwed() throws(JournalError) {
        guard isOwing else { return }
        do { try recordOwed() } catch {
            guard error.changedNothing else { throw error }
            dueBlockedUntil = instant.boot + Self.noSpaceDelay
        }
    }

    mutating func recordOwed() throws(JournalError) {
        // To be verified, the record that says what follows is read whole, a message with its payload.
        takeUpUnanswered()
        var budget = Self.followLimit, bytes = Self.turnBytes
        while failure == nil, let subject = state.owed.first() {
            guard budget > 0, bytes > 0 else { return hasMoreDue = true }
            budget -= 1
            guard unansweredReads < Self.mostUnansweredReads else {
                setUnansweredAside()
                continue
            }
            bytes -= state.owed[subject]?.size.bytes ?? 0
            budget -= try pay(subject)
        }
    }

    /// Whether something is owed that can be paid, and whether it is so much that purged jobs are left alone until it is.
    var isOwing: Bool { state.owed.payable > 0 }
    var isOwingMuch: Bool { state.owed.payable >= Self.dueLimit }

    /// - Returns: how many operations followed.
    private mutating func pay(_ subject: EndedSubject) throws(JournalError) -> Int {
        guard let owed = state.owed[subject] else { return 0 }
        let all: [FollowUp]
        do throws(BrokerError) { all = try readFollowUps(at: owed.location) } catch {
            if failure == nil { setAside(subject, error) }
            return 0
        }
        let operations = all.filter { owed.states.isEmpty || !$0.when.isDisjoint(with: owed.states) }.map(\.operation)
        if let error = try openQueues(for: operations, in: "on_final") {
            // It is not for want of room that anything is passed over.
            if error.code == .diskFull { throw .noSpace }
            options.logger.error(
                "what follows an end lacks a queue, and is passed over",
                metadata: ["after": "\(name(of: subject))", "error": "\(error)"]
            )
        }
        draft.begin(nextSequence: state.nextSequence)
        // What follows an end is a part of it.
        (draft.onlyPublishes, draft.hasSettled) = (false, true)
        _ = follow(operations)
        draft.changes.append(.followed(FollowedEnd(subject: subject, states: owed.states)))
        let followed = draft.followed
        try record(draft.changes, for: draft.purpose)
        return followed
    }

    /// What cannot be read does not keep anything else from following: a disk that does not answer is asked again in a while, and what is
    /// damaged is tried again when the store is opened.
    private mutating func setAside(_ subject: EndedSubject, _ error: BrokerError) {
        let isUnanswered = error.code == .storeFailed
        if isUnanswered {
            unansweredReads += 1
            setUnansweredAside()
            // Of all of them the operator is told of one.
            guard !hasToldOfOwed else { return }
            hasToldOfOwed = true
        } else {
            state.owed.setFirstAside(isDamaged: true)
        }
        options.logger.error(
            isUnanswered
                ? "what follows an end cannot be read just now: it is tried again until it can"
                : "what follows an end cannot be read: it is tried again when the store is opened",
            metadata: ["after": "\(name(of: subject))", "error": "\(error)"]
        )
    }

    private mutating func setUnansweredAside() {
        owedRetry = instant.boot + Self.noSpaceDelay
        state.owed.setFirstAside(isDamaged: false)
    }

    /// So many at a time: where those can be read, the next ones follow at once.
    private mutating func takeUpUnanswered() {
        guard let retry = owedRetry, instant.boot >= retry else { return }
        state.owed.takeUp(Self.owedTakenUp)
        owedRetry = state.owed.hasUnanswered ? instant.boot : nil
        if owedRetry == nil { hasToldOfOwed = false }
    }

    private static let owedTakenUp = 1_000

    /// Decides operations that follow something: none of them is refused by a bound, and one that cannot be carried out is passed over.
    /// - Returns: the jobs that they enqueued.
    mutating func follow(_ operations: [GodwitCore.Operation]) -> [UInt64] {
        let results = draft.results.count, hasSettled = draft.hasSettled, isFollowing = draft.isFollowing
        // Transient messages that follow are none of what the caller asked for: his own operations must be durable as ever.
        let transients = draft.transients
        draft.hasSettled = true
        draft.isFollowing = true
        draft.followed += operations.count
        var passedOver = 0, first: BrokerError?
        for operation in operations {
            do throws(BrokerError) { try decide(PreparedOperation(operation, state.identity)) } catch {
                passedOver += 1
                first = first ?? error
            }
        }
        if let first {
            // One line for all of them: the engine's thread waits while it is written.
            options.logger.notice(
                "operations that were to follow an end are passed over",
                metadata: ["count": "\(passedOver)", "first": "\(first)"]
            )
        }
        let sequences = draft.results[results...].compactMap(\.sequence)
        draft.results.removeSubrange(results...)
        (draft.hasSettled, draft.isFollowing, draft.transients) = (hasSettled, isFollowing, transients)
        return sequences
    }

    /// What the record at a location says is to follow.
    mutating func readFollowUps(at location: RecordLocation) throws(BrokerError) -> [FollowUp] {
        try makeReadable(location)
        var tries = 0
        while true {
            tries += 1
            do throws(BrokerError) { return try resolver.followUps(at: location) } catch {
                guard error.code == .storeFailed, tries < Self.readTries else { throw error }
            }
        }
    }

    /// Sees to it that the queues are there that operations enqueue to.
    /// - Returns: why one of them cannot be.
    mutating func openQueues(for operations: [GodwitCore.Operation], in field: String) throws(JournalError) -> BrokerError? {
        var first: BrokerError?
        for (index, operation) in operations.enumerated() {
            guard case .enqueue(let message) = operation, var error = try openQueue(message.queue) else { continue }
            error.field = "\(field)[\(index)].enqueue.queue"
            first = first ?? error
        }
        return first
    }

    private func name(of subject: EndedSubject) -> String {
        switch subject {
        case .job(let sequence): "\(state.identity.jobID(sequence))"
        case .counter(let change): "the counter made by change \(change)"
        }
    }
}

extension ResultView {
    /// The job that a message became.
    fileprivate var sequence: UInt64? {
        switch self {
        case .enqueued(let sequence, _, _, _, _), .duplicate(let sequence): sequence
        default: nil
        }
    }
}
