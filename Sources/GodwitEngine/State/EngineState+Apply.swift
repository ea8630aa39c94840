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
        case .opened(let opening):
            apply(opening, stamp)
        case .clock:
            break
        case .queue(let change):
            try apply(change)
        case .paused(let number, let isPaused):
            let queue = try queue(number)
            queue.pointee.isPaused = isPaused
            queue.pointee.change = self.change
            if !isReplaying { queue.pointee.throughput.note(self.stamp.engine, isBusy: queue.pointee.isBusy) }
            if !isPaused { stir(number, queue) }
        case .purged(let number):
            purge(number, try queue(number), stamp)
        case .queueDeleted(let number):
            delete(number, try queue(number))
        case .published(let job):
            try apply(job, stamp, at: location)
        case .leased(let grant):
            try apply(grant, stamp)
        case .completed(let completion):
            let (entry, queue) = try running(completion.sequence)
            if completion.result != nil {
                entry.pointee.result = location
                entry.pointee.flags.insert(.hasResult)
            }
            queue.pointee.totals.succeeded += 1
            finish(completion.sequence, entry, queue, .succeeded, stamp)
        case .failed(let attempt):
            try apply(attempt, stamp, at: location)
        case .released(let release):
            try apply(release)
        case .cancelled(let sequence):
            let (entry, queue) = try unfinished(sequence)
            if entry.pointee.state == .running {
                let lease = leases[entry.pointee.lease - 1]
                // One who holds for life may never come back; an hour is longer than any heartbeat's interval.
                cancelRequests[lease.fencing] = min(lease.deadline, leaseNow + 3_600_000)
            }
            finish(sequence, entry, queue, .cancelled, stamp)
        case .retried(let sequence, let position):
            try retry(sequence, position)
        case .forgotten(let sequence):
            guard let entry = job(sequence), entry.pointee.state.isFinal else { throw .contradiction("job \(sequence) is not final") }
            remove(sequence, entry)
        case .due(let jobs):
            for job in jobs { try makeReady(job) }
        case .expired(let sequences):
            for sequence in sequences {
                let (entry, queue) = try unfinished(sequence)
                finish(sequence, entry, queue, .expired, stamp)
            }
        case .progressed(let sequence, let progress):
            let (entry, queue) = try running(sequence)
            withRarities(entry) { $0.progress = progress }
            touch(sequence, entry, queue)
        case .put(let key, _, let expires):
            if let old = records[key] { forgetTimer(of: old) }
            records[key] = StoredRecord(location: location, change: self.change, expires: expires)
            if let expires {
                recordTimers.insert(expires, self.change)
                recordKeys[self.change] = key
            }
            noteChanged(key)
        case .deleted(let key):
            guard let old = records.removeValue(forKey: key) else { throw .contradiction("a record is deleted that is not there") }
            forgetTimer(of: old)
            noteChanged(key)
        case .swept(let sweep):
            try apply(sweep)
        }
    }

    private mutating func apply(_ opening: Opening, _ stamp: Stamp) {
        self.opening = (opening, stamp)
        nextFencing = max(nextFencing, UInt64(opening.epoch) << 32 | 1)
        // Changes that were never durable must not lend their numbers to others: more than can be under way are passed over.
        change += 1 << 24
    }

    private mutating func apply(_ change: QueueChange) throws(RecordError) {
        if let number = queues.numbers[change.name] {
            guard number == change.queue else { throw .contradiction("queue \(change.name) has two numbers") }
            let queue = queues.at(number)
            queue.pointee.settings = change.settings
            queue.pointee.settingsChange = self.change
            queue.pointee.change = self.change
            nextSweep = stamp.engine
            if queue.pointee.overCount > 0 { overfullQueues.insert(number) }
        } else {
            guard change.queue == UInt32(queues.count) else { throw .contradiction("queue number \(change.queue) is out of order") }
            queues.append(QueueState(name: change.name, settings: change.settings, change: self.change))
        }
    }

    private mutating func apply(_ job: Publication, _ stamp: Stamp, at location: RecordLocation) throws(RecordError) {
        let queue = try queue(job.queue)
        let fresh = JobEntry(
            message: location,
            result: location,
            change: change,
            position: job.sequence,
            created: stamp.wall,
            time: 0,
            started: 0,
            queue: job.queue,
            size: UInt32(clamping: job.size),
            lease: 0,
            rarities: 0,
            deliveries: 0,
            purge: queue.pointee.purge,
            attempt: 0,
            maxAttempts: job.maxAttempts,
            state: .queued,
            priority: job.priority,
            flags: []
        )
        guard let entry = jobs.insert(job.sequence, fresh) else { throw .contradiction("job \(job.sequence) is there already") }
        nextSequence = max(nextSequence, job.sequence + 1)
        if job.expires != nil || job.timeout != nil {
            withRarities(entry) { rarities in
                rarities.expires = job.expires
                rarities.timeout = job.timeout
            }
        }
        if let expires = job.expires {
            entry.pointee.flags.insert(.expires)
            expiries.insert(expires, job.sequence)
        }
        queue.pointee.bytes += job.size
        queue.pointee.waitingBytes += job.size
        queue.pointee.totals.published += 1
        if let key = job.key {
            queue.pointee.keys.insert(
                key,
                DedupWindow.Entry(sequence: job.sequence, fingerprint: job.fingerprint, change: change),
                at: self.stamp.engine
            )
            noteSweep(after: queue.pointee.settings.dedupWindow)
        }
        if let message = job.message { hot.insert(job.sequence, message) }
        if let due = job.due {
            entry.pointee.state = .scheduled
            switch due {
            case .engine(let time):
                entry.pointee.time = time
                self.due.insert(time, job.sequence)
            case .wall(let time):
                entry.pointee.time = time
                entry.pointee.flags.insert(.dueIsWall)
                dueAt.insert(time, job.sequence)
            }
            queue.pointee.counts.scheduled += 1
        } else {
            queue.pointee.counts.queued += 1
            lineUp(job.sequence, entry, queue)
        }
        queue.pointee.change = change
    }

    private mutating func apply(_ sweep: Sweep) throws(RecordError) {
        let queue = try queue(sweep.queue)
        for sequence in sweep.sequences {
            guard let entry = job(sequence), entry.pointee.state.isFinal else { throw .contradiction("job \(sequence) is not final") }
            remove(sequence, entry)
        }
        guard sweep.keys <= queue.pointee.keys.count else { throw .contradiction("more keys are dropped than there are") }
        for _ in 0..<sweep.keys { queue.pointee.keys.removeFirst() }
        queue.pointee.change = change
    }

    // MARK: Looking up

    func queue(_ number: UInt32) throws(RecordError) -> Queue {
        guard let queue = queues[number], !queue.pointee.isDeleted else { throw .contradiction("there is no queue \(number)") }
        return queue
    }

    mutating func running(_ sequence: UInt64) throws(RecordError) -> (Entry, Queue) {
        guard let entry = job(sequence), entry.pointee.state == .running else { throw .contradiction("job \(sequence) is not running") }
        return (entry, queues.at(entry.pointee.queue))
    }

    mutating func unfinished(_ sequence: UInt64) throws(RecordError) -> (Entry, Queue) {
        guard let entry = job(sequence), !entry.pointee.state.isFinal else { throw .contradiction("job \(sequence) is not unfinished") }
        return (entry, queues.at(entry.pointee.queue))
    }
}
