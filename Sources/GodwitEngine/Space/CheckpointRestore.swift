import GodwitCore
import GodwitJournal

/// Takes the parts of a checkpoint up into a fresh state, and makes of them what it does not hold: lines, timers, what is live where.
struct CheckpointRestore {
    /// How many items of each part there are to be.
    private struct Counts: Equatable {
        var queues = 0, keys = 0, endings = 0, leases = 0, extras = 0, records = 0, jobs = 0, finished = 0
        var members = 0, claims = 0, sessions = 0, counters = 0, owed = 0
    }

    private var expected: Counts?
    private var keys = 0

    /// Whether there was a checkpoint.
    var hasBegun: Bool { expected != nil }

    /// Takes a chunk up.
    mutating func take(_ section: UInt8, _ bytes: UnsafeRawBufferPointer, into state: inout EngineState) throws(RecordError) {
        guard let section = CheckpointSection(rawValue: section) else { throw .newer("part \(section) of a checkpoint") }
        guard section == .store || hasBegun else { throw .malformed("a checkpoint that does not begin with its first part") }
        var reader = RecordReader(bytes)
        while !reader.isAtEnd {
            switch section {
            case .store: try takeStore(&reader, into: &state)
            case .queues: try takeQueue(&reader, into: &state)
            case .keys: try takeKey(&reader, into: &state)
            case .keyMarks: try takeKeyMark(&reader, into: &state)
            case .retention: try takeRetention(&reader, into: &state)
            case .endings: try takeEnding(&reader, into: &state)
            case .holders: try takeHolder(&reader, into: &state)
            case .leases: try takeLease(&reader, into: &state)
            case .extras: try takeExtra(&reader, into: &state)
            case .records: try takeRecord(&reader, into: &state)
            case .jobs: try takeJobs(&reader, into: &state)
            case .finished: try takeFinished(&reader, into: &state)
            case .groups: try state.groups.restore(&reader)
            case .claims: try state.claims.restore(&reader)
            case .sessions: try state.sessions.restore(&reader)
            case .counters: try takeCounter(&reader, into: &state)
            case .owed: try takeOwed(&reader, into: &state)
            }
        }
    }

    /// All parts are taken up.
    mutating func end(_ state: inout EngineState) throws(RecordError) {
        guard let expected else { return }
        let found = Counts(
            queues: state.queues.count,
            keys: keys,
            endings: state.endings.count,
            leases: state.leases.count,
            extras: state.extras.count,
            records: state.records.count,
            jobs: state.jobs.count,
            finished: state.finished.count,
            members: state.groups.memberCount,
            claims: state.claims.count,
            sessions: state.sessions.count,
            counters: state.counters.count,
            owed: state.owed.count
        )
        guard found == expected else { throw .malformed("a checkpoint that lacks some of what it is to hold") }
        state.leases.endRestore()
        state.dropClaimsOfEnded()
        state.lineUpRestored()
    }

    // MARK: Parts

    private mutating func takeStore(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        guard expected == nil else { throw .malformed("a checkpoint with two first parts") }
        let layout: UInt8 = try reader.get()
        guard layout >= CheckpointSection.layout else { throw .malformed("a checkpoint of no layout") }
        state.level = try Change.level(layout - CheckpointSection.layout)
        state.identity = try StoreIdentity(decoding: &reader)
        state.isNew = false
        state.stamp = try reader.stamp()
        state.change = try reader.number()
        state.removal = try reader.number()
        state.nextSequence = try reader.sequence()
        state.nextFencing = try reader.fencing()
        if state.level >= .first { state.reserved = try reader.sequence() }
        state.hasLosses = try reader.get(UInt8.self) != 0
        state.passedOver = try reader.count()
        if try reader.get(UInt8.self) != 0 {
            let stamp = try reader.stamp()
            state.opening = (try Change.opening(&reader), stamp)
        }
        for _ in 0..<(try reader.variable()) { state.cancelRequests[try reader.fencing()] = try reader.time() }
        for _ in 0..<(try reader.variable()) {
            let cleaning = EngineState.Cleaning(queue: try reader.get(), next: try reader.number(), end: try reader.number())
            state.cleanings.append(cleaning)
        }
        var counts = Counts()
        counts.queues = try reader.count()
        counts.keys = try reader.count()
        counts.endings = try reader.count()
        counts.leases = try reader.count()
        counts.extras = try reader.count()
        counts.records = try reader.count()
        counts.jobs = try reader.count()
        counts.finished = try reader.count()
        counts.members = try reader.count()
        counts.claims = try reader.count()
        counts.sessions = try reader.count()
        // Older ones end here.
        if state.level >= .first {
            counts.counters = try reader.count()
            counts.owed = try reader.count()
        }
        expected = counts
    }

    private func takeQueue(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        guard try reader.get(UInt8.self) != 0 else { return state.queues.restore(nil) }
        guard let name = try? QueueName(try reader.text()) else { throw .malformed("a queue name that is none") }
        let settings = try Change.settings(try reader.slice())
        var queue = QueueState(name: name, settings: settings, change: try reader.number())
        queue.change = try reader.number()
        let flags: UInt8 = try reader.get()
        queue.isPaused = flags & 1 != 0
        queue.isDeleted = flags & 2 != 0
        for state in JobState.allCases { queue.counts[state] = try reader.count() }
        queue.bytes = try reader.count()
        queue.waitingBytes = try reader.count()
        queue.purge = try reader.number()
        for _ in 0..<(try reader.variable()) {
            queue.purges.append(
                QueueState.Purge(stamp: try reader.stamp(), change: try reader.number(), keeps: try reader.get(UInt8.self) != 0)
            )
        }
        queue.cleanings = try reader.count()
        if !queue.isDeleted, state.queues.numbers[name] != nil { throw .malformed("two queues of one name") }
        state.queues.restore(queue)
        // Whoever opens the store looks who has too many; it costs nothing to look at all.
        state.overfullQueues.insert(UInt32(state.queues.count - 1))
    }

    private mutating func takeKey(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        let number: UInt32 = try reader.get(), queue = try queue(number, state), key = Array(try reader.slice())
        let sequence = try reader.sequence(), fingerprint: UInt64? = try reader.optional()
        // The change that recorded it, which nothing needs.
        _ = try reader.number()
        let entry = KeyLine.Entry(
            mark: KeyMark(key, in: number, state.identity),
            fingerprint: FingerprintMark(fingerprint, state.identity),
            sequence: sequence,
            at: try reader.time()
        )
        // Development versions wrote them into checkpoints of level 1, too.
        queue.pointee.keys.insert(entry, text: state.level >= .first ? nil : DedupWindow.Text(key: key, fingerprint: fingerprint))
        keys += 1
    }

    private mutating func takeKeyMark(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        let queue = try queue(try reader.get(), state)
        let entry = KeyLine.Entry(
            mark: KeyMark(high: try reader.get(), low: try reader.get()),
            fingerprint: FingerprintMark(bits: try reader.get()),
            sequence: try reader.sequence(),
            at: try reader.time()
        )
        queue.pointee.keys.insert(entry)
        keys += 1
    }

    private func takeRetention(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        let queue = try queue(try reader.get(), state), kind: UInt8 = try reader.get()
        let job = FinishedJob(sequence: try reader.sequence(), ended: try reader.time())
        let began = kind & 2 == 0 ? job.ended - Int64(try reader.count()) : nil
        if kind & 1 == 0 { queue.pointee.succeeded.restore(job, began: began) } else { queue.pointee.failed.restore(job, began: began) }
    }

    private func takeEnding(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        state.endings.restore(try reader.get(), at: try reader.time(), jobs: try reader.count())
    }

    private func takeHolder(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        let place = try reader.place(after: state.leases.holders.count), id = HolderID(try reader.text())
        var holder = LeaseTable.HolderEntry(id: id)
        holder.first = try reader.get()
        holder.count = Int(try reader.get(UInt32.self))
        state.leases.restore(holder, at: place)
    }

    private func takeLease(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        let place = try reader.place(after: state.leases.leases.count)
        var lease = Lease.free
        lease.sequence = try reader.sequence()
        lease.fencing = try reader.fencing()
        lease.started = try reader.time()
        lease.term = try reader.time()
        lease.grantedTerm = lease.term
        lease.holder = try reader.get()
        lease.previous = try reader.get()
        lease.next = try reader.get()
        lease.endsWithProcess = try reader.get(UInt8.self) != 0
        lease.deadline = lease.term == 0 ? .max : lease.term
        guard lease.fencing != 0, state.leases.hasHolder(lease.holder) else {
            throw .malformed("a lease without a holder")
        }
        state.leases.restore(lease, at: place)
    }

    private func takeExtra(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        let sequence = try reader.sequence()
        let extra = try Extra(reading: try reader.slice())
        for failure in extra.failures { try use(failure.location, failure.size, &state) }
        if let amendment = extra.amendment { try use(amendment.location, amendment.size, &state) }
        state.extras[sequence] = extra
    }

    private func takeRecord(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        let key = try Change.recordKey(&reader)
        let record = EngineState.StoredRecord(
            location: try reader.location(),
            size: SizeClass(index: try reader.get()),
            change: try reader.number(),
            expires: try reader.optional()
        )
        try use(record.location, record.size, &state)
        state.records[key] = record
        guard let expires = record.expires else { return }
        state.recordTimers.insert(expires, record.change)
        state.recordKeys[record.change] = key
    }

    private func takeJobs(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        let first = try reader.sequence(), count = Int(try reader.get(UInt16.self))
        let slots = try reader.raw(count * 2), entries = try reader.raw(count * MemoryLayout<JobEntry>.stride)
        for index in 0..<count {
            let entry = entries.loadUnaligned(fromByteOffset: index * MemoryLayout<JobEntry>.stride, as: JobEntry.self)
            guard entry.isSound, !entry.state.isFinal, state.queues[entry.queue] != nil else {
                throw .malformed("a job's entry that is none")
            }
            guard entry.lease == 0 || state.leases.isOut(entry.lease - 1) else { throw .malformed("a job whose lease is not there") }
            try use(entry.message, entry.messageClass, &state)
            if entry.flags.contains(.isTransient) { state.hasTransients = true }
        }
        guard first % 512 == 0, state.jobs.insertPage(first / 512, slots: slots, entries: entries) else {
            throw .malformed("a page of jobs that is none")
        }
    }

    private func takeFinished(_ reader: inout RecordReader, into state: inout EngineState) throws(RecordError) {
        let first = try reader.sequence(), count = Int(try reader.get(UInt16.self))
        let slots = try reader.raw(count * 2), entries = try reader.raw(count * MemoryLayout<FinishedEntry>.stride)
        for index in 0..<count {
            let entry = entries.loadUnaligned(fromByteOffset: index * MemoryLayout<FinishedEntry>.stride, as: FinishedEntry.self)
            guard entry.state.isFinal, state.queues[entry.queue] != nil else { throw .malformed("a finished job's entry that is none") }
            try use(entry.message, entry.messageClass, &state)
            if entry.isTransient { state.hasTransients = true }
            if !entry.final.isEnding { try use(entry.final, entry.finalClass, &state) }
        }
        guard first % 512 == 0, state.finished.insertPage(first / 512, slots: slots, entries: entries) else {
            throw .malformed("a page of finished jobs that is none")
        }
    }

    @inline(__always)
    func use(_ location: RecordLocation, _ size: SizeClass, _ state: inout EngineState) throws(RecordError) {
        guard state.use.isNear(location.segment) else { throw .malformed("a segment far from all others") }
        state.use.add(location, size)
    }

    private func queue(_ number: UInt32, _ state: borrowing EngineState) throws(RecordError) -> EngineState.Queue {
        guard let queue = state.queues[number] else { throw .malformed("a queue that is not there") }
        return queue
    }
}

extension EngineState {
    /// Puts all jobs that were taken up from a checkpoint into their lines, and sets their timers.
    fileprivate mutating func lineUpRestored() {
        var moved: [(job: ReadyJob, priority: UInt8, queue: UInt32)] = [], due: [Timer] = [], dueAt: [Timer] = [], expiries: [Timer] = []
        var at: UInt64 = 0
        while let sequence = jobs.first(from: at), let entry = jobs.find(sequence) {
            at = sequence + 1
            let queue = queues.at(entry.pointee.queue)
            // What a purge or a deletion met and nobody has looked at yet stands nowhere.
            guard !queue.pointee.isDeleted, !isPurged(entry.pointee, queue) else { continue }
            if entry.pointee.flags.contains(.expires), let time = extras[sequence]?.expires {
                expiries.append(Timer(time: time, subject: sequence))
            }
            switch entry.pointee.state {
            case .scheduled, .retrying:
                let timer = Timer(time: entry.pointee.time, subject: sequence)
                if entry.pointee.flags.contains(.dueIsWall) { dueAt.append(timer) } else { due.append(timer) }
            case .queued:
                // Of a group only the first stands in line.
                if entry.pointee.flags.contains(.isGrouped), let group = groups.group(of: sequence), groups.head(of: group) != sequence {
                    standBehind(sequence, entry.pointee, queue)
                    break
                }
                let job = ReadyJob(position: position(sequence, entry.pointee), sequence: sequence)
                if job.position == sequence {
                    queue.pointee.ready.insert(job, priority: entry.pointee.priority)
                } else {
                    moved.append((job, entry.pointee.priority, entry.pointee.queue))
                }
            default: break
            }
        }
        moved.sort { $0.job < $1.job }
        for (job, priority, number) in moved { queues.at(number).pointee.ready.insert(job, priority: priority) }
        self.due = Timers(due)
        self.dueAt = Timers(dueAt)
        self.expiries = Timers(expiries)
    }
}

extension JobEntry {
    /// Whether its state is one: bytes from a file may say anything.
    fileprivate var isSound: Bool {
        withUnsafeBytes(of: self) { State(rawValue: $0[MemoryLayout<JobEntry>.offset(of: \.state) ?? 0]) != nil } && state != .none
    }
}

extension Extra {
    fileprivate init(reading bytes: UnsafeRawBufferPointer) throws(RecordError) {
        self.init()
        var reader = RecordReader(bytes)
        while let field = try reader.field() {
            switch field.tag {
            case .expires: expires = try field.time()
            case .timeout: timeout = try field.time()
            case .position: position = try field.number()
            case .started: started = try field.integer()
            case .fraction: progress = JobProgress(fraction: Double(bitPattern: try field.integer()))
            case .note: progress?.note = try field.text()
            case .failure:
                var parts = RecordReader(field.value)
                failures.append(KeptRecord(location: try parts.location(), size: SizeClass(index: try parts.get())))
            case .amendment:
                var parts = RecordReader(field.value)
                amendment = KeptRecord(location: try parts.location(), size: SizeClass(index: try parts.get()))
            case .isDeadLettered: isDeadLettered = try field.integer(UInt8.self) != 0
            case .attempts:
                var parts = RecordReader(field.value)
                attempts = Attempts(
                    attempt: try parts.get(),
                    maxAttempts: try parts.get(),
                    deliveries: try parts.get(),
                    started: try parts.optional()
                )
            default: throw .newer("field \(field.tag.rawValue) of a checkpoint")
            }
        }
    }
}

extension RecordReader {
    fileprivate mutating func stamp() throws(RecordError) -> Stamp { Stamp(engine: try time(), wall: try time()) }

    mutating func location() throws(RecordError) -> RecordLocation {
        RecordLocation(segment: try get(), offset: try get())
    }

    mutating func count() throws(RecordError) -> Int {
        let count = try variable()
        guard count < 1 << 48 else { throw .malformed("a count out of range") }
        return Int(count)
    }

    /// A place in a table that has so many so far: they come in order, and no number is to make the table grow without end.
    fileprivate mutating func place(after count: Int) throws(RecordError) -> UInt32 {
        let place: UInt32 = try get()
        guard place >= UInt32(count), place - UInt32(count) < 1 << 20 else { throw .malformed("a place out of range") }
        return place
    }
}
