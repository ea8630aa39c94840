import DequeModule
import GodwitCore
import GodwitJournal

/// Everything that the journal's records say, in memory. It changes by ``apply(_:_:at:)`` alone, live and in replay.
struct EngineState: ~Copyable {
    /// A small record: its value stays in the journal.
    struct StoredRecord {
        var location: RecordLocation
        var size: SizeClass
        var change: UInt64
        /// Engine time in milliseconds.
        var expires: Int64?
    }

    /// Jobs of a purged or deleted queue that are still to be ended one by one.
    struct Cleaning {
        var queue: UInt32
        var next: UInt64
        var end: UInt64
    }

    var identity = StoreIdentity(incarnation: 0, k0: 0, k1: 0)
    var isNew = true
    /// What may be recorded.
    var level = FormatLevel.unnamed
    var opening: (change: Opening, stamp: Stamp)?
    /// The time of the latest record.
    var stamp = Stamp(engine: 0, wall: 0)
    /// The number of the latest change. It counts over the store's whole life: versions are made of it.
    var change: UInt64 = 0
    /// The latest change that left nothing of a job.
    var removal: UInt64 = 0
    var nextSequence: UInt64 = 1
    var nextFencing: UInt64 = 1
    /// The numbers below this one may have been given out before the records that did so were durable; 0 when none were.
    var reserved: UInt64 = 0
    /// Whether any job may be transient.
    var hasTransients = false

    /// Unfinished jobs, and finished ones that are kept.
    var jobs = PagedTable<JobEntry>(dense: true)
    var finished = PagedTable<FinishedEntry>(dense: false)
    var extras = ShardedDictionary<UInt64, Extra>()
    var endings = Endings()
    var groups = GroupTable()
    var claims = ClaimTable()
    var sessions = SessionTable()
    var queues = QueueTable()
    /// What of the journal something here still points to.
    var use = SegmentUse()

    var leases = LeaseTable()
    /// By lease time; the subject is ``timerSubject(_:_:)``: those that end at the same time end in the order in which they were given.
    var leaseTimers = Timers()
    var leaseNow: Int64 = 0
    /// Fencing numbers of leases whose job was cancelled, until they would have ended: their holders are told so.
    var cancelRequests: [UInt64: Int64] = [:]

    /// Scheduled and retrying jobs by engine time, and by wall time.
    var due = Timers()
    var dueAt = Timers()
    var expiries = Timers()
    var records = ShardedDictionary<RecordKey, StoredRecord>()
    /// The subject is the change that put the record, or made the counter.
    var recordTimers = Timers()
    var recordKeys = ShardedDictionary<UInt64, RecordKey>()
    /// A key is a record's or a counter's.
    var counters = ShardedDictionary<RecordKey, StoredCounter>()
    /// What follows ends and is not done yet.
    var owed = OwedTable()
    var cleanings = Deque<Cleaning>()

    /// Whether a repair found records lost, and how many changes did not fit what was left.
    var hasLosses = false
    var passedOver = 0

    /// How long jobs wait and run, since the opening.
    var meter = JobMeter()

    /// While replaying, nobody watches and no busy time passes.
    var isReplaying = true
    /// What somebody watches, and which of it changed since the engine looked.
    var watchedJobs: Set<UInt64> = []
    var watchedRecords: Set<RecordKey> = []
    var changedJobs: [UInt64] = []
    var changedRecords: [RecordKey] = []
    /// Queues with waiting callers in which a job became ready.
    var stirredQueues: [UInt32] = []
    /// Queues that keep more finished jobs than they shall.
    var overfullQueues: Set<UInt32> = []
    /// Engine time at which a finished job or a key may have to go next.
    var nextSweep: Int64 = .max

    init() {}

    static func timerSubject(_ place: UInt32, _ order: UInt32) -> UInt64 { UInt64(order) << 32 | UInt64(place) }

    /// The place of the lease that a timer is for; nil when it no longer is.
    func lease(of timer: Timer) -> UInt32? {
        let place = UInt32(truncatingIfNeeded: timer.subject), lease = leases[place]
        return lease.timerAt == timer.time && Self.timerSubject(place, lease.order) == timer.subject ? place : nil
    }

    func firstDue(onWall: Bool) -> Timer? { onWall ? dueAt.first : due.first }

    /// All that was recorded is applied.
    mutating func endReplay() {
        isReplaying = false
        for number in queues.numbers.values {
            // They count from the opening on, as refusals do, which are not recorded.
            queues.at(number).pointee.totals = QueueStatus.Totals()
            noteBusy(queues.at(number))
        }
    }

    /// Gives a part of the memory back that ended jobs have left.
    mutating func tidy() {
        if jobs.needsTidying { jobs.tidy(pages: Self.pagesTidied) }
        if finished.needsTidying { finished.tidy(pages: Self.pagesTidied) }
        groups.tidy(pages: Self.pagesTidied)
        claims.tidy(pages: Self.pagesTidied)
    }

    private static let pagesTidied = 16

    // MARK: Extras

    func extra(_ sequence: UInt64, _ entry: JobEntry) -> Extra? {
        entry.flags.contains(.hasExtra) ? extras[sequence] : nil
    }

    /// Changes what few jobs have; what has nothing left of it goes.
    mutating func withExtra(_ sequence: UInt64, _ entry: Entry, _ body: (inout Extra) -> Void) {
        if !entry.pointee.flags.contains(.hasExtra) {
            entry.pointee.flags.insert(.hasExtra)
            extras[sequence] = Extra()
        }
        let isEmpty = extras.change(sequence, from: Extra()) { extra in
            body(&extra)
            return extra.isEmpty
        }
        guard isEmpty else { return }
        entry.pointee.flags.remove(.hasExtra)
        extras[sequence] = nil
    }

    /// A job's place among the ready ones of its priority.
    func position(_ sequence: UInt64, _ entry: JobEntry) -> UInt64 {
        guard entry.flags.contains(.isMoved) else { return sequence }
        return extras[sequence]?.position ?? sequence
    }

    mutating func setPosition(_ position: UInt64, _ sequence: UInt64, _ entry: Entry) {
        if position == sequence {
            guard entry.pointee.flags.contains(.isMoved) else { return }
            entry.pointee.flags.remove(.isMoved)
            return withExtra(sequence, entry) { $0.position = nil }
        }
        entry.pointee.flags.insert(.isMoved)
        withExtra(sequence, entry) { $0.position = position }
    }

    /// How far an unfinished job has come.
    func attempts(_ sequence: UInt64, _ entry: JobEntry) -> Attempts {
        attempts(entry, entry.lease == 0 ? extra(sequence, entry) : nil)
    }

    /// - Parameter extra: the job's, if it has any; not needed of one that is leased.
    func attempts(_ entry: JobEntry, _ extra: Extra?) -> Attempts {
        let started = entry.lease != 0 ? leases[entry.lease - 1].started : extra?.started
        return Attempts(attempt: entry.attempt, maxAttempts: entry.maxAttempts, deliveries: entry.deliveries, started: started)
    }

    // MARK: Looking up

    /// A job as it is in memory.
    enum Job {
        case unfinished(UnsafePointer<JobEntry>)
        case finished(UnsafePointer<FinishedEntry>)

        var state: JobEntry.State {
            switch self {
            case .unfinished(let entry): entry.pointee.state
            case .finished(let entry): entry.pointee.state
            }
        }
        var change: UInt64 {
            switch self {
            case .unfinished(let entry): entry.pointee.change
            case .finished(let entry): entry.pointee.change
            }
        }
        var queue: UInt32 {
            switch self {
            case .unfinished(let entry): entry.pointee.queue
            case .finished(let entry): entry.pointee.queue
            }
        }
        var message: RecordLocation {
            switch self {
            case .unfinished(let entry): entry.pointee.message
            case .finished(let entry): entry.pointee.message
            }
        }
        var isTransient: Bool {
            switch self {
            case .unfinished(let entry): entry.pointee.flags.contains(.isTransient)
            case .finished(let entry): entry.pointee.isTransient
            }
        }
    }

    /// The job, finished or not, brought up to date with purges and deletions of its queue; valid until anything is changed.
    mutating func job(_ sequence: UInt64) -> Job? {
        if let entry = unfinishedJob(sequence) { return .unfinished(entry) }
        guard let entry = finished.find(sequence) else { return nil }
        guard queues.at(entry.pointee.queue).pointee.isDeleted else { return .finished(entry) }
        drop(finished: sequence)
        return nil
    }

    /// The job, if it is unfinished, brought up to date with purges and deletions of its queue; valid until anything is changed.
    @inline(__always)
    mutating func unfinishedJob(_ sequence: UInt64) -> UnsafePointer<JobEntry>? {
        guard let entry = jobs.find(sequence) else { return nil }
        let queue = queues.at(entry.pointee.queue)
        if queue.pointee.isDeleted {
            drop(unfinished: sequence)
            return nil
        }
        guard isPurged(entry.pointee, queue) else { return entry }
        endPurged(sequence, queue)
        return nil
    }

    /// Whether a purge met the job while it waited.
    func isPurged(_ entry: JobEntry, _ queue: Queue) -> Bool { entry.change < queue.pointee.purge && entry.state.isWaiting }

    /// The number of the queue of a job, finished or not, whether a purge has met it or not.
    func queueNumber(of sequence: UInt64) -> UInt32? {
        jobs.find(sequence)?.pointee.queue ?? finished.find(sequence)?.pointee.queue
    }

    /// The lowest number of a job, finished or not, from this one on.
    func firstJob(from sequence: UInt64) -> UInt64? {
        guard let one = jobs.first(from: sequence) else { return finished.first(from: sequence) }
        guard let other = finished.first(from: sequence) else { return one }
        return min(one, other)
    }

    /// Whether an element of a line still stands for its job.
    mutating func isReady(_ element: ReadyJob) -> Bool {
        guard let entry = unfinishedJob(element.sequence) else { return false }
        return isReady(element, entry.pointee)
    }

    func isReady(_ element: ReadyJob, _ entry: JobEntry) -> Bool {
        entry.state == .queued && position(element.sequence, entry) == element.position
    }

    /// The job at the head of a queue; what is no longer ready is taken away before it.
    mutating func head(of queue: Queue) -> ReadyHead? {
        while let element = queue.pointee.ready.first {
            if let entry = unfinishedJob(element.sequence), isReady(element, entry.pointee) {
                return ReadyHead(job: element, size: entry.pointee.size)
            }
            queue.pointee.ready.removeFirst()
        }
        return nil
    }

    /// The live lease that a token names.
    mutating func lease(_ sequence: UInt64, _ fencing: UInt64) -> (entry: UnsafePointer<JobEntry>, place: UInt32)? {
        guard let entry = unfinishedJob(sequence), entry.pointee.state == .running, entry.pointee.lease != 0 else { return nil }
        let place = entry.pointee.lease - 1
        return leases[place].fencing == fencing ? (entry, place) : nil
    }

    /// Whether there ever was a job with this number.
    func wasIssued(_ sequence: UInt64) -> Bool { sequence > 0 && sequence < nextSequence }
}

extension RecordKey: ShardedKey {
    /// The same in every process: a page of an export may be followed by one of another.
    var shard: Int {
        switch home {
        case .own: Array(name.utf8).shard
        case .queue(let queue): Array((name + queue.description).utf8).shard
        case .job(let job): Array((name + job.description).utf8).shard
        }
    }
}
