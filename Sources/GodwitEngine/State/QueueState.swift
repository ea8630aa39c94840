import GodwitCore

/// A queue in memory: its settings, the jobs in line, and numbers that are kept, never counted.
struct QueueState {
    /// Jobs that waited under a lower purge number were ended.
    struct Purge {
        var number: UInt32
        var stamp: Stamp
        var change: UInt64
        /// Whether something was to be left of them, as the settings said then.
        var keeps: Bool
    }

    let name: QueueName
    var settings: QueueSettings
    /// The change that made the settings: their version.
    var settingsChange: UInt64
    /// The newest change to anything that its status shows.
    var change: UInt64
    var isPaused = false
    var isDeleted = false

    var ready = ReadyJobs()
    var counts = QueueStatus.Counts()
    /// Bytes of unfinished jobs, and of those among them that wait.
    var bytes = 0
    var waitingBytes = 0

    var purge: UInt32 = 0
    /// Those whose jobs are not all ended one by one yet, oldest first.
    var purges: [Purge] = []

    /// Succeeded and cancelled jobs, failed and expired ones: each kind has its own time.
    var succeeded = FinishedJobs()
    var failed = FinishedJobs()
    var keys = DedupWindow()
    var hasWarnedOfKeys = false

    var totals = QueueStatus.Totals()
    var throughput = Throughput()
    /// Callers who wait for a job of it, in the order in which they came.
    var waiting = WaitingLine()

    init(name: QueueName, settings: QueueSettings, change: UInt64) {
        self.name = name
        self.settings = settings
        settingsChange = change
        self.change = change
    }

    var keepsFinished: Bool { if case .keep = settings.retention { true } else { false } }

    /// How many finished jobs are over the number that is kept.
    var overCount: Int {
        guard case .keep(_, _, let count) = settings.retention else { return succeeded.count + failed.count }
        return max(0, succeeded.count + failed.count - count)
    }

    /// Whether ready jobs wait while somebody could work on them.
    var isBusy: Bool { counts.queued > 0 && (counts.running > 0 || waiting.count > 0) }

    /// How long to wait before there is likely room: (L - 0.9 x bound) / X; 5 s while that is unknown or not positive.
    var retryAfter: Duration {
        let unknown: Duration = .seconds(5)
        guard let rate = throughput.jobsPerSecond, counts.unfinished > 0 else { return unknown }
        var excess = Double(counts.unfinished) - 0.9 * Double(settings.maxJobs)
        let meanSize = Double(bytes) / Double(counts.unfinished)
        if meanSize > 0 { excess = max(excess, (Double(bytes) - 0.9 * Double(settings.maxBytes)) / meanSize) }
        let seconds = excess / rate
        guard seconds > 0, seconds.isFinite else { return unknown }
        return .milliseconds(Int64(min(seconds * 1_000, 1e15).rounded(.up)))
    }
}

/// The numbers of callers in the order in which they came; one that left is passed over.
struct WaitingLine {
    private var line: [UInt64] = []
    var count: Int { line.count }
    var first: UInt64? { line.first }

    mutating func append(_ ticket: UInt64) { line.append(ticket) }
    mutating func remove(_ ticket: UInt64) {
        if let index = line.firstIndex(of: ticket) { line.remove(at: index) }
    }
}

/// All queues by number, each at a place of its own that never moves. A number is never used again.
struct QueueTable: ~Copyable {
    private var places: [UnsafeMutablePointer<QueueState>] = []
    private(set) var numbers: [QueueName: UInt32] = [:]

    init() {}

    deinit {
        for place in places {
            place.deinitialize(count: 1)
            place.deallocate()
        }
    }

    var count: Int { places.count }

    /// The queue with this number, deleted or not; valid as long as the table.
    subscript(number: UInt32) -> UnsafeMutablePointer<QueueState>? {
        number < UInt32(places.count) ? places[Int(number)] : nil
    }

    /// A queue that is there: its number is known to be in the table.
    func at(_ number: UInt32) -> UnsafeMutablePointer<QueueState> { places[Int(number)] }

    mutating func append(_ queue: QueueState) {
        numbers[queue.name] = UInt32(places.count)
        let place = UnsafeMutablePointer<QueueState>.allocate(capacity: 1)
        place.initialize(to: queue)
        places.append(place)
    }

    /// Takes a queue's name away and gives back what it held; its number stays taken.
    mutating func delete(_ number: UInt32, change: UInt64) {
        let place = places[Int(number)]
        numbers[place.pointee.name] = nil
        let waiting = place.pointee.waiting
        place.pointee = QueueState(name: place.pointee.name, settings: place.pointee.settings, change: change)
        place.pointee.waiting = waiting
        place.pointee.isDeleted = true
    }
}
