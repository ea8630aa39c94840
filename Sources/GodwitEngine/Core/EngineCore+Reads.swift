import GodwitCore
import GodwitJournal

extension EngineCore {
    /// Engine time as a time of the wall clock, as far as the two go together.
    func wall(_ engine: Int64) -> Timestamp { Timestamp(milliseconds: engine.addingClamped(wallOffset)) }

    func view(_ sequence: UInt64, _ entry: UnsafeMutablePointer<JobEntry>) -> JobView {
        let job = entry.pointee
        let rarities = state.rare(entry)
        var runAt: Timestamp?
        if job.state == .scheduled || job.state == .retrying {
            runAt = job.flags.contains(.dueIsWall) ? Timestamp(milliseconds: job.time) : wall(job.time)
        }
        let finishedAt = job.state.isFinal ? Timestamp(milliseconds: job.time) : nil
        // The id's text and all that is in the journal are the resolver's business.
        let snapshot = JobSnapshot(
            id: Self.noID,
            queue: state.queues.at(job.queue).pointee.name,
            name: nil,
            state: job.state.jobState,
            attempt: Int(job.attempt),
            maxAttempts: Int(job.maxAttempts),
            priority: Int(job.priority),
            progress: rarities?.progress,
            createdAt: Timestamp(milliseconds: job.created),
            runAt: runAt,
            startedAt: job.deliveries > 0 ? Timestamp(milliseconds: job.started) : nil,
            finishedAt: finishedAt,
            version: Version(job.change)
        )
        return JobView(
            sequence: sequence,
            snapshot: snapshot,
            hot: state.hot[sequence],
            message: job.message,
            failures: rarities?.failures ?? [],
            ending: ending(of: job)
        )
    }

    private static let noID = JobID("")

    /// What a job's final state adds to its errors.
    private func ending(of job: JobEntry) -> AttemptFailure? {
        let (message, code): (String, String)
        switch job.state {
        case .expired: (message, code) = ("it was not started before it expired", FailureCode.expired)
        case .cancelled where job.flags.contains(.purged): (message, code) = ("its queue was purged", FailureCode.purged)
        case .cancelled: (message, code) = ("it was cancelled", FailureCode.cancelled)
        default: return nil
        }
        return AttemptFailure(message: message, code: code, attempt: Int(job.attempt), at: Timestamp(milliseconds: job.time))
    }

    /// What is known of an id, and the change that must be durable before it is shown.
    mutating func lookUp(_ id: JobID) -> (LookupView, until: UInt64) {
        guard let sequence = state.identity.sequence(of: id), state.wasIssued(sequence) else { return (.unknown, 0) }
        guard let entry = state.job(sequence) else { return (.forgotten, state.change) }
        return (.found(view(sequence, entry)), entry.pointee.change)
    }

    mutating func read(_ ticket: Ticket, _ ids: [JobID]) {
        var views: [LookupView] = [], until: UInt64 = 0
        views.reserveCapacity(ids.count)
        for id in ids {
            let (view, change) = lookUp(id)
            views.append(view)
            until = max(until, change)
        }
        hold(ticket, .lookups(views), until: until)
    }

    mutating func payload(_ ticket: Ticket, _ id: JobID) {
        guard let (sequence, entry) = find(ticket, id) else { return }
        let content: StoredContent = state.hot[sequence].map { .hot($0.payload) } ?? .message(entry.pointee.message)
        hold(ticket, .content(content), until: entry.pointee.change)
    }

    mutating func result(_ ticket: Ticket, _ id: JobID) {
        guard let (_, entry) = find(ticket, id) else { return }
        let hasResult = entry.pointee.state == .succeeded && entry.pointee.flags.contains(.hasResult)
        hold(ticket, .content(hasResult ? .result(entry.pointee.result) : nil), until: entry.pointee.change)
    }

    private mutating func find(_ ticket: Ticket, _ id: JobID) -> (UInt64, UnsafeMutablePointer<JobEntry>)? {
        guard let sequence = state.identity.sequence(of: id), state.wasIssued(sequence) else {
            answerNow(ticket, .refused(.jobNotFound(id)))
            return nil
        }
        guard let entry = state.job(sequence) else {
            hold(ticket, .refused(.jobForgotten(id)), until: state.change)
            return nil
        }
        return (sequence, entry)
    }

    mutating func list(_ ticket: Ticket, _ query: JobQuery) {
        var at = state.nextSequence
        if let cursor = query.cursor {
            guard let (sequence, _, _) = Base32.words(cursor, count: 1) else {
                return answerNow(ticket, .refused(.invalidArgument("cursor", "this cursor is not one that a page gave: start without one")))
            }
            at = min(at, sequence)
        }
        var queue: UInt32?
        if let name = query.queue {
            guard let number = state.queues.numbers[name] else { return hold(ticket, .page([], next: nil), until: state.change) }
            queue = number
        }
        var views: [JobView] = [], until: UInt64 = 0, looked = 0
        while views.count < query.limit, looked < Limits.pageScan {
            guard let sequence = state.jobs.last(before: at) else {
                return hold(ticket, .page(views, next: nil), until: until)
            }
            at = sequence
            looked += 1
            guard let entry = state.job(sequence) else { continue }
            if let queue, entry.pointee.queue != queue { continue }
            if let state = query.state, entry.pointee.state.jobState != state { continue }
            views.append(view(sequence, entry))
            until = max(until, entry.pointee.change)
        }
        hold(ticket, .page(views, next: state.jobs.last(before: at) == nil ? nil : Base32.text(at)), until: until)
    }

    mutating func readRecords(_ ticket: Ticket, _ keys: [RecordKey]) {
        var until: UInt64 = 0
        let views = keys.map { key in
            let (view, change) = lookUp(key)
            until = max(until, change)
            return view
        }
        hold(ticket, .records(views), until: until)
    }

    func lookUp(_ key: RecordKey) -> (RecordView?, until: UInt64) {
        // One that is not there may have been deleted by what is not durable yet.
        guard let record = state.records[key] else { return (nil, state.change) }
        return (RecordView(location: record.location, version: Version(record.change)), record.change)
    }

    // MARK: Queues

    mutating func queueStatuses(_ ticket: Ticket) {
        var statuses: [QueueStatus] = []
        for number in state.queues.numbers.values { statuses.append(status(number)) }
        statuses.sort { $0.name < $1.name }
        hold(ticket, .statuses(statuses), until: state.change)
    }

    mutating func queueStatus(_ ticket: Ticket, _ name: QueueName) {
        guard let number = state.queues.numbers[name] else { return hold(ticket, .statuses([]), until: state.change) }
        hold(ticket, .statuses([status(number)]), until: state.queues.at(number).pointee.change)
    }

    mutating func status(_ number: UInt32) -> QueueStatus {
        let queue = state.queues.at(number)
        var oldest: Timestamp?
        if let head = state.head(of: queue), let entry = state.job(head.sequence) {
            oldest = Timestamp(milliseconds: entry.pointee.created)
        }
        return QueueStatus(
            name: queue.pointee.name,
            settings: queue.pointee.settings,
            settingsVersion: Version(queue.pointee.settingsChange),
            isPaused: queue.pointee.isPaused,
            counts: queue.pointee.counts,
            bytes: queue.pointee.bytes,
            keys: queue.pointee.keys.count,
            totals: queue.pointee.totals,
            oldestQueued: oldest
        )
    }
}
