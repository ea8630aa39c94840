import DequeModule
import GodwitCore
import GodwitJournal

/// Everything that the journal's records say, in memory. It changes by ``apply(_:_:at:)`` alone, live and in replay.
struct EngineState: ~Copyable {
    /// A small record: its value stays in the journal.
    struct StoredRecord {
        var location: RecordLocation
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
    var opening: (change: Opening, stamp: Stamp)?
    /// The time of the latest record.
    var stamp = Stamp(engine: 0, wall: 0)
    /// The number of the latest change. It counts over the store's whole life: versions are made of it.
    var change: UInt64 = 0
    /// The latest change that left nothing of a job.
    var removal: UInt64 = 0
    var nextSequence: UInt64 = 1
    var nextFencing: UInt64 = 1

    var jobs = JobTable()
    var queues = QueueTable()
    private(set) var rarities: [Rarities] = []
    private var freeRarities: [UInt32] = []

    var leases = LeaseTable()
    /// By lease time; the subject is ``timerSubject(_:_:)``.
    var leaseTimers = Timers()
    var leaseNow: Int64 = 0
    /// Fencing numbers of leases whose job was cancelled, until they would have ended: their holders are told so.
    var cancelRequests: [UInt64: Int64] = [:]

    /// Scheduled and retrying jobs by engine time, and by wall time.
    var due = Timers()
    var dueAt = Timers()
    var expiries = Timers()
    var records: [RecordKey: StoredRecord] = [:]
    /// The subject is the change that put the record.
    var recordTimers = Timers()
    var recordKeys: [UInt64: RecordKey] = [:]
    var cleanings = Deque<Cleaning>()
    var hot: HotMessages

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

    init(hotBytes: Int) { hot = HotMessages(limit: hotBytes) }

    static func timerSubject(_ place: UInt32, _ fencing: UInt64) -> UInt64 { UInt64(place) << 32 | fencing & 0xffff_ffff }

    func firstDue(onWall: Bool) -> Timer? { onWall ? dueAt.first : due.first }

    /// All that was recorded is applied.
    mutating func endReplay() {
        isReplaying = false
        // They count from the opening on, as refusals do, which are not recorded.
        for number in queues.numbers.values { queues.at(number).pointee.totals = QueueStatus.Totals() }
    }

    // MARK: Rarities

    func rare(_ entry: UnsafeMutablePointer<JobEntry>) -> Rarities? {
        entry.pointee.rarities == 0 ? nil : rarities[Int(entry.pointee.rarities - 1)]
    }

    mutating func withRarities(_ entry: UnsafeMutablePointer<JobEntry>, _ body: (inout Rarities) -> Void) {
        if entry.pointee.rarities == 0 {
            if let free = freeRarities.popLast() {
                entry.pointee.rarities = free + 1
            } else {
                rarities.append(Rarities())
                entry.pointee.rarities = UInt32(rarities.count)
            }
        }
        body(&rarities[Int(entry.pointee.rarities - 1)])
    }

    mutating func freeRarities(of entry: UnsafeMutablePointer<JobEntry>) {
        guard entry.pointee.rarities != 0 else { return }
        rarities[Int(entry.pointee.rarities - 1)] = Rarities()
        freeRarities.append(entry.pointee.rarities - 1)
        entry.pointee.rarities = 0
    }

    // MARK: Looking up

    /// The job's entry, brought up to date with purges and deletions of its queue; valid until a job is removed.
    mutating func job(_ sequence: UInt64) -> UnsafeMutablePointer<JobEntry>? {
        guard let entry = jobs.find(sequence) else { return nil }
        let queue = queues.at(entry.pointee.queue)
        if queue.pointee.isDeleted {
            drop(sequence, entry)
            return nil
        }
        guard entry.pointee.purge < queue.pointee.purge, entry.pointee.state.isWaiting else { return entry }
        return endPurged(sequence, entry, queue)
    }

    /// Whether an element of a line still stands for its job.
    mutating func isReady(_ element: ReadyJob) -> Bool {
        guard let entry = job(element.sequence) else { return false }
        return entry.pointee.state == .queued && entry.pointee.position == element.position
    }

    /// The job at the head of a queue; what is no longer ready is taken away before it.
    mutating func head(of queue: UnsafeMutablePointer<QueueState>) -> ReadyJob? {
        while let element = queue.pointee.ready.first {
            if isReady(element) { return element }
            queue.pointee.ready.removeFirst()
        }
        return nil
    }

    /// The live lease that a token names.
    mutating func lease(_ sequence: UInt64, _ fencing: UInt64) -> (entry: UnsafeMutablePointer<JobEntry>, place: UInt32)? {
        guard let entry = job(sequence), entry.pointee.state == .running, entry.pointee.lease != 0 else { return nil }
        let place = entry.pointee.lease - 1
        return leases[place].fencing == fencing ? (entry, place) : nil
    }

    /// Whether there ever was a job with this number.
    func wasIssued(_ sequence: UInt64) -> Bool { sequence > 0 && sequence < nextSequence }
}
