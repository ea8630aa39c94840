import DequeModule
import GodwitCore
import GodwitJournal

/// The steps that changes are made of.
extension EngineState {
    typealias Entry = UnsafeMutablePointer<JobEntry>
    typealias Queue = UnsafeMutablePointer<QueueState>

    /// Moves a job from one state to another in the books.
    mutating func move(_ entry: Entry, _ queue: Queue, to state: JobEntry.State) {
        queue.pointee.counts[entry.pointee.state.jobState] -= 1
        queue.pointee.counts[state.jobState] += 1
        entry.pointee.state = state
        noteBusy(queue)
    }

    /// Notes that a job is at a new version.
    mutating func touch(_ sequence: UInt64, _ entry: Entry, _ queue: Queue) {
        entry.pointee.change = change
        queue.pointee.change = change
        noteChanged(sequence)
    }

    mutating func noteChanged(_ sequence: UInt64) {
        if !watchedJobs.isEmpty, watchedJobs.contains(sequence) { changedJobs.append(sequence) }
    }

    mutating func noteChanged(_ key: RecordKey) {
        if !watchedRecords.isEmpty, watchedRecords.contains(key) { changedRecords.append(key) }
    }

    /// A running job waits again: whoever calls ``touch(_:_:_:)`` then says since when.
    mutating func beginToWait(_ sequence: UInt64, _ entry: Entry, _ queue: Queue, _ state: JobEntry.State) {
        endLease(sequence, entry)
        queue.pointee.waitingBytes += Int(entry.pointee.size)
        move(entry, queue, to: state)
    }

    /// A running job waits for an engine time.
    mutating func wait(_ sequence: UInt64, _ entry: Entry, _ queue: Queue, _ state: JobEntry.State, until time: Int64) {
        beginToWait(sequence, entry, queue, state)
        entry.pointee.flags.remove(.dueIsWall)
        setDue(sequence, entry, time)
    }

    /// Lets a job wait for a time of the clock that its flags say.
    mutating func setDue(_ sequence: UInt64, _ entry: Entry, _ time: Int64) {
        entry.pointee.time = time
        // As the entry keeps it.
        let time = entry.pointee.time
        if entry.pointee.flags.contains(.dueIsWall) { dueAt.insert(time, sequence) } else { due.insert(time, sequence) }
    }

    /// Puts a job that is queued in the books, and whose turn it is in its group, into its line.
    mutating func enterLine(_ sequence: UInt64, _ entry: Entry, _ queue: Queue) {
        let job = ReadyJob(position: position(sequence, entry.pointee), sequence: sequence)
        queue.pointee.ready.insert(job, priority: entry.pointee.priority)
        noteBusy(queue)
        stir(entry.pointee.queue, queue)
    }

    /// Notes whether a queue is busy from now on. Time counts for that as it was observed, like a lease's.
    func noteBusy(_ queue: Queue) {
        if !isReplaying { queue.pointee.throughput.note(leaseNow, isBusy: queue.pointee.isBusy) }
    }

    /// Callers who wait for this queue are to be looked at.
    mutating func stir(_ number: UInt32, _ queue: Queue) {
        if queue.pointee.waiting.count > 0, stirredQueues.last != number { stirredQueues.append(number) }
    }

    /// Sees to it that somebody looks at a lease when it is due.
    mutating func setTimer(_ place: UInt32) {
        let lease = leases[place]
        guard lease.due < lease.timerAt else { return }
        if lease.timerAt != .max { leaseTimers.noteStale() }
        leases[place].timerAt = lease.due
        leaseTimers.insert(lease.due, Self.timerSubject(place, lease.order))
    }

    /// Lease time at which the engine ends an attempt that goes on though it has taken too long. Workers end theirs themselves, and decide what
    /// follows; the engine's own end is for those that hang, a lease's length later.
    func attemptDeadline(_ timeout: Int64?, term: Int64, _ queue: Queue) -> Int64 {
        guard let timeout else { return .max }
        let grace = term == 0 ? queue.pointee.settings.lease.inMilliseconds : term
        return leaseNow.addingClamped(timeout).addingClamped(grace)
    }

    /// Ends the lease of a job that goes on: when it was delivered is known from elsewhere then.
    private mutating func endLease(_ sequence: UInt64, _ entry: Entry) {
        guard entry.pointee.lease != 0 else { return }
        let started = leases[entry.pointee.lease - 1].started
        dropLease(entry)
        withExtra(sequence, entry) { $0.started = started }
    }

    mutating func dropLease(_ entry: Entry) {
        guard entry.pointee.lease != 0 else { return }
        let place = entry.pointee.lease - 1
        if leases[place].timerAt != .max { leaseTimers.noteStale() }
        leases.remove(place)
        entry.pointee.lease = 0
        guard leaseTimers.needsCompacting else { return }
        var timers = Timers()
        swap(&timers, &leaseTimers)
        timers.compact { lease(of: $0) != nil }
        swap(&timers, &leaseTimers)
    }

    /// The time that a job waited for is no longer meant.
    mutating func noteTimerStale(_ entry: JobEntry) {
        guard entry.state.isTimed else { return }
        if entry.flags.contains(.dueIsWall) { dueAt.noteStale() } else { due.noteStale() }
        compactTimers()
    }

    private mutating func compactTimers() {
        guard due.needsCompacting || dueAt.needsCompacting || expiries.needsCompacting else { return }
        var due = Timers(), dueAt = Timers(), expiries = Timers()
        swap(&due, &self.due)
        swap(&dueAt, &self.dueAt)
        swap(&expiries, &self.expiries)
        if due.needsCompacting { due.compact { isDue($0, onWall: false) } }
        if dueAt.needsCompacting { dueAt.compact { isDue($0, onWall: true) } }
        if expiries.needsCompacting { expiries.compact { jobs.find($0.subject)?.pointee.flags.contains(.expires) ?? false } }
        swap(&due, &self.due)
        swap(&dueAt, &self.dueAt)
        swap(&expiries, &self.expiries)
    }

    /// Whether a job waits for the time of a timer, as far as is known without looking for purges.
    private func isDue(_ timer: Timer, onWall: Bool) -> Bool {
        guard let entry = jobs.find(timer.subject) else { return false }
        return entry.pointee.state.isTimed && entry.pointee.time == timer.time && entry.pointee.flags.contains(.dueIsWall) == onWall
    }

    /// Takes a job out of everything that an unfinished one is in.
    mutating func leave(_ entry: Entry) {
        noteTimerStale(entry.pointee)
        if entry.pointee.flags.contains(.expires) {
            entry.pointee.flags.remove(.expires)
            expiries.noteStale()
            compactTimers()
        }
        dropLease(entry)
    }

    // MARK: Ending

    /// What ended a job.
    struct Final {
        var location: RecordLocation
        var size: SizeClass
        /// Whether the record says how far the job had come.
        var saysAttempts = true
        /// Whether it ended here and now: ends in other stores say nothing about how fast jobs end in this one.
        var isOfNow = true
    }

    /// Ends a job.
    /// - Parameter isKept: false for one of which nothing is left, whatever its queue keeps.
    mutating func finish(
        _ sequence: UInt64,
        _ entry: Entry,
        _ queue: Queue,
        _ state: JobEntry.State,
        _ final: Final,
        isKept: Bool = true
    ) {
        if !isReplaying, final.isOfNow { queue.pointee.throughput.jobsEnded(1, at: leaseNow) }
        if final.isOfNow, entry.pointee.flags.contains(.hasFollowUps) { oweFollowUps(sequence, entry.pointee, state) }
        let wasQueued = entry.pointee.state == .queued
        if entry.pointee.state.isWaiting { queue.pointee.waitingBytes -= Int(entry.pointee.size) }
        queue.pointee.bytes -= Int(entry.pointee.size)
        let attempts = attemptsToKeep(sequence, entry.pointee, final)
        leave(entry)
        move(entry, queue, to: state)
        touch(sequence, entry, queue)
        let flags = entry.pointee.flags
        if isKept, queue.pointee.keepsFinished {
            keep(sequence, entry.pointee, queue, final, attempts, ended: stamp.engine)
        } else {
            queue.pointee.counts[state.jobState] -= 1
            forget(sequence, entry.pointee)
        }
        removeUnfinished(sequence, flags)
        if wasQueued { tidyLine(queue) }
    }

    /// What memory must hold of a job's attempts after its end, because no record says it.
    func attemptsToKeep(_ sequence: UInt64, _ entry: JobEntry, _ final: Final) -> Attempts? {
        // One that was never delivered and never retried is as its message says.
        guard !final.saysAttempts, entry.deliveries > 0 || entry.flags.contains(.isMoved) else { return nil }
        return attempts(sequence, entry)
    }

    /// Puts a job that ended among the finished ones.
    mutating func keep(_ sequence: UInt64, _ entry: JobEntry, _ queue: Queue, _ final: Final, _ attempts: Attempts?, ended: Int64) {
        var hasExtra = entry.flags.contains(.hasExtra)
        if hasExtra || attempts != nil {
            hasExtra = extras.change(sequence, from: Extra()) { extra in
                extra.expires = nil
                extra.timeout = nil
                extra.position = nil
                extra.started = nil
                extra.attempts = attempts
                return !extra.isEmpty
            }
            if !hasExtra { extras[sequence] = nil }
        }
        var finished = FinishedEntry(
            message: entry.message,
            final: final.location,
            change: entry.change,
            queue: entry.queue,
            state: entry.state,
            messageClass: entry.messageClass,
            finalClass: final.size,
            hasExtra: hasExtra,
            isTransient: entry.flags.contains(.isTransient)
        )
        if !final.location.isEnding { use.add(final.location, final.size) }
        // One that a purge had ended may be met only when its queue no longer keeps any: then it goes at once.
        var kept: Duration = .zero
        if case .keep(let succeeded, let failed, _) = queue.pointee.settings.retention {
            kept = entry.state.isKeptAsSucceeded ? succeeded : failed
        }
        let job = FinishedJob(sequence: sequence, ended: ended)
        if entry.state.isKeptAsSucceeded {
            finished.isBelated = queue.pointee.succeeded.append(job, kept: kept.inMilliseconds)
        } else {
            finished.isBelated = queue.pointee.failed.append(job, kept: kept.inMilliseconds)
        }
        noteSweep(after: kept, from: ended)
        self.finished.insert(sequence, finished)
        if queue.pointee.overCount > 0 { overfullQueues.insert(entry.queue) }
    }

    mutating func noteSweep(after time: Duration, from start: Int64) {
        nextSweep = min(nextSweep, start.addingClamped(time.inMilliseconds))
    }

    /// Keeps what is no longer ready under half of the line.
    private mutating func tidyLine(_ queue: Queue) {
        let stale = queue.pointee.ready.count - queue.pointee.counts.queued
        guard stale > 1_024, stale > queue.pointee.ready.count / 2 else { return }
        queue.pointee.ready.compact { element in jobs.find(element.sequence).map { isReady(element, $0.pointee) } ?? false }
    }

    /// A finished job is retried or forgotten: it no longer stands where its retention is waited for.
    mutating func leaveFinished(_ sequence: UInt64, _ entry: FinishedEntry, _ queue: Queue) {
        if entry.state.isKeptAsSucceeded {
            queue.pointee.succeeded.remove(sequence, isBelated: entry.isBelated)
        } else {
            queue.pointee.failed.remove(sequence, isBelated: entry.isBelated)
        }
    }

    /// Removes a finished job.
    mutating func remove(_ sequence: UInt64, _ entry: FinishedEntry) {
        let queue = queues.at(entry.queue)
        queue.pointee.counts[entry.state.jobState] -= 1
        queue.pointee.change = change
        noteChanged(sequence)
        leaveFinished(sequence, entry, queue)
        forget(sequence, entry)
    }

    /// Leaves nothing of a finished job.
    mutating func forget(_ sequence: UInt64, _ entry: FinishedEntry) {
        use.remove(entry.message, entry.messageClass)
        forgetFinal(entry)
        if entry.hasExtra { forgetExtra(sequence) }
        finished.remove(sequence)
        removal = change
    }

    /// The record that ended a job is no longer needed.
    mutating func forgetFinal(_ entry: FinishedEntry) {
        if entry.final.isEnding { endings.remove(entry.final) } else { use.remove(entry.final, entry.finalClass) }
    }

    /// Leaves nothing of an unfinished job but its entry.
    mutating func forget(_ sequence: UInt64, _ entry: JobEntry) {
        use.remove(entry.message, entry.messageClass)
        if entry.flags.contains(.hasExtra) { forgetExtra(sequence) }
        removal = change
    }

    private mutating func forgetExtra(_ sequence: UInt64) {
        guard let extra = extras.removeValue(forKey: sequence) else { return }
        for failure in extra.failures { use.remove(failure.location, failure.size) }
        if let amendment = extra.amendment { use.remove(amendment.location, amendment.size) }
    }

    /// Keeps the record of a failed attempt, and as many of those before as are shown.
    mutating func add(_ failure: KeptRecord, to failures: inout [KeptRecord]) {
        use.add(failure.location, failure.size)
        while failures.count >= Limits.errorsKept {
            let first = failures.removeFirst()
            use.remove(first.location, first.size)
        }
        failures.append(failure)
    }

    // MARK: Records

    mutating func forget(_ record: StoredRecord) {
        use.remove(record.location, record.size)
        guard record.expires != nil else { return }
        recordKeys[record.change] = nil
        noteRecordTimerStale()
    }

    mutating func noteRecordTimerStale() {
        recordTimers.noteStale()
        guard recordTimers.needsCompacting else { return }
        let keys = recordKeys
        recordTimers.compact { keys[$0.subject] != nil }
    }
}
