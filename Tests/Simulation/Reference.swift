import GodwitCore
import GodwitEngine

/// The model in time: what it is now, what of it is certainly durable, and what each answer must be.
///
/// What the engine decides it decides here in the same order, unit by unit. After a crash the store must hold what some number of units
/// lead to, all confirmed ones among them: nothing of a unit without the rest, and no later one without the earlier.
struct Reference {
    /// A request that is not answered yet.
    struct Open {
        var expected: Expected
        /// The unit that is durable when it is answered.
        var unit: Int
        /// How far the wall clock was ahead of the engine's time.
        var wallOffset: Int64 = 0
    }

    /// A call for jobs that waits.
    struct Wait {
        var ticket: UInt64
        var request: LeaseRequest
        /// Engine time at which it is answered with nothing.
        var deadline: Int64
    }

    struct LeaseRequest {
        var holder: HolderOptions
        var most: Int
        var term: LeaseTerm
    }

    /// What is certainly on disk, the damage of a flip apart.
    private(set) var durable = Model()
    /// What is now.
    var live = Model()
    /// The units between the two.
    private(set) var pending: [ModelUnit] = []
    /// What even a flip must not touch: it was synced for more than a second. And the units between it and `durable`.
    private(set) var vouched = Model()
    private var unvouched: [(unit: ModelUnit, confirmedAt: Int64)] = []

    var knowledge = Knowledge()
    /// Leases that were renewed for another time than they were taken for, and what that was.
    var changedTerms: [Int: Int64] = [:]
    var open: [UInt64: Open] = [:]
    private var lastUnit = 0
    private var lastSerial = 0
    private(set) var published = 0

    // Time, as the engine tells it.
    private(set) var instant = EngineInstant(wall: 0, boot: 0)
    private(set) var engine: Int64 = 0
    private(set) var leaseNow: Int64 = 0
    private var lastNoted: Int64 = 0
    private(set) var isClockDoubtful = false
    /// Engine time at which what is over may be gone: now, or with a doubtful clock the latest time at which it was not.
    private(set) var lapseTime: Int64 = 0
    /// Settings were changed: what is over is dropped at the next turn.
    private var mustSweep = true
    private var timeBudget: Int?
    /// Whether it is only now being seen what an opening found.
    private var isTakingUp = false
    /// Whether not all that was due was done, for want of room.
    private(set) var isTimeBlocked = false

    // What lives as long as the process.
    var waits: [Wait] = []
    private var turns: [HolderID: QueueTurns] = [:]
    /// Cancelled leases, and the lease time until which their holders are certainly told so.
    var cancelled: [Int: Int64] = [:]
    /// Jobs that ended at the same time, of which a queue dropped some: it is free to choose which.
    private(set) var ties: [QueueName: Tie] = [:]

    struct Tie {
        var members: Set<Int>
        /// How many of them are gone.
        var gone: Int
    }

    init() {}

    var newestUnit: Int { lastUnit }

    // MARK: Units

    mutating func record(_ events: [ModelEvent]) {
        let unit = nextUnit(events)
        live.apply(unit)
        add(unit)
    }

    /// What the engine has recorded at some time before, and so not at this one.
    private mutating func assume(_ events: [ModelEvent]) {
        let unit = ModelUnit(number: lastUnit + 1, events: events, engine: live.engine, wall: live.wall, leaseNow: leaseNow)
        live.apply(unit)
        add(unit)
    }

    /// A unit of events that are applied already.
    mutating func add(_ unit: ModelUnit) {
        lastUnit = unit.number
        pending.append(unit)
    }

    func nextUnit(_ events: [ModelEvent]) -> ModelUnit {
        ModelUnit(number: lastUnit + 1, events: events, engine: engine, wall: instant.wall, leaseNow: leaseNow)
    }

    mutating func takeSerial() -> Int {
        lastSerial += 1
        return lastSerial
    }

    /// A number for a new message. Messages must be decided on in the order of their numbers.
    mutating func takeNumber() -> Int {
        defer { published += 1 }
        return published
    }

    /// What rests on this unit was shown: it is durable, and with it all before it.
    mutating func confirm(_ unit: Int) {
        while let first = pending.first, first.number <= unit {
            durable.apply(first)
            unvouched.append((first, instant.boot))
            pending.removeFirst()
        }
    }

    /// The journal has said on disk that what was synced a second ago is durable.
    mutating func vouch(until boot: Int64) {
        while let first = unvouched.first, first.confirmedAt <= boot {
            vouched.apply(first.unit)
            unvouched.removeFirst()
        }
    }

    // MARK: Opening

    /// What the store may hold after a crash: from the least that it must to the most that it can.
    func candidates(afterFlip: Bool = false) -> (base: Model, units: [ModelUnit]) {
        afterFlip ? (vouched, unvouched.map(\.unit) + pending) : (durable, pending)
    }

    /// A candidate as an opening leaves it: leases of the old process's own holders are over, all others have their full time again.
    func reopened(_ candidate: Model, at instant: EngineInstant, engine: Int64) -> (model: Model, ended: [ModelUnit]) {
        var model = candidate, ended: [ModelUnit] = []
        var number = lastUnit
        for job in candidate.allJobs.filter({ $0.lease != nil }).sorted(by: { ($0.lease?.serial ?? 0) < ($1.lease?.serial ?? 0) }) {
            guard job.lease?.endsWithProcess == true else {
                model.restartLease(of: job.number)
                continue
            }
            number += 1
            let unit = ModelUnit(
                number: number,
                events: [.failed(job.number, code: FailureCode.leaseExpired, job.attempt < job.maxAttempts ? .place : .final)],
                engine: engine,
                wall: instant.wall,
                leaseNow: 0
            )
            model.apply(unit)
            ended.append(unit)
        }
        return (model, ended)
    }

    /// Goes on from what the store was found to hold.
    /// - Parameters:
    ///   - candidate: what it held before the opening.
    ///   - engine: the engine's time.
    mutating func resume(_ candidate: Model, at instant: EngineInstant, engine: Int64, isClockDoubtful: Bool) {
        var candidate = candidate
        candidate.learn(engine: engine)
        let (model, ended) = reopened(candidate, at: instant, engine: engine)
        lastUnit += ended.count
        durable = model
        live = model
        pending = []
        // What the opening itself recorded was synced just now.
        vouched = candidate
        unvouched = ended.map { ($0, instant.boot) }
        open = [:]
        waits = []
        turns = [:]
        // Their holders may be told after a restart, too.
        for serial in cancelled.keys { cancelled[serial] = .min }
        ties = [:]
        isTakingUp = true
        leaseNow = 0
        mustSweep = true
        self.engine = engine
        self.instant = instant
        lastNoted = instant.boot
        self.isClockDoubtful = isClockDoubtful
        if !isClockDoubtful { lapseTime = engine }
        knowledge.beginLife()
        record([.opened])
        confirm(lastUnit)
    }

    /// All that is there after an opening was seen: with a doubtful clock nothing goes from now on because of its age.
    mutating func noteAllSeen() {
        if isClockDoubtful { lapseTime = .min }
        isTakingUp = false
    }

    /// Ended jobs are gone, as they may be; none of the others is.
    mutating func drop(_ numbers: Set<Int>) {
        for (name, tie) in ties {
            let gone = tie.members.intersection(numbers).count
            ties[name] = tie.gone > gone ? Tie(members: tie.members.subtracting(numbers), gone: tie.gone - gone) : nil
        }
        if !numbers.isEmpty { note([.dropped(numbers.sorted())]) }
    }

    /// So many of these keys are gone, the oldest first.
    mutating func dropKeys(_ count: Int, of keys: [(key: String, number: Int)], in queue: QueueName) {
        let gone = keys.prefix(count).filter { live.queues[queue]?.keys[$0.key]?.number == $0.number }
        if !gone.isEmpty { note(gone.map { .keyDropped($0.key, queue) }) }
    }

    /// Something that was free to happen was seen to have happened: just now, or, after an opening, before.
    private mutating func note(_ events: [ModelEvent]) {
        guard isTakingUp else { return assume(events) }
        let unit = ModelUnit(number: durable.unit, events: events, engine: durable.engine, wall: durable.wall, leaseNow: 0)
        durable.apply(unit)
        vouched.apply(unit)
        let (number, engine, wall) = (live.unit, live.engine, live.wall)
        live.apply(ModelUnit(number: number, events: events, engine: engine, wall: wall, leaseNow: leaseNow))
    }

    mutating func learn(finished: Int64?, of number: Int) {
        live.learn(finished: finished, of: number)
        durable.learn(finished: finished, of: number)
        vouched.learn(finished: finished, of: number)
    }

    // MARK: Time

    mutating func pass(to instant: EngineInstant) {
        let passed = max(0, instant.boot - self.instant.boot)
        leaseNow += min(passed, 1_000)
        engine += passed
        if !isClockDoubtful { lapseTime = engine }
        self.instant = EngineInstant(wall: instant.wall, boot: max(instant.boot, self.instant.boot))
    }

    /// What time brings about at the beginning of a turn.
    /// - Parameter budget: how much of it there was room for on the disk; nil for all.
    /// - Parameter leases: the jobs whose leases there was room to end; nothing else happened then.
    mutating func passTime(budget: Int? = nil, leases: Set<Int>? = nil) {
        for wait in waits where wait.deadline <= engine {
            open[wait.ticket] = Open(expected: .deliveries([]), unit: 0)
        }
        waits.removeAll { $0.deadline <= engine }
        timeBudget = budget
        if let leases {
            for job in overdue where leases.contains(job.number) { record([expiry(of: job)]) }
            return
        }
        if expireLeases(), makeReady(), expireJobs(), expireRecords(), dropLapsed(), dropOverfull(),
            instant.boot - lastNoted >= 3_600_000
        {
            lastNoted = instant.boot
            _ = recordInTime([.noted])
        }
        isTimeBlocked = timeBudget == 0
        timeBudget = nil
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

    private func expiry(of job: ModelJob) -> ModelEvent {
        let hasAttemptsLeft = job.attempt < job.maxAttempts
        if let lease = job.lease, lease.attemptDeadline < lease.deadline {
            precondition(!hasAttemptsLeft, "the backoff of a job that took too long is the engine's to draw")
            return .failed(job.number, code: FailureCode.timeout, .final)
        }
        return .failed(job.number, code: FailureCode.leaseExpired, hasAttemptsLeft ? .place : .final)
    }

    private mutating func expireLeases() -> Bool {
        for job in overdue {
            guard recordInTime([expiry(of: job)]) else { return false }
        }
        return true
    }

    private mutating func makeReady() -> Bool {
        var onEngine: [(Int64, Int)] = [], onWall: [(Int64, Int)] = []
        for job in live.allJobs {
            switch job.due {
            case .engine(let time)? where time <= engine: onEngine.append((time, job.number))
            case .wall(let time)? where time <= instant.wall: onWall.append((time, job.number))
            default: break
            }
        }
        for due in [onEngine, onWall] where !due.isEmpty {
            guard recordInTime(due.sorted { $0 < $1 }.map { .due($0.1) }) else { return false }
        }
        return true
    }

    private mutating func expireJobs() -> Bool {
        let expired = live.allJobs.filter { $0.isWaiting && ($0.expires ?? .max) <= engine }
            .sorted { ($0.expires ?? 0, $0.number) < ($1.expires ?? 0, $1.number) }
        return expired.isEmpty || recordInTime(expired.map { .expired($0.number) })
    }

    private mutating func expireRecords() -> Bool {
        let expired = live.records.filter { ($0.value.expires ?? .max) <= engine }
            .sorted { ($0.value.expires ?? 0, $0.value.unit) < ($1.value.expires ?? 0, $1.value.unit) }
        for (key, _) in expired {
            guard recordInTime([.deleted(key)]) else { return false }
        }
        return true
    }

    /// Ended jobs and keys may be dropped late, but not by more than a second.
    private mutating func dropLapsed() -> Bool {
        let slack: Int64 = mustSweep ? 0 : 1_000
        guard spendTime() else { return false }
        mustSweep = false
        guard !isClockDoubtful else { return true }
        let gone = live.allJobs.filter { live.isLapsed($0, at: engine, slack: slack) }.map(\.number)
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
        for (name, queue) in live.queues.sorted(by: { $0.key < $1.key }) {
            let ended = live.allJobs.filter { $0.state.isFinal && $0.queue == name }
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
            ties[name] = members.isEmpty ? nil : Tie(members: members, gone: surplus - certain.count)
        }
        return true
    }

    /// Whether it cannot be known if this job is there still.
    func isUnsure(_ job: ModelJob) -> Bool {
        live.isLapsed(job, at: lapseTime) || job.state.isFinal && ties[job.queue]?.members.contains(job.number) == true
    }
    func isUnsure(_ key: ModelQueue.Key, in queue: ModelQueue) -> Bool { live.isLapsed(key, in: queue, at: lapseTime) }

    mutating func noteSettings() { mustSweep = true }

    // MARK: Leases that were cancelled

    mutating func noteCancelled(_ lease: ModelJob.Lease) {
        cancelled[lease.serial] = min(lease.deadline, leaseNow + 3_600_000)
    }

    /// Whether the holder of a lease that is over is to be told that its job was cancelled.
    func cancellation(_ serial: Int) -> (isCancelled: Bool, mustSay: Bool) {
        guard let until = cancelled[serial] else { return (false, false) }
        return (true, until > leaseNow)
    }

    // MARK: Turns of queues

    /// How far each of a holder's queues has come, and the one whose turn it was last.
    struct QueueTurns {
        var passes: [Int]
        var reached = 0
    }

    func turns(_ holder: HolderID, _ count: Int) -> QueueTurns {
        if let turns = turns[holder], turns.passes.count == count { return turns }
        return QueueTurns(passes: Array(repeating: 0, count: count))
    }

    mutating func setTurns(_ new: QueueTurns?, of holder: HolderID) { turns[holder] = new }
}
