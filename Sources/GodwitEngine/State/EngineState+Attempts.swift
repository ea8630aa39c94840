import GodwitCore
import GodwitJournal

/// Recorded changes that begin attempts, end them, and bring jobs back into their lines.
extension EngineState {
    mutating func apply(_ grant: Grant, _ stamp: Stamp) throws(RecordError) {
        let holder = leases.holder(grant.holder)
        var fencing = grant.firstFencing
        for sequence in grant.sequences {
            guard let entry = job(sequence), entry.pointee.state == .queued else {
                throw .contradiction("job \(sequence) is leased but not ready")
            }
            let queue = queues.at(entry.pointee.queue)
            if entry.pointee.flags.contains(.expires) {
                entry.pointee.flags.remove(.expires)
                expiries.noteStale()
            }
            let timeout = entry.pointee.rarities == 0 ? nil : rarities[Int(entry.pointee.rarities - 1)].timeout
            let lease = Lease(
                sequence: sequence,
                fencing: fencing,
                deadline: grant.term == 0 ? .max : leaseNow + grant.term,
                attemptDeadline: attemptDeadline(timeout, term: grant.term, queue),
                term: grant.term,
                holder: holder,
                previous: 0,
                next: 0,
                endsWithProcess: grant.endsWithProcess,
                timerAt: .max
            )
            let place = leases.insert(lease)
            setTimer(place)
            entry.pointee.lease = place + 1
            entry.pointee.deliveries &+= 1
            entry.pointee.attempt = entry.pointee.attempt == .max ? .max : entry.pointee.attempt + 1
            entry.pointee.started = stamp.wall
            queue.pointee.waitingBytes -= Int(entry.pointee.size)
            queue.pointee.totals.delivered += 1
            move(entry, queue, to: .running)
            touch(sequence, entry, queue)
            _ = head(of: queue)
            fencing += 1
        }
        leases.retire(holder)
        nextFencing = max(nextFencing, fencing)
    }

    mutating func apply(_ attempt: FailedAttempt, _ stamp: Stamp, at location: RecordLocation) throws(RecordError) {
        let (entry, queue) = try running(attempt.sequence)
        withRarities(entry) { rarities in
            if rarities.failures.count >= Limits.errorsKept { rarities.failures.removeFirst() }
            rarities.failures.append(location)
        }
        queue.pointee.totals.failedAttempts += 1
        if attempt.failure.code == FailureCode.leaseExpired { queue.pointee.totals.leasesExpired += 1 }
        switch attempt.next {
        case .final:
            return finish(attempt.sequence, entry, queue, .failed, stamp)
        case .retry(let time):
            endLease(entry)
            wait(attempt.sequence, entry, queue, .retrying, until: time)
        case .queue(let position):
            endLease(entry)
            nextSequence = max(nextSequence, position + 1)
            entry.pointee.position = position
            beginToWait(entry, queue, .queued)
            lineUp(attempt.sequence, entry, queue)
        }
        touch(attempt.sequence, entry, queue)
    }

    mutating func apply(_ release: Release) throws(RecordError) {
        let (entry, queue) = try running(release.sequence)
        endLease(entry)
        if !release.isCounted, entry.pointee.attempt > 0 { entry.pointee.attempt -= 1 }
        if let time = release.due {
            wait(release.sequence, entry, queue, .scheduled, until: time)
        } else {
            beginToWait(entry, queue, .queued)
            lineUp(release.sequence, entry, queue)
        }
        touch(release.sequence, entry, queue)
    }

    mutating func makeReady(_ job: DueJob) throws(RecordError) {
        let (entry, queue) = try unfinished(job.sequence)
        guard entry.pointee.state != .running, entry.pointee.state != .queued else {
            throw .contradiction("job \(job.sequence) waits for no time")
        }
        // Live, its timer has just fired.
        if isReplaying { noteTimerStale(entry) }
        entry.pointee.position = job.position
        nextSequence = max(nextSequence, job.position + 1)
        entry.pointee.flags.remove(.dueIsWall)
        entry.pointee.purge = queue.pointee.purge
        move(entry, queue, to: .queued)
        lineUp(job.sequence, entry, queue)
        touch(job.sequence, entry, queue)
    }

    mutating func retry(_ sequence: UInt64, _ position: UInt64) throws(RecordError) {
        guard let entry = self.job(sequence) else { throw .contradiction("there is no job \(sequence)") }
        let queue = queues.at(entry.pointee.queue)
        switch entry.pointee.state {
        case .scheduled, .retrying:
            noteTimerStale(entry)
            entry.pointee.flags.remove(.dueIsWall)
            entry.pointee.purge = queue.pointee.purge
            move(entry, queue, to: .queued)
        case .failed, .cancelled, .expired:
            let ended = entry.pointee.state
            entry.pointee.flags.subtract([.purged, .expires, .dueIsWall])
            entry.pointee.maxAttempts = entry.pointee.maxAttempts == .max ? .max : entry.pointee.maxAttempts + 1
            queue.pointee.bytes += Int(entry.pointee.size)
            beginToWait(entry, queue, .queued)
            leaveFinished(queue, ended)
        default: throw .contradiction("job \(sequence) cannot be retried")
        }
        entry.pointee.position = position
        nextSequence = max(nextSequence, position + 1)
        lineUp(sequence, entry, queue)
        touch(sequence, entry, queue)
    }
}
