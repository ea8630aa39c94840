import GodwitCore
import GodwitEngine

/// What time brings about.
extension Reference {
    mutating func pass(to instant: EngineInstant) {
        let passed = max(0, instant.boot - self.instant.boot)
        let observed = min(passed, 1_000)
        leaseNow += observed
        if observed > 0 { live.pass(observed) }
        engine += passed
        if !isClockDoubtful { lapseTime = engine }
        self.instant = EngineInstant(wall: instant.wall, boot: max(instant.boot, self.instant.boot))
    }

    /// What time brings about at the beginning of a turn.
    /// - Parameter budget: how much of it there was room for on the disk; nil for all.
    /// - Parameter leases: the jobs whose leases there was room to end; nothing else happened then.
    /// - Parameter keepsLarge: whether jobs that leave a large dead letter behind wait with their ends.
    mutating func passTime(budget: Int? = nil, leases: Set<Int>? = nil, keepsLarge: Bool = false) {
        for wait in waits where wait.deadline <= engine {
            open[wait.ticket] = Open(expected: .deliveries([]), unit: 0)
        }
        let now = engine
        waits.removeAll { $0.deadline <= now }
        timeBudget = budget
        live.meetEnded()
        if let leases {
            for job in overdue where leases.contains(job.number) { record(expiry(of: job)) }
            return
        }
        // Mostly nothing is due.
        let isAnyDue = isAnyJobDue
        if !isAnyDue || expireLeases(keepsLarge) && makeReady() && expireJobs(keepsLarge), expireRecords(), dropLapsed(jobs: isAnyDue),
            !isAnyDue || dropOverfull(), endSessions()
        {
            payOwed()
            if instant.boot - lastNoted >= 3_600_000 {
                lastNoted = instant.boot
                _ = recordInTime([.noted])
            }
        }
        isTimeBlocked = timeBudget == 0
        timeBudget = nil
    }

    /// Whether time may bring anything about for any job: found in one look at each.
    private var isAnyJobDue: Bool {
        let slack: Int64 = mustSweep ? 0 : 1_000
        var ended = 0
        for job in live.allJobs {
            if let lease = job.lease {
                if lease.due <= leaseNow { return true }
            } else if job.state.isFinal {
                ended += 1
                if live.isLapsed(job, at: engine, slack: slack) { return true }
            } else {
                switch job.due {
                case .engine(let time)? where time <= engine: return true
                case .wall(let time)? where time <= instant.wall: return true
                default: break
                }
                if let expires = job.expires, expires <= engine { return true }
            }
        }
        return live.queues.contains { name, queue in
            queue.keptCount < ended && live.ended(name).count > queue.keptCount
        }
    }

    /// Records what time brings about; false when there is no room for it, nor for what comes after it.
    private mutating func recordInTime(_ events: [ModelEvent]) -> Bool {
        guard spendTime() else { return false }
        record(events)
        return true
    }

    private mutating func spendTime() -> Bool {
        guard let budget = timeBudget else { return true }
        guard budget > 0 else { return false }
        timeBudget = budget - 1
        return true
    }

    /// Jobs whose leases are over.
    var overdue: [ModelJob] {
        live.allJobs.filter { ($0.lease?.due ?? .max) <= leaseNow }
            .sorted { ($0.lease?.due ?? 0, $0.lease?.serial ?? 0) < ($1.lease?.due ?? 0, $1.lease?.serial ?? 0) }
    }

    private mutating func expireLeases(_ keepsLarge: Bool) -> Bool {
        for job in overdue {
            let events = expiry(of: job)
            if keepsLarge, events.count > 1, job.isLarge { continue }
            guard recordInTime(events) else { return false }
        }
        return true
    }

    private mutating func makeReady() -> Bool {
        var onEngine: [(Int64, Int, number: Int)] = [], onWall: [(Int64, Int, number: Int)] = []
        for job in live.allJobs {
            switch job.due {
            case .engine(let time)? where time <= engine: onEngine.append((time, job.birth, job.number))
            case .wall(let time)? where time <= instant.wall: onWall.append((time, job.birth, job.number))
            default: break
            }
        }
        for due in [onEngine, onWall] where !due.isEmpty {
            guard recordInTime(due.sorted { $0 < $1 }.map { .due($0.number) }) else { return false }
        }
        return true
    }

    private mutating func expireJobs(_ keepsLarge: Bool) -> Bool {
        let expired = live.allJobs.filter { $0.isWaiting && ($0.expires ?? .max) <= engine }
            .sorted { ($0.expires ?? 0, $0.birth) < ($1.expires ?? 0, $1.birth) }
        guard !expired.isEmpty else { return true }
        if keepsLarge {
            for job in expired {
                openDeadLetterQueue(of: job.queue)
                let letter = deadLetter(of: job, .expired)
                if letter != nil, job.isLarge { continue }
                guard recordInTime((letter.map { [$0] } ?? []) + [.expired(job.number)]) else { return false }
            }
            return true
        }
        var letters: [ModelEvent] = []
        for job in expired {
            openDeadLetterQueue(of: job.queue)
            if let letter = deadLetter(of: job, .expired) { letters.append(letter) }
        }
        return recordInTime(letters + expired.map { .expired($0.number) })
    }

    private mutating func expireRecords() -> Bool {
        // Of things of one time that which was made first; counters of the simulation's clients are never put off.
        var expired: [(expires: Int64, made: Int, key: RecordKey)] = []
        for (key, record) in live.records where record.expires ?? .max <= engine { expired.append((record.expires ?? 0, record.unit, key)) }
        for (key, counter) in live.counters where counter.expires <= engine { expired.append((counter.expires, counter.created, key)) }
        expired.sort { ($0.expires, $0.made, $0.key.name) < ($1.expires, $1.made, $1.key.name) }
        for (_, _, key) in expired {
            guard recordInTime([.deleted(key)]) else { return false }
        }
        return true
    }

    /// Ended jobs and keys may be dropped late, but not by more than a second.
    /// - Parameter jobs: whether any job's time may be over.
    private mutating func dropLapsed(jobs: Bool) -> Bool {
        let slack: Int64 = mustSweep ? 0 : 1_000
        guard spendTime() else { return false }
        mustSweep = false
        guard !isClockDoubtful else { return true }
        let gone = jobs ? live.allJobs.filter { live.isLapsed($0, at: engine, slack: slack) }.map(\.number) : []
        var events: [ModelEvent] = gone.isEmpty ? [] : [.dropped(gone)]
        for (name, queue) in live.queues {
            for (key, entry) in queue.keys where live.isLapsed(entry, in: queue, at: engine, slack: slack) {
                events.append(.keyDropped(key, name))
            }
        }
        if !events.isEmpty { assume(events) }
        return true
    }

    /// The oldest ended jobs beyond the number that is kept go. Which of two is older is certain only when they ended further apart than
    /// by a thousandth of the time for which they are kept, or when they are kept in one line.
    private mutating func dropOverfull() -> Bool {
        for (name, queue) in live.queues {
            let ended = live.ended(name)
            let surplus = ended.count - queue.keptCount
            guard surplus > ties[name]?.gone ?? 0 else { continue }
            var certain: [Int] = [], members: Set<Int> = []
            for job in ended {
                let older = ended.count { queue.isCertain($0, endedBefore: job) }
                let newer = ended.count { queue.isCertain(job, endedBefore: $0) }
                if ended.count - newer <= surplus {
                    certain.append(job.number)
                } else if older < surplus {
                    members.insert(job.number)
                }
            }
            guard recordInTime([.dropped(certain)]) else { return false }
            // Those that an opening finds may have gone before it.
            if isTakingUp, let earlier = ties[name] { members.formUnion(earlier.members.subtracting(certain)) }
            ties[name] = members.isEmpty ? nil : Tie(members: members, gone: surplus - certain.count)
        }
        return true
    }

    private mutating func endSessions() -> Bool {
        guard !live.sessions.isEmpty, engine >= nextSessionSweep else { return true }
        let life = Limits.sessionLife.inMilliseconds
        let ended = live.sessions.filter { $0.value.lastUsed.addingClamped(life) <= engine }.keys.sorted()
        if !ended.isEmpty, !recordInTime([.sessionsEnded(ended)]) { return false }
        nextSessionSweep = engine + 10_000
        return true
    }

    /// Whether it cannot be known if this job is there still.
    func isUnsure(_ job: ModelJob) -> Bool {
        live.isLapsed(job, at: lapseTime) || job.state.isFinal && ties[job.queue]?.members.contains(job.number) == true
    }
    func isUnsure(_ key: ModelQueue.Key, in queue: ModelQueue) -> Bool { live.isLapsed(key, in: queue, at: lapseTime) }

    mutating func noteSettings() { mustSweep = true }
}
