import GodwitCore
import GodwitJournal

extension EngineCore {
    func view(_ sequence: UInt64, _ job: EngineState.Job) -> JobView {
        var attempts: Attempts?, runAt: Int64?, end: JobView.End?, extra: Extra?, holder: HolderID?
        switch job {
        case .unfinished(let entry):
            extra = state.extra(sequence, entry.pointee)
            attempts = state.attempts(entry.pointee, extra)
            if entry.pointee.lease != 0 { holder = state.leases.holder(at: entry.pointee.lease - 1) }
            if entry.pointee.state.isTimed {
                runAt = entry.pointee.flags.contains(.dueIsWall) ? entry.pointee.time : entry.pointee.time.addingClamped(wallOffset)
            }
        case .finished(let entry):
            if entry.pointee.hasExtra { extra = state.extras[sequence] }
            attempts = extra?.attempts
            end = state.endings.time(of: entry.pointee.final).map(JobView.End.purge) ?? .record(entry.pointee.final)
        }
        return JobView(
            sequence: sequence,
            queue: state.queues.at(job.queue).pointee.name,
            state: job.state,
            change: job.change,
            message: job.message,
            attempts: attempts,
            runAt: runAt,
            end: end,
            extra: extra,
            holder: holder,
            pin: pin
        )
    }

    /// What is known of an id, and the change that must be durable before it is shown.
    mutating func lookUp(_ id: JobID) -> (LookupView, until: UInt64) {
        guard let sequence = state.identity.sequence(of: id), state.wasIssued(sequence) else { return (.unknown, 0) }
        guard let job = state.job(sequence) else { return (.forgotten, state.change) }
        return (.found(view(sequence, job)), rest(of: sequence, job))
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
        guard let (sequence, job) = find(ticket, id) else { return }
        hold(ticket, .content(.message(job.message, pin)), until: rest(of: sequence, job))
    }

    mutating func result(_ ticket: Ticket, _ id: JobID) {
        guard let (sequence, job) = find(ticket, id) else { return }
        var content: StoredContent?
        if case .finished(let entry) = job, entry.pointee.state == .succeeded { content = .result(entry.pointee.final, pin) }
        hold(ticket, .content(content), until: rest(of: sequence, job))
    }

    private mutating func find(_ ticket: Ticket, _ id: JobID) -> (UInt64, EngineState.Job)? {
        guard let sequence = state.identity.sequence(of: id), state.wasIssued(sequence) else {
            answerNow(ticket, .refused(.jobNotFound(id)))
            return nil
        }
        guard let job = state.job(sequence) else {
            hold(ticket, .refused(.jobForgotten(id)), until: state.change)
            return nil
        }
        return (sequence, job)
    }

    static let badCursor = BrokerError.invalidArgument("cursor", "this cursor is not one that a page gave: start without one")

    mutating func browse(_ ticket: Ticket, _ query: BrowseQuery) {
        var at: UInt64 = 0
        if let cursor = query.cursor {
            guard let (sequence, _, _) = Base32.words(cursor, count: 1) else { return answerNow(ticket, .refused(Self.badCursor)) }
            at = min(state.nextSequence, sequence)
        }
        guard let number = state.queues.numbers[query.queue] else {
            return hold(ticket, .refused(.queueNotFound(query.queue.description)), until: state.change)
        }
        let until = state.change
        var views: [JobView] = [], looked = 0, bytes = 0
        while views.count < query.limit, looked < Limits.pageScan {
            guard let sequence = state.jobs.first(from: at + 1) else { return hold(ticket, .browsed(views, next: nil), until: until) }
            looked += 1
            if let entry = state.unfinishedJob(sequence), entry.pointee.queue == number, entry.pointee.state.isWaiting {
                bytes += Int(entry.pointee.size)
                if !views.isEmpty, bytes > Limits.leaseBytes { break }
                views.append(view(sequence, .unfinished(entry)))
            }
            at = sequence
        }
        hold(ticket, .browsed(views, next: state.jobs.first(from: at + 1) == nil ? nil : Base32.text(at)), until: until)
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
        guard let record = state.records[key] else {
            guard let counter = state.counters[key] else { return (nil, state.change) }
            return (RecordView(counter: counter.counter, version: Version(counter.change), pin: pin), counter.change)
        }
        return (RecordView(location: record.location, version: Version(record.change), pin: pin), record.change)
    }

    // MARK: Queues

    mutating func queueStatuses(_ ticket: Ticket) {
        var statuses: [QueueStatus] = []
        statuses.reserveCapacity(state.queues.numbers.count)
        for number in state.queues.numbers.values { statuses.append(status(number)) }
        hold(ticket, .statuses(statuses), until: state.change)
    }

    mutating func queueStatus(_ ticket: Ticket, _ name: QueueName) {
        guard let number = state.queues.numbers[name] else { return hold(ticket, .statuses([]), until: state.change) }
        hold(ticket, .statuses([status(number)]), until: state.queues.at(number).pointee.change)
    }

    mutating func status(_ number: UInt32) -> QueueStatus {
        let queue = state.queues.at(number)
        var oldest: Timestamp?
        if let head = state.head(of: queue), let entry = state.jobs.find(head.job.sequence) {
            oldest = Timestamp(milliseconds: entry.pointee.time)
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
            oldestQueued: oldest,
            jobsPerSecond: queue.pointee.throughput.jobsPerSecond
        )
    }
}
