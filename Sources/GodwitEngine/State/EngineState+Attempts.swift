import GodwitCore
import GodwitJournal

/// Recorded changes that begin attempts, end them, and bring jobs back into their lines.
extension EngineState {
    mutating func apply(_ grant: Grant, _ stamp: Stamp) throws(RecordError) {
        let holder = leases.holder(grant.holder)
        var fencing = grant.firstFencing
        for sequence in grant.sequences {
            guard let (entry, queue) = editUnfinished(sequence), entry.pointee.state == .queued else {
                throw .contradiction("job \(sequence) is leased but not ready")
            }
            noteWait(sequence, entry)
            if entry.pointee.flags.contains(.hasExtra) { withExtra(sequence, entry) { $0.started = nil } }
            let lease = Lease(
                sequence: sequence,
                fencing: fencing,
                started: stamp.wall,
                deadline: grant.term == 0 ? .max : leaseNow + grant.term,
                attemptDeadline: attemptDeadline(extra(sequence, entry.pointee)?.timeout, term: grant.term, queue),
                term: grant.term,
                grantedTerm: grant.term,
                holder: holder,
                previous: 0,
                next: 0,
                endsWithProcess: grant.endsWithProcess,
                timerAt: .max
            )
            let place = leases.insert(lease)
            setTimer(place)
            entry.pointee.lease = place + 1
            entry.pointee.deliveries += 1
            entry.pointee.attempt += 1
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

    mutating func apply(_ attempt: FailedAttempt, at location: RecordLocation) throws(RecordError) {
        let (entry, queue) = try attempt.reason == .dropped ? unfinished(attempt.sequence) : running(attempt.sequence)
        let size = SizeClass(of: attempt.messageBytes)
        if attempt.reason == .dropped { queue.pointee.totals.dropped += 1 } else { queue.pointee.totals.failedAttempts += 1 }
        if attempt.failure.code == FailureCode.leaseExpired { queue.pointee.totals.leasesExpired += 1 } else { noteRun(entry) }
        if case .final = attempt.next {
            if attempt.reason != .dropped { queue.pointee.totals.failed += 1 }
            return finish(attempt.sequence, entry, queue, .failed, Final(location: location, size: size))
        }
        stopExpiring(attempt.sequence, entry)
        // Before it waits: one that seems to wait since before a purge would not live any more when it comes to its group.
        touch(attempt.sequence, entry, queue)
        switch attempt.next {
        case .final: break
        case .retry(let time):
            wait(attempt.sequence, entry, queue, .retrying, until: time)
        case .queue(let position):
            nextSequence = max(nextSequence, position + 1)
            beginToWait(attempt.sequence, entry, queue, .queued)
            setPosition(position, attempt.sequence, entry)
            lineUp(attempt.sequence, entry, queue)
        }
        addFailure(KeptRecord(location: location, size: size), attempt.sequence, entry)
    }

    mutating func addFailure(_ failure: KeptRecord, _ sequence: UInt64, _ entry: Entry) {
        var failures = extra(sequence, entry.pointee)?.failures ?? []
        add(failure, to: &failures)
        withExtra(sequence, entry) { $0.failures = failures }
    }

    mutating func apply(_ release: Release, at location: RecordLocation) throws(RecordError) {
        let (entry, queue) = try running(release.sequence)
        if release.isUntouched {
            entry.pointee.deliveries = max(1, entry.pointee.deliveries) - 1
            // Its timer may have come while it was held; none comes in a replay.
            if !isReplaying, entry.pointee.flags.contains(.expires), let time = extra(release.sequence, entry.pointee)?.expires,
                time <= stamp.engine
            {
                expiries.insert(time, release.sequence)
            }
        } else {
            noteRun(entry)
            stopExpiring(release.sequence, entry)
        }
        // Before it waits, as for failed attempts.
        touch(release.sequence, entry, queue)
        if !release.isCounted, entry.pointee.attempt > 0 { entry.pointee.attempt -= 1 }
        if !release.amended.isEmpty { setAmendment(KeptRecord(location: location, size: SizeClass(of: 0)), release.sequence, entry) }
        if let position = release.position {
            nextSequence = max(nextSequence, position + 1)
            setPosition(position, release.sequence, entry)
            goToBackOfGroup(release.sequence, entry)
        }
        if let time = release.due {
            wait(release.sequence, entry, queue, .scheduled, until: time)
        } else {
            beginToWait(release.sequence, entry, queue, .queued)
            lineUp(release.sequence, entry, queue)
        }
        if release.isUntouched, entry.pointee.deliveries == 0 { withExtra(release.sequence, entry) { $0.started = nil } }
    }

    /// An attempt was begun: a job that was started does not expire any more.
    private mutating func stopExpiring(_ sequence: UInt64, _ entry: Entry) {
        guard entry.pointee.flags.contains(.expires) else { return }
        entry.pointee.flags.remove(.expires)
        expiries.noteStale()
        withExtra(sequence, entry) { $0.expires = nil }
    }

    mutating func makeReady(_ job: DueJob) throws(RecordError) {
        let (entry, queue) = try unfinished(job.sequence)
        guard entry.pointee.state.isTimed else { throw .contradiction("job \(job.sequence) waits for no time") }
        // Live, its timer has just fired.
        if isReplaying { noteTimerStale(entry.pointee) }
        nextSequence = max(nextSequence, job.position + 1)
        stopWaitingForTime(job.sequence, entry, queue, job.position)
    }

    /// A scheduled or retrying job takes its place in line.
    private mutating func stopWaitingForTime(_ sequence: UInt64, _ entry: Entry, _ queue: Queue, _ position: UInt64) {
        entry.pointee.flags.remove(.dueIsWall)
        entry.pointee.time = stamp.wall
        move(entry, queue, to: .queued)
        setPosition(position, sequence, entry)
        lineUp(sequence, entry, queue)
        touch(sequence, entry, queue)
    }

    mutating func apply(_ retry: Retry) throws(RecordError) {
        let sequence = retry.sequence
        nextSequence = max(nextSequence, retry.position + 1)
        if let (entry, queue) = editUnfinished(sequence) {
            guard entry.pointee.state.isTimed else { throw .contradiction("job \(sequence) cannot be retried") }
            noteTimerStale(entry.pointee)
            return stopWaitingForTime(sequence, entry, queue, retry.position)
        }
        guard case .finished(let found)? = job(sequence), found.pointee.state != .succeeded, let revival = retry.revival else {
            throw .contradiction("job \(sequence) cannot be retried")
        }
        let ended = found.pointee
        var attempts = revival.attempts
        attempts.allowOneMore()
        let queue = queues.at(ended.queue)
        leaveFinished(sequence, ended, queue)
        queue.pointee.counts[ended.state.jobState] -= 1
        var fresh = JobEntry(
            message: ended.message,
            change: change,
            queue: ended.queue,
            size: revival.size,
            maxAttempts: attempts.maxAttempts,
            priority: revival.priority,
            state: .queued
        )
        fresh.time = stamp.wall
        fresh.attempt = attempts.attempt
        fresh.deliveries = attempts.deliveries
        if ended.hasExtra { fresh.flags.insert(.hasExtra) }
        if ended.isTransient { fresh.flags.insert(.isTransient) }
        finished.remove(sequence)
        guard let entry = jobs.insert(sequence, fresh) else { throw .contradiction("job \(sequence) is there twice") }
        if ended.state == .failed {
            // What ended it is one of its failures from now on.
            use.remove(ended.final, ended.finalClass)
            addFailure(KeptRecord(location: ended.final, size: ended.finalClass), sequence, entry)
        } else {
            forgetFinal(ended)
        }
        withExtra(sequence, entry) { extra in
            extra.attempts = nil
            extra.started = attempts.started
            extra.timeout = revival.timeout
        }
        setPosition(retry.position, sequence, entry)
        if let group = revival.group { rejoin(group, sequence, entry) }
        if let claim = revival.claim { own(claim, sequence, entry) }
        if revival.hasFollowUps { entry.pointee.flags.insert(.hasFollowUps) }
        queue.pointee.bytes += revival.size
        queue.pointee.waitingBytes += revival.size
        queue.pointee.counts.queued += 1
        lineUp(sequence, entry, queue)
        touch(sequence, entry, queue)
    }
}
