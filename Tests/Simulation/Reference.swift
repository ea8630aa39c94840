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
    /// The messages of batches that are published, and the leases of batches that are completed, by the requests' tickets.
    var batches: [UInt64: [NewMessage]] = [:]
    /// What there was when each backup that is asked for was, by the request's ticket.
    var backups: [UInt64: Model] = [:]
    var completions: [UInt64: [(number: Int, serial: Int)]] = [:]
    /// The unit that the outcome of the transaction that was carried out last rests on: what follows it does not count.
    var outcomeRest = 0
    private var lastUnit = 0
    private var lastSerial = 0
    private(set) var published = 0

    // Time, as the engine tells it.
    var instant = EngineInstant(wall: 0, boot: 0)
    var engine: Int64 = 0
    var leaseNow: Int64 = 0
    var lastNoted: Int64 = 0
    /// What keeps an opening from doing all that it is to do.
    var hindrance = Hindrance.none
    /// How many records it has read to do it.
    private var needsRead = 0
    /// What is owed and could not be read, and the time since boot at which that is tried again.
    var unreadOwed: Set<ModelOwed.Subject> = []
    var owedRetry: Int64?
    private(set) var isClockDoubtful = false
    /// Engine time at which what is over may be gone: now, or with a doubtful clock the latest time at which it was not.
    var lapseTime: Int64 = 0
    /// Settings were changed: what is over is dropped at the next turn.
    var mustSweep = true
    /// Engine time at which sessions are looked at again.
    var nextSessionSweep: Int64 = 0
    /// What was refused under which number of a session, as long as the process lives.
    var refused: [String: [UInt64: (kinds: [String], outcome: ExpectedOutcome)]] = [:]
    /// Engine time at which a session was refused something last: ten minutes after that the engine may have forgotten it.
    var refusedAt: [String: Int64] = [:]
    var timeBudget: Int?
    /// Whether it is only now being seen what an opening found.
    private(set) var isTakingUp = false
    /// Whether not all that was due was done, for want of room.
    var isTimeBlocked = false

    // What lives as long as the process.
    var waits: [Wait] = [] {
        didSet { live.awaited = Set(waits.flatMap(\.request.holder.queues)) }
    }
    private var turns: [HolderID: QueueTurns] = [:]
    /// Cancelled leases, and the lease time until which their holders are certainly told so.
    var cancelled: [Int: Int64] = [:]
    /// Jobs that ended at the same time, of which a queue dropped some: it is free to choose which.
    var ties = QueueMap<Tie>()

    /// What an opening may meet.
    enum Hindrance {
        case none
        /// No queue can be made: jobs die in their place.
        case queues
        /// So many of the records can be read that it needs for dead letters and for what follows ends. What needs another one waits.
        case reads(Int)
    }

    /// Whether a record can be read that is needed.
    mutating func canRead() -> Bool {
        guard case .reads(let most) = hindrance else { return true }
        defer { needsRead += 1 }
        return needsRead < most
    }

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
    mutating func assume(_ events: [ModelEvent]) {
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

    /// Goes on from what the store was found to hold: leases of the old process's own holders are over, all others have their full time again.
    /// - Parameters:
    ///   - candidate: what it held before the opening.
    ///   - engine: the engine's time.
    ///   - isRepeated: whether what it ends had been ended by an opening that was cut off.
    ///   - isRestored: whether it is a backup's: all leases are over, and what sessions came to is forgotten.
    mutating func resume(
        _ candidate: Model,
        at instant: EngineInstant,
        engine: Int64,
        isClockDoubtful: Bool,
        isRestored: Bool = false,
        isRepeated: Bool = false,
        hindrance: Hindrance = .none
    ) {
        self.hindrance = hindrance
        needsRead = 0
        unreadOwed = []
        owedRetry = nil
        defer { self.hindrance = .none }
        var candidate = candidate
        candidate.learn(engine: engine)
        if isRestored { candidate.forgetSessions() }
        candidate.forgetPaces()
        live = candidate
        durable = candidate
        pending = []
        // What the opening itself records is synced just now.
        vouched = candidate
        unvouched = []
        open = [:]
        batches = [:]
        completions = [:]
        backups = [:]
        waits = []
        turns = [:]
        // Their holders may be told after a restart, too.
        for serial in cancelled.keys { cancelled[serial] = .min }
        ties = QueueMap()
        isTakingUp = true
        leaseNow = 0
        mustSweep = true
        nextSessionSweep = 0
        refused = [:]
        refusedAt = [:]
        self.engine = engine
        self.instant = instant
        lastNoted = instant.boot
        self.isClockDoubtful = isClockDoubtful
        if !isClockDoubtful { lapseTime = engine }
        knowledge.beginLife()
        live.touch(nil, at: engine)
        noteTiesWithTransients()
        record([.opened])
        for job in live.allJobs.filter({ $0.lease != nil }).sorted(by: { ($0.lease?.serial ?? 0) < ($1.lease?.serial ?? 0) }) {
            if isRestored || job.lease?.endsWithProcess == true {
                openDeadLetterQueue(of: job.queue)
                if leavesLetter(job), !canRead() {
                    live.endLease(of: job.number, at: leaseNow)
                } else {
                    record(expiry(ofAttempt: job))
                }
            } else {
                live.restartLease(of: job.number)
            }
        }
        payOwed()
        if isRepeated { live.forgetPaces() }
        confirm(lastUnit)
    }

    /// Where a queue kept more ended jobs than it shall, it may have dropped the oldest for transient ones, which are gone now themselves:
    /// then it keeps fewer than it could.
    private mutating func noteTiesWithTransients() {
        guard live.allJobs.contains(where: { $0.state.isFinal && $0.message.isTransient }) else { return }
        for (name, queue) in live.queues {
            let ended = live.ended(name)
            let surplus = ended.count - queue.keptCount
            guard surplus > 0, ended.contains(where: { $0.message.isTransient }) else { continue }
            let others = ended.filter { job in
                !job.message.isTransient && ended.count { queue.isCertain($0, endedBefore: job) } < surplus
            }
            if !others.isEmpty { ties[name] = Tie(members: Set(others.map(\.number)), gone: 0) }
        }
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
        guard !numbers.isEmpty else { return }
        // Of those that the opening itself ended a flip may take the end, and this with it.
        let late = isTakingUp ? numbers.filter { vouched.job($0)?.state.isFinal == false }.sorted() : []
        note([.dropped(numbers.subtracting(late).sorted())])
        guard !late.isEmpty else { return }
        let unit = ModelUnit(number: durable.unit, events: [.dropped(late)], engine: durable.engine, wall: durable.wall, leaseNow: 0)
        durable.apply(unit)
        unvouched.append((unit, instant.boot))
        live.apply(ModelUnit(number: live.unit, events: unit.events, engine: live.engine, wall: live.wall, leaseNow: leaseNow))
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
