import DequeModule
import GodwitCore
import GodwitJournal

/// Purging and deleting queues: at once in the books, job by job when each is met.
extension EngineState {
    /// Ends all jobs that wait: in the books at once, one by one when they are met, or when ``clean(limit:)`` comes to them.
    mutating func purge(_ number: UInt32, _ queue: Queue, _ stamp: Stamp) {
        let waiting = queue.pointee.counts.queued + queue.pointee.counts.scheduled + queue.pointee.counts.retrying
        if !isReplaying {
            queue.pointee.throughput.jobsEnded(waiting, at: leaseNow)
            for sequence in watchedJobs where queueNumber(of: sequence) == number { changedJobs.append(sequence) }
        }
        let keeps = queue.pointee.keepsFinished
        queue.pointee.counts.queued = 0
        queue.pointee.counts.scheduled = 0
        queue.pointee.counts.retrying = 0
        if keeps { queue.pointee.counts.cancelled += waiting }
        queue.pointee.bytes -= queue.pointee.waitingBytes
        queue.pointee.waitingBytes = 0
        queue.pointee.ready = ReadyJobs()
        queue.pointee.behind = ReadyJobs()
        queue.pointee.change = change
        guard waiting > 0 else { return }
        queue.pointee.purge = change
        queue.pointee.purges.append(
            QueueState.Purge(stamp: Stamp(engine: self.stamp.engine, wall: stamp.wall), change: change, keeps: keeps)
        )
        beginCleaning(number, queue)
        noteBusy(queue)
    }

    /// Ends one job that a purge met while it waited.
    mutating func endPurged(_ sequence: UInt64, _ queue: Queue) {
        guard let entry = jobs.edit(sequence) else { return }
        let flags = entry.pointee.flags
        if entry.pointee.flags.contains(.hasFollowUps) { oweFollowUps(sequence, entry.pointee, .cancelled) }
        let purge = queue.pointee.purges.first { $0.change > entry.pointee.change }
        if let purge, purge.keeps {
            let final = Final(location: endings.add(at: purge.stamp.wall), size: .share, saysAttempts: false)
            let attempts = attemptsToKeep(sequence, entry.pointee, final)
            leave(entry)
            entry.pointee.state = .cancelled
            entry.pointee.change = purge.change
            keep(sequence, entry.pointee, queue, final, attempts, ended: purge.stamp.engine)
        } else {
            leave(entry)
            forget(sequence, entry.pointee)
        }
        removeUnfinished(sequence, flags)
    }

    /// Removes a queue: its running jobs' leases at once, its jobs one by one as ``clean(limit:)`` comes to them.
    mutating func delete(_ number: UInt32, _ queue: Queue) {
        if queue.pointee.counts.running > 0 {
            for place in leases.leases.indices where leases.leases[place].fencing != 0 {
                let sequence = leases.leases[place].sequence
                if jobs.find(sequence)?.pointee.queue == number, let entry = jobs.edit(sequence) { dropLease(entry) }
            }
        }
        for sequence in watchedJobs where queueNumber(of: sequence) == number { changedJobs.append(sequence) }
        let hasJobs = queue.pointee.counts != QueueStatus.Counts() || queue.pointee.cleanings > 0
        meter.forget(number)
        queues.delete(number, change: change)
        overfullQueues.remove(number)
        removal = change
        if hasJobs { beginCleaning(number, queue) } else { queues.freeIfUnused(number) }
    }

    /// Removes an unfinished job of a deleted queue.
    mutating func drop(unfinished sequence: UInt64) {
        guard let entry = jobs.edit(sequence) else { return }
        let flags = entry.pointee.flags
        if entry.pointee.flags.contains(.hasFollowUps) { oweFollowUps(sequence, entry.pointee, .cancelled) }
        leave(entry)
        forget(sequence, entry.pointee)
        removeUnfinished(sequence, flags)
    }

    /// Removes a finished job of a deleted queue.
    mutating func drop(finished sequence: UInt64) {
        guard let entry = finished.find(sequence) else { return }
        forget(sequence, entry.pointee)
    }

    /// Goes on with ending the jobs of purged and deleted queues, past at most `limit` jobs.
    mutating func clean(limit: Int) {
        var rest = limit
        while rest > 0, let cleaning = cleanings.first {
            rest -= 1
            guard let sequence = firstJob(from: cleaning.next), sequence < cleaning.end else {
                cleanings.removeFirst()
                let queue = queues.at(cleaning.queue)
                queue.pointee.cleanings -= 1
                if queue.pointee.cleanings == 0 { queue.pointee.purges = [] }
                queues.freeIfUnused(cleaning.queue)
                continue
            }
            if queueNumber(of: sequence) == cleaning.queue { _ = job(sequence) }
            cleanings[0].next = sequence + 1
        }
    }

    private mutating func beginCleaning(_ number: UInt32, _ queue: Queue) {
        queue.pointee.cleanings += 1
        cleanings.append(Cleaning(queue: number, next: 0, end: nextSequence))
    }
}
