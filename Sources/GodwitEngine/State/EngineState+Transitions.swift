import DequeModule
import GodwitCore

/// The steps that changes are made of.
extension EngineState {
    typealias Entry = UnsafeMutablePointer<JobEntry>
    typealias Queue = UnsafeMutablePointer<QueueState>

    /// Moves a job from one state to another in the books.
    mutating func move(_ entry: Entry, _ queue: Queue, to state: JobEntry.State) {
        queue.pointee.counts[entry.pointee.state.jobState] -= 1
        queue.pointee.counts[state.jobState] += 1
        entry.pointee.state = state
        if !isReplaying { queue.pointee.throughput.note(stamp.engine, isBusy: queue.pointee.isBusy) }
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

    /// A running or final job waits again, under the queue's present purge number.
    mutating func beginToWait(_ entry: Entry, _ queue: Queue, _ state: JobEntry.State) {
        entry.pointee.purge = queue.pointee.purge
        queue.pointee.waitingBytes += Int(entry.pointee.size)
        move(entry, queue, to: state)
    }

    /// A running job waits for an engine time.
    mutating func wait(_ sequence: UInt64, _ entry: Entry, _ queue: Queue, _ state: JobEntry.State, until time: Int64) {
        beginToWait(entry, queue, state)
        entry.pointee.time = time
        entry.pointee.flags.remove(.dueIsWall)
        due.insert(time, sequence)
    }

    /// Puts a job that is queued in the books into its line.
    mutating func lineUp(_ sequence: UInt64, _ entry: Entry, _ queue: Queue) {
        queue.pointee.ready.insert(ReadyJob(position: entry.pointee.position, sequence: sequence), priority: entry.pointee.priority)
        if !isReplaying { queue.pointee.throughput.note(stamp.engine, isBusy: queue.pointee.isBusy) }
        stir(entry.pointee.queue, queue)
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
        leaseTimers.insert(lease.due, Self.timerSubject(place, lease.fencing))
    }

    /// Lease time at which the engine ends an attempt that goes on though it has taken too long. Workers end theirs themselves, and decide what
    /// follows; the engine's own end is for those that hang, a lease's length later.
    func attemptDeadline(_ timeout: Int64?, term: Int64, _ queue: Queue) -> Int64 {
        guard let timeout else { return .max }
        let grace = term == 0 ? queue.pointee.settings.lease.inMilliseconds : term
        return leaseNow.addingClamped(timeout).addingClamped(grace)
    }

    mutating func endLease(_ entry: Entry) {
        guard entry.pointee.lease != 0 else { return }
        let place = entry.pointee.lease - 1
        if leases[place].timerAt != .max { leaseTimers.noteStale() }
        leases.remove(place)
        entry.pointee.lease = 0
        guard leaseTimers.needsCompacting else { return }
        let table = leases
        leaseTimers.compact { timer in
            let lease = table[UInt32(timer.subject >> 32)]
            return lease.timerAt == timer.time && lease.fencing & 0xffff_ffff == timer.subject & 0xffff_ffff
        }
    }

    /// The time that a job waited for is no longer meant.
    mutating func noteTimerStale(_ entry: Entry) {
        guard entry.pointee.state == .scheduled || entry.pointee.state == .retrying else { return }
        if entry.pointee.flags.contains(.dueIsWall) { dueAt.noteStale() } else { due.noteStale() }
        compactTimers()
    }

    private mutating func compactTimers() {
        let table = jobs.view
        if due.needsCompacting { due.compact { table.waits($0, onWall: false) } }
        if dueAt.needsCompacting { dueAt.compact { table.waits($0, onWall: true) } }
        if expiries.needsCompacting { expiries.compact { table.expires($0) } }
    }

    /// Takes a job out of everything that an unfinished one is in.
    private mutating func leave(_ entry: Entry) {
        noteTimerStale(entry)
        if entry.pointee.flags.contains(.expires) {
            entry.pointee.flags.remove(.expires)
            expiries.noteStale()
            compactTimers()
        }
        endLease(entry)
    }

    /// Ends a job.
    mutating func finish(_ sequence: UInt64, _ entry: Entry, _ queue: Queue, _ state: JobEntry.State, _ stamp: Stamp) {
        if !isReplaying { queue.pointee.throughput.jobsEnded(1, at: self.stamp.engine) }
        let wasQueued = entry.pointee.state == .queued
        if entry.pointee.state.isWaiting { queue.pointee.waitingBytes -= Int(entry.pointee.size) }
        leave(entry)
        queue.pointee.bytes -= Int(entry.pointee.size)
        move(entry, queue, to: state)
        entry.pointee.time = stamp.wall
        touch(sequence, entry, queue)
        hot.remove(sequence)
        if wasQueued { tidyLine(queue) }
        if queue.pointee.keepsFinished {
            keep(sequence, entry, queue)
        } else {
            queue.pointee.counts[state.jobState] -= 1
            discard(sequence, entry)
        }
    }

    private mutating func keep(_ sequence: UInt64, _ entry: Entry, _ queue: Queue) {
        let finished = FinishedJob(sequence: sequence, ended: stamp.engine, change: entry.pointee.change)
        guard case .keep(let succeeded, let failed, _) = queue.pointee.settings.retention else { return }
        if entry.pointee.state.isKeptAsSucceeded {
            queue.pointee.succeeded.append(finished)
            noteSweep(after: succeeded)
        } else {
            queue.pointee.failed.append(finished)
            noteSweep(after: failed)
        }
        if queue.pointee.overCount > 0 { overfullQueues.insert(entry.pointee.queue) }
    }

    mutating func noteSweep(after time: Duration) {
        let (at, overflow) = stamp.engine.addingReportingOverflow(time.inMilliseconds)
        nextSweep = min(nextSweep, overflow ? .max : at)
    }

    /// Keeps what is no longer ready under half of the line.
    private mutating func tidyLine(_ queue: Queue) {
        let stale = queue.pointee.ready.count - queue.pointee.counts.queued
        guard stale > 1_024, stale > queue.pointee.ready.count / 2 else { return }
        let table = jobs.view
        queue.pointee.ready.compact { table.isReady($0) }
    }

    /// A final job is retried or forgotten: it no longer stands where its retention is waited for.
    mutating func leaveFinished(_ queue: Queue, _ state: JobEntry.State) {
        let table = jobs.view
        if state.isKeptAsSucceeded {
            queue.pointee.succeeded.noteStale { table.isFinished($0) }
        } else {
            queue.pointee.failed.noteStale { table.isFinished($0) }
        }
    }

    /// Removes a final job.
    mutating func remove(_ sequence: UInt64, _ entry: Entry) {
        let queue = queues.at(entry.pointee.queue)
        let state = entry.pointee.state
        queue.pointee.counts[state.jobState] -= 1
        queue.pointee.change = change
        noteChanged(sequence)
        discard(sequence, entry)
        leaveFinished(queue, state)
    }

    // MARK: Purging and deleting

    /// Ends all jobs that wait: in the books at once, one by one when they are met, or when ``clean(limit:)`` comes to them.
    mutating func purge(_ number: UInt32, _ queue: Queue, _ stamp: Stamp) {
        let waiting = queue.pointee.counts.queued + queue.pointee.counts.scheduled + queue.pointee.counts.retrying
        if !isReplaying {
            queue.pointee.throughput.jobsEnded(waiting, at: self.stamp.engine)
            for sequence in watchedJobs where jobs.find(sequence)?.pointee.queue == number { changedJobs.append(sequence) }
        }
        let keeps = queue.pointee.keepsFinished
        queue.pointee.counts.queued = 0
        queue.pointee.counts.scheduled = 0
        queue.pointee.counts.retrying = 0
        if keeps { queue.pointee.counts.cancelled += waiting }
        queue.pointee.bytes -= queue.pointee.waitingBytes
        queue.pointee.waitingBytes = 0
        queue.pointee.ready = ReadyJobs()
        queue.pointee.purge += 1
        queue.pointee.change = change
        guard waiting > 0 else { return }
        queue.pointee.purges.append(
            QueueState.Purge(
                number: queue.pointee.purge,
                stamp: Stamp(engine: self.stamp.engine, wall: stamp.wall),
                change: change,
                keeps: keeps
            )
        )
        beginCleaning(number, queue)
        if !isReplaying { queue.pointee.throughput.note(self.stamp.engine, isBusy: queue.pointee.isBusy) }
    }

    /// Ends one job that a purge met while it waited.
    mutating func endPurged(_ sequence: UInt64, _ entry: Entry, _ queue: Queue) -> Entry? {
        let purge = queue.pointee.purges.first { $0.number > entry.pointee.purge }
        leave(entry)
        hot.remove(sequence)
        guard let purge, purge.keeps else {
            discard(sequence, entry)
            return nil
        }
        entry.pointee.state = .cancelled
        entry.pointee.flags.insert(.purged)
        entry.pointee.time = purge.stamp.wall
        entry.pointee.change = purge.change
        queue.pointee.succeeded.append(FinishedJob(sequence: sequence, ended: purge.stamp.engine, change: purge.change))
        if case .keep(let succeeded, _, _) = queue.pointee.settings.retention { noteSweep(after: succeeded) }
        if queue.pointee.overCount > 0 { overfullQueues.insert(entry.pointee.queue) }
        return entry
    }

    /// Removes a queue: its running jobs' leases at once, its jobs one by one as ``clean(limit:)`` comes to them.
    mutating func delete(_ number: UInt32, _ queue: Queue) {
        if queue.pointee.counts.running > 0 {
            for place in leases.leases.indices where leases.leases[place].fencing != 0 {
                let sequence = leases.leases[place].sequence
                if let entry = jobs.find(sequence), entry.pointee.queue == number { endLease(entry) }
            }
        }
        for sequence in watchedJobs where jobs.find(sequence)?.pointee.queue == number { changedJobs.append(sequence) }
        let hasJobs = queue.pointee.counts != QueueStatus.Counts() || queue.pointee.cleanings > 0
        queues.delete(number, change: change)
        overfullQueues.remove(number)
        removal = change
        if hasJobs { beginCleaning(number, queue) } else { queues.freeIfUnused(number) }
    }

    /// Removes a job of a deleted queue.
    mutating func drop(_ sequence: UInt64, _ entry: Entry) {
        leave(entry)
        hot.remove(sequence)
        discard(sequence, entry)
    }

    /// Leaves nothing of a job.
    private mutating func discard(_ sequence: UInt64, _ entry: Entry) {
        freeRarities(of: entry)
        jobs.remove(sequence)
        removal = change
    }

    /// Goes on with ending the jobs of purged and deleted queues, past at most `limit` jobs.
    mutating func clean(limit: Int) {
        var rest = limit
        while rest > 0, let cleaning = cleanings.first {
            rest -= 1
            guard let sequence = jobs.first(from: cleaning.next), sequence < cleaning.end else {
                cleanings.removeFirst()
                let queue = queues.at(cleaning.queue)
                queue.pointee.cleanings -= 1
                if queue.pointee.cleanings == 0 { queue.pointee.purges = [] }
                queues.freeIfUnused(cleaning.queue)
                continue
            }
            if jobs.find(sequence)?.pointee.queue == cleaning.queue { _ = job(sequence) }
            cleanings[0].next = sequence + 1
        }
    }

    private mutating func beginCleaning(_ number: UInt32, _ queue: Queue) {
        queue.pointee.cleanings += 1
        cleanings.append(Cleaning(queue: number, next: 0, end: nextSequence))
    }

    // MARK: Records

    mutating func forgetTimer(of record: StoredRecord) {
        guard record.expires != nil else { return }
        recordKeys[record.change] = nil
        recordTimers.noteStale()
        guard recordTimers.needsCompacting else { return }
        let keys = recordKeys
        recordTimers.compact { keys[$0.subject] != nil }
    }
}
