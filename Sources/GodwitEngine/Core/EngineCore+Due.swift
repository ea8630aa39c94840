import GodwitCore
import GodwitJournal

/// What time brings about.
extension EngineCore {
    /// Does what needs no record, and so no room on the disk either.
    mutating func endDue() {
        endWaits()
        if !isOwingMuch { state.clean(limit: Self.dueLimit) }
        state.tidy()
        sweepCancelRequestsIfDue()
    }

    mutating func recordDue() throws(JournalError) {
        hasMoreDue = false
        letterBudget = Self.turnBytes
        try takeUpPostponed()
        try releaseLeasesOfClosed()
        try expireLeases()
        try makeDueJobsReady(onWall: false)
        try makeDueJobsReady(onWall: true)
        try expireJobs()
        try expireRecords()
        try sweep()
        try sweepOverfull()
        try endSessions()
        try recordOwed()
        try reserveNumbers()
        try recordClockIfDue()
        if !postponed.isEmpty, postponed.retry == nil { hasMoreDue = true }
    }

    // MARK: Leases

    private mutating func expireLeases() throws(JournalError) {
        var budget = Self.dueLimit
        while let timer = state.leaseTimers.first, timer.time <= state.leaseNow {
            guard budget > 0, letterBudget > 0 else { return hasMoreDue = true }
            budget -= 1
            state.leaseTimers.removeFirst()
            guard let place = state.lease(of: timer) else { continue }
            let lease = state.leases[place]
            state.leases[place].timerAt = .max
            // One that was renewed since stands where it was due before: they end in the order in which they are due now.
            guard lease.due <= timer.time else {
                state.setTimer(place)
                continue
            }
            do { if try !end(lease) { postponed.leases.append(place) } } catch {
                state.setTimer(place)
                throw error
            }
        }
    }

    /// Ends the attempt of a lease that expired, or whose attempt took too long.
    /// - Returns: false when its dead letter cannot be read just now, or is large and has no room: what brings less may have some.
    private mutating func end(_ lease: Lease) throws(JournalError) -> Bool {
        guard let entry = state.unfinishedJob(lease.sequence) else { return true }
        try openDeadLetterQueue(of: entry.pointee.queue)
        let purpose = purposeOfFailure(entry)
        guard hasRoom(for: purpose) else { return false }
        draft.begin(nextSequence: state.nextSequence)
        let changes: [Change]
        if lease.attemptDeadline < lease.deadline {
            let failure = Failure(message: "the attempt took longer than its timeout", code: FailureCode.timeout)
            changes = failed(lease.sequence, entry, failure, .standard).0
        } else {
            changes = expired(lease.sequence, entry)
        }
        return try recordDeath(changes, for: purpose)
    }

    /// After an opening: leases of those who died with the process end, all others get their full time again. None is left of a backup's:
    /// their holders went on in a life of the store that is gone.
    mutating func restartLeases() throws(JournalError) {
        state.leaseTimers = Timers()
        for place in state.leases.renumber() {
            let lease = state.leases[place]
            state.leases[place].timerAt = .max
            guard let entry = state.unfinishedJob(lease.sequence) else { continue }
            if lease.endsWithProcess || options.restoresBackup {
                try openDeadLetterQueue(of: entry.pointee.queue)
                draft.begin(nextSequence: state.nextSequence)
                if try recordDeath(expired(lease.sequence, entry), for: options.restoresBackup ? .settle : purposeOfFailure(entry)) {
                    continue
                }
                // It ends as soon as its dead letter can be read and has room.
                state.leases[place].deadline = state.leaseNow
                state.setTimer(place)
                continue
            }
            state.leases[place].deadline = state.leaseNow + lease.term
            let queue = state.queues.at(entry.pointee.queue)
            state.leases[place].attemptDeadline = state.attemptDeadline(
                state.extra(lease.sequence, entry.pointee)?.timeout,
                term: lease.term,
                queue
            )
            state.setTimer(place)
        }
    }

    // MARK: Jobs

    private mutating func makeDueJobsReady(onWall: Bool) throws(JournalError) {
        let time = onWall ? now.wall : now.engine
        var budget = Self.dueLimit
        while let first = state.firstDue(onWall: onWall), first.time <= time {
            guard budget > 0 else { return hasMoreDue = true }
            draft.begin(nextSequence: state.nextSequence)
            var jobs: [DueJob] = [], timers: [Timer] = []
            while jobs.count < Self.dueBatch, budget > 0, let timer = state.firstDue(onWall: onWall), timer.time <= time {
                if onWall { state.dueAt.removeFirst() } else { state.due.removeFirst() }
                budget -= 1
                guard let entry = state.unfinishedJob(timer.subject), entry.pointee.time == timer.time,
                    entry.pointee.flags.contains(.dueIsWall) == onWall
                else { continue }
                switch entry.pointee.state {
                case .scheduled:
                    jobs.append(DueJob(sequence: timer.subject, position: state.position(timer.subject, entry.pointee)))
                case .retrying:
                    jobs.append(DueJob(sequence: timer.subject, position: draft.nextSequence))
                    draft.nextSequence += 1
                default: continue
                }
                timers.append(timer)
            }
            guard !jobs.isEmpty else { continue }
            // The same job may stand there twice, when it was put off to the same time again.
            if jobs.count > 1 {
                var seen: Set<UInt64> = []
                jobs.removeAll { !seen.insert($0.sequence).inserted }
            }
            do { try record(.due(jobs), for: .settle) } catch {
                for timer in timers {
                    if onWall { state.dueAt.insert(timer.time, timer.subject) } else { state.due.insert(timer.time, timer.subject) }
                }
                throw error
            }
        }
    }

    private mutating func expireJobs() throws(JournalError) {
        var budget = Self.dueLimit
        // Where large dead letters have no room, each job is looked at by itself.
        var most = postponed.lackRoom || journal.refuses(.settleWithPayload) ? 1 : Self.dueBatch
        while let first = state.expiries.first, first.time <= now.engine {
            guard budget > 0, letterBudget > 0 else { return hasMoreDue = true }
            var purpose = Journal.Purpose.settle
            var sequences: [UInt64] = [], timers: [Timer] = [], letters: [Change] = []
            draft.begin(nextSequence: state.nextSequence)
            // Together with the last one they still fit a segment, however small.
            let mostBytes = min(Self.dueBytes, journal.maximumReservation / 4)
            while sequences.count < most, draft.letterBytes < mostBytes, budget > 0, let timer = state.expiries.first,
                timer.time <= now.engine
            {
                state.expiries.removeFirst()
                budget -= 1
                // A job that came back untouched may have two, one behind the other.
                guard sequences.last != timer.subject, let entry = state.unfinishedJob(timer.subject),
                    entry.pointee.flags.contains(.expires), entry.pointee.state.isWaiting,
                    state.extra(timer.subject, entry.pointee)?.expires == timer.time
                else { continue }
                try openDeadLetterQueue(of: entry.pointee.queue)
                if purposeOfDeath(entry) == .settleWithPayload { purpose = .settleWithPayload }
                guard most > 1 || hasRoom(for: purpose) else {
                    purpose = .settle
                    postponed.expiries.append(timer)
                    continue
                }
                let letter = deadLetter(timer.subject, entry, .expired)
                if draft.unread != nil {
                    draft.unread = nil
                    tryLater()
                    postponed.expiries.append(timer)
                    continue
                }
                sequences.append(timer.subject)
                timers.append(timer)
                if let letter { letters.append(letter) }
            }
            guard !sequences.isEmpty else { continue }
            do throws(JournalError) {
                // Many small ones are large together.
                if draft.letterBytes > Draft.smallPayload { purpose = .settleWithPayload }
                if try recordDeath(letters + [.expired(sequences)], for: purpose) { continue }
            } catch {
                for timer in timers { state.expiries.insert(timer.time, timer.subject) }
                throw error
            }
            if most == 1 {
                postponed.expiries += timers
            } else {
                for timer in timers { state.expiries.insert(timer.time, timer.subject) }
                budget += timers.count
            }
            most = 1
        }
    }

    // MARK: Keeping

    private mutating func expireRecords() throws(JournalError) {
        var budget = Self.dueLimit
        while let timer = state.recordTimers.first, timer.time <= now.engine {
            guard budget > 0 else { return hasMoreDue = true }
            budget -= 1
            state.recordTimers.removeFirst()
            guard let key = state.recordKeys[timer.subject] else { continue }
            if let counter = state.counters[key], counter.created == timer.subject {
                // Its steps put it off.
                guard counter.expires <= now.engine else {
                    state.recordTimers.insert(counter.expires, timer.subject)
                    continue
                }
            } else {
                guard state.records[key]?.change == timer.subject else { continue }
            }
            do { try record(.deleted(key: key), for: .settle) } catch {
                state.recordTimers.insert(timer.time, timer.subject)
                throw error
            }
        }
    }

    /// Drops the finished jobs and the keys whose time is over.
    private mutating func sweep() throws(JournalError) {
        guard now.engine >= state.nextSweep, !isClockDoubtful else { return }
        var budget = Self.dueLimit, next = Int64.max
        for number in state.queues.numbers.values.sorted() {
            let queue = state.queues.at(number)
            let settings = queue.pointee.settings
            var succeeded = Int64.min, failed = Int64.min
            if case .keep(let one, let other, _) = settings.retention { (succeeded, failed) = (one.inMilliseconds, other.inMilliseconds) }
            let window = settings.dedupWindow.inMilliseconds
            while true {
                // With `none` set since, what was kept before goes at once.
                let one = succeeded == .min ? .max : now.engine - succeeded
                let other = failed == .min ? .max : now.engine - failed
                let gone =
                    queue.pointee.succeeded.oldest(upTo: one, limit: Self.dueBatch / 2)
                    + queue.pointee.failed.oldest(upTo: other, limit: Self.dueBatch / 2)
                let keys = queue.pointee.keys.count(upTo: now.engine - window, limit: Self.dueBatch)
                guard !gone.isEmpty || keys > 0 else { break }
                guard budget > 0 else {
                    hasMoreDue = true
                    return
                }
                budget -= gone.count + keys
                try record(.swept(Sweep(queue: number, sequences: gone.map(\.sequence), keys: keys)), for: .settle)
            }
            if let end = queue.pointee.succeeded.oldestEnd { next = min(next, end.addingClamped(succeeded)) }
            if let end = queue.pointee.failed.oldestEnd { next = min(next, end.addingClamped(failed)) }
            if let oldest = queue.pointee.keys.oldest { next = min(next, oldest.addingClamped(window)) }
        }
        // All queues are looked at: not for every job alone. To be dropped late is allowed.
        state.nextSweep = next == .max ? .max : max(next, now.engine + Self.sweepInterval)
    }

    /// Drops the oldest finished jobs of queues that keep more than they shall.
    private mutating func sweepOverfull() throws(JournalError) {
        var budget = Self.dueLimit
        for number in state.overfullQueues.sorted() {
            let queue = state.queues.at(number)
            while queue.pointee.overCount > 0, !queue.pointee.isDeleted {
                guard budget > 0 else { return hasMoreDue = true }
                let count = min(queue.pointee.overCount, Self.dueBatch)
                let gone = FinishedJobs.merged(
                    queue.pointee.succeeded.oldest(upTo: .max, limit: count),
                    queue.pointee.failed.oldest(upTo: .max, limit: count)
                ).prefix(count)
                guard !gone.isEmpty else { break }
                budget -= gone.count
                try record(.swept(Sweep(queue: number, sequences: gone.map(\.sequence))), for: .settle)
            }
            state.overfullQueues.remove(number)
        }
    }

    // MARK: Waiting

    /// Ends the waits whose time is over.
    private mutating func endWaits() {
        while let timer = waitTimers.first, timer.time <= now.engine {
            waitTimers.removeFirst()
            if leaseWaits[timer.subject] != nil {
                endWait(timer.subject)
                answerNow(timer.subject, .deliveries([]))
            } else if watches[timer.subject] != nil {
                answerWatch(timer.subject)
            }
        }
    }
}
