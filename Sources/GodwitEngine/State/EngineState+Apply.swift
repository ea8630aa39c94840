import GodwitCore
import GodwitJournal

extension EngineState {
    /// Carries out a recorded change.
    /// - Throws: ``RecordError/contradiction(_:)`` when it does not fit; live, that is a fault of the engine's.
    mutating func apply(_ change: Change, _ stamp: Stamp, at location: RecordLocation) throws(RecordError) {
        self.change += 1
        self.stamp = Stamp(engine: max(stamp.engine, self.stamp.engine), wall: stamp.wall)
        switch change {
        case .store(let identity):
            self.identity = identity
            isNew = false
        case .level(let level):
            self.level = max(self.level, level)
            if self.level >= .first { for number in queues.numbers.values { queues.at(number).pointee.keys.dropTexts() } }
        case .restored(let restoration):
            apply(restoration)
        case .opened(let opening):
            try apply(opening, stamp)
        case .clock:
            break
        case .reserved(let end):
            reserved = end
        case .queue(let change):
            try apply(change)
        case .paused(let number, let isPaused):
            let queue = try queue(number)
            queue.pointee.isPaused = isPaused
            queue.pointee.change = self.change
            noteBusy(queue)
            if !isPaused { stir(number, queue) }
        case .purged(let number):
            purge(number, try queue(number), stamp)
        case .queueDeleted(let number):
            delete(number, try queue(number))
        case .published(let job):
            try apply(job, at: location)
        case .past(let past):
            try apply(past, at: location)
        case .leased(let grant):
            try apply(grant, stamp)
        case .completed(let completion):
            let (entry, queue) = try running(completion.sequence)
            queue.pointee.totals.succeeded += 1
            noteRun(entry)
            finish(completion.sequence, entry, queue, .succeeded, Final(location: location, size: SizeClass(of: completion.resultBytes)))
        case .completedTogether(let sequences):
            try complete(sequences, at: location)
        case .failed(let attempt):
            try apply(attempt, at: location)
        case .released(let release):
            try apply(release, at: location)
        case .cancelled(let cancellation):
            let (entry, queue) = try unfinished(cancellation.sequence)
            if entry.pointee.state == .running {
                let lease = leases[entry.pointee.lease - 1]
                // One who holds for life may never come back; an hour is longer than any heartbeat's interval.
                requestCancel(lease.fencing, until: min(lease.deadline, leaseNow + 3_600_000))
            }
            finish(cancellation.sequence, entry, queue, .cancelled, Final(location: location, size: SizeClass(of: 0)))
        case .retried(let retry):
            try apply(retry)
        case .forgotten(let sequence):
            remove(sequence, try finished(sequence))
        case .redriven(let sequence):
            let (entry, queue) = try unfinished(sequence)
            finish(sequence, entry, queue, .cancelled, Final(location: location, size: SizeClass(of: 0)), isKept: false)
        case .due(let jobs):
            for job in jobs { try makeReady(job) }
        case .expired(let sequences):
            let final = Final(location: location, size: .share, saysAttempts: false)
            for sequence in sequences {
                let (entry, queue) = try unfinished(sequence)
                queue.pointee.totals.expired += 1
                finish(sequence, entry, queue, .expired, final)
            }
        case .progressed(let sequence, let progress):
            let (entry, queue) = try running(sequence)
            withExtra(sequence, entry) { $0.progress = progress }
            touch(sequence, entry, queue)
        case .put(let record):
            if let old = records[record.key] { forget(old) }
            if let old = counters.removeValue(forKey: record.key) { forget(old) }
            let size = SizeClass(of: record.valueBytes)
            use.add(location, size)
            records[record.key] = StoredRecord(location: location, size: size, change: self.change, expires: record.expires)
            if let expires = record.expires {
                recordTimers.insert(expires, self.change)
                recordKeys[self.change] = record.key
            }
            noteChanged(record.key)
        case .deleted(let key):
            if let old = counters.removeValue(forKey: key) {
                forget(old)
            } else {
                guard let old = records.removeValue(forKey: key) else { throw .contradiction("a record is deleted that is not there") }
                forget(old)
            }
            noteChanged(key)
        case .added(let step):
            try apply(step, at: location)
        case .followed(let end):
            try apply(end)
        case .swept(let sweep):
            try apply(sweep)
        case .moved(let move):
            try apply(move, at: location)
        case .outcome(let outcome):
            sessions.record(
                outcome.session.id,
                outcome.session.number,
                acknowledged: outcome.session.acknowledged,
                SessionTable.Outcome(results: outcome.results, change: self.change),
                at: self.stamp.engine
            )
        case .sessionsEnded(let ids):
            for id in ids { sessions.end(id) }
        }
    }

    private mutating func apply(_ opening: Opening, _ stamp: Stamp) throws(RecordError) {
        self.opening = (opening, stamp)
        nextFencing = max(nextFencing, UInt64(opening.epoch) << 32 | 1)
        // Nobody could ask while the store was closed.
        sessions.touchAll(at: self.stamp.engine)
        // Changes that were never durable must not lend their numbers to others: more than can be under way are passed over.
        change += 1 << 24
        nextSequence = max(nextSequence, reserved)
        reserved = 0
        if hasTransients { try dropTransients() }
    }

    private mutating func apply(_ restoration: Restoration) {
        // What their transactions came to after the backup is not known.
        sessions = SessionTable()
        identity.beginLife(at: nextSequence, incarnation: restoration.incarnation)
        nextFencing = max(nextFencing, UInt64(restoration.epoch) << 32 | 1)
        // Versions that were given out after the backup must not come again for other contents: more than three days of a million changes
        // a second are passed over.
        change += 1 << 38
    }

    private mutating func apply(_ change: QueueChange) throws(RecordError) {
        if let number = queues.numbers[change.name] {
            guard number == change.queue else { throw .contradiction("queue \(change.name) has two numbers") }
            let queue = queues.at(number), dropped = queue.pointee.settings.overflow == .dropOldest
            queue.pointee.settings = change.settings
            gatherBehind(number, queue, dropped: dropped)
            queue.pointee.settingsChange = self.change
            queue.pointee.change = self.change
            nextSweep = stamp.engine
            if queue.pointee.overCount > 0 { overfullQueues.insert(number) }
        } else {
            guard change.queue == UInt32(queues.count) else { throw .contradiction("queue number \(change.queue) is out of order") }
            queues.append(QueueState(name: change.name, settings: change.settings, change: self.change))
        }
    }

    mutating func apply(_ job: borrowing Publication, at location: RecordLocation) throws(RecordError) {
        let queue = try queue(job.queue)
        let fresh = JobEntry(
            message: location,
            change: change,
            queue: job.queue,
            size: job.size,
            maxAttempts: job.maxAttempts,
            priority: job.priority,
            state: job.due == nil ? .queued : .scheduled
        )
        guard let entry = jobs.insert(job.sequence, fresh), finished.find(job.sequence) == nil else {
            throw .contradiction("job \(job.sequence) is there already")
        }
        nextSequence = max(nextSequence, job.sequence + 1)
        use.add(location, fresh.messageClass)
        if job.isTransient {
            entry.pointee.flags.insert(.isTransient)
            hasTransients = true
        }
        if job.expires != nil || job.timeout != nil {
            withExtra(job.sequence, entry) { extra in
                extra.expires = job.expires
                extra.timeout = job.timeout
            }
        }
        if let expires = job.expires {
            entry.pointee.flags.insert(.expires)
            expiries.insert(expires, job.sequence)
        }
        queue.pointee.bytes += job.size
        queue.pointee.waitingBytes += job.size
        queue.pointee.totals.published += 1
        if let origin = job.origin { noteMoved(origin) }
        if let group = job.group { join(group, job.sequence, entry) }
        if let claim = job.claim { own(claim, job.sequence, entry) }
        if job.onFinalBytes > 0 { entry.pointee.flags.insert(.hasFollowUps) }
        if let key = job.key {
            queue.pointee.keys.insert(
                KeyLine.Entry(
                    mark: KeyMark(key, in: job.queue, identity),
                    fingerprint: FingerprintMark(job.fingerprint, identity),
                    sequence: job.sequence,
                    at: stamp.engine
                ),
                text: level >= .first ? nil : DedupWindow.Text(key: key, fingerprint: job.fingerprint)
            )
            noteSweep(after: queue.pointee.settings.dedupWindow, from: stamp.engine)
        }
        if let due = job.due {
            switch due {
            case .engine(let time):
                setDue(job.sequence, entry, time)
            case .wall(let time):
                entry.pointee.flags.insert(.dueIsWall)
                setDue(job.sequence, entry, time)
            }
            queue.pointee.counts.scheduled += 1
        } else {
            entry.pointee.time = stamp.wall
            queue.pointee.counts.queued += 1
            lineUp(job.sequence, entry, queue)
        }
        queue.pointee.change = change
    }

    private mutating func apply(_ sweep: Sweep) throws(RecordError) {
        let queue = try queue(sweep.queue)
        for sequence in sweep.sequences { remove(sequence, try finished(sequence)) }
        guard sweep.keys <= queue.pointee.keys.count else { throw .contradiction("more keys are dropped than there are") }
        for _ in 0..<sweep.keys { queue.pointee.keys.removeFirst() }
        queue.pointee.change = change
    }

    /// The dead letter of a job that died in this group went to another queue.
    private mutating func noteMoved(_ sequence: UInt64) {
        guard let (entry, queue) = editUnfinished(sequence) else { return }
        withExtra(sequence, entry) { $0.isDeadLettered = true }
        queue.pointee.totals.deadLettered += 1
    }

    // MARK: Looking up

    func queue(_ number: UInt32) throws(RecordError) -> Queue {
        guard let queue = queues[number], !queue.pointee.isDeleted else { throw .contradiction("there is no queue \(number)") }
        return queue
    }

    /// An unfinished job to change, brought up to date with purges and deletions of its queue; valid until a job is added or removed.
    mutating func editUnfinished(_ sequence: UInt64) -> (Entry, Queue)? {
        guard let found = unfinishedJob(sequence), let entry = jobs.edit(sequence) else { return nil }
        return (entry, queues.at(found.pointee.queue))
    }

    mutating func running(_ sequence: UInt64) throws(RecordError) -> (Entry, Queue) {
        guard let found = editUnfinished(sequence), found.0.pointee.state == .running else {
            throw .contradiction("job \(sequence) is not running")
        }
        return found
    }

    mutating func unfinished(_ sequence: UInt64) throws(RecordError) -> (Entry, Queue) {
        guard let found = editUnfinished(sequence) else { throw .contradiction("job \(sequence) is not unfinished") }
        return found
    }

    private mutating func finished(_ sequence: UInt64) throws(RecordError) -> FinishedEntry {
        guard case .finished(let entry)? = job(sequence) else { throw .contradiction("job \(sequence) is not final") }
        return entry.pointee
    }
}
