import GodwitCore

/// What the model says that a request must come to.
enum Expected {
    case outcomes([ExpectedOutcome])
    /// The messages of a batch.
    case published([Int])
    case batch([ExpectedDelivery])
    case backup
    case deliveries([ExpectedDelivery])
    case renewals([ExpectedRenewal])
    case lookups([ExpectedLookup])
    case payload(Int, Content)
    case result(Int, Content?)
    case records([ExpectedRecord])
    case queues(QueueMap<ExpectedQueue>)
    case jobs(ExpectedJobs)
    case settings(QueueName, QueueSettings)
    case count(Int)
    case done
    case refused(BrokerError.Code)
}

enum ExpectedOutcome {
    case committed([ExpectedResult])
    /// Nothing of it was applied, for one of these reasons.
    case aborted(operation: Int, Set<BrokerError.Code>)
}

enum ExpectedResult {
    case enqueued(Int, created: Int64, runAt: Int64?, maxAttempts: Int, unit: Int)
    case duplicate(Int)
    case state(JobState)
    case forgotten
    case added(CounterValue, isCounted: Bool, completes: Bool, enqueued: [Int])
    /// `unit` is nil when a later operation of the same transaction changed the record again.
    case put(RecordKey, unit: Int?)
    case deleted
}

struct ExpectedDelivery {
    var job: ModelJob
    var serial: Int
    var remaining: Duration
}

enum ExpectedRenewal {
    case good(Duration)
    /// The lease is over; `isCancelled` when its job was cancelled, which holders are told as long as the lease would have run.
    case over(isCancelled: Bool, mustSay: Bool)
}

enum ExpectedLookup {
    case found(ModelJob)
    case forgotten(Int)
    /// Its retention is over: it may be there still.
    case either(ModelJob)
}

struct ExpectedRecord {
    var key: RecordKey
    var record: ModelRecord?
    var counter: ModelCounter?

    /// The unit that made it what it is; nil when there is nothing.
    var unit: Int? { record?.unit ?? counter?.unit }
}

struct ExpectedQueue {
    var settings: QueueSettings
    var isPaused: Bool
    /// The jobs that must be counted, and those whose retention is over, which may be.
    var counts = QueueStatus.Counts()
    var lapsed = QueueStatus.Counts()
    var bytes = 0
    var keys = 0
    /// Keys whose window is over, oldest first, with the jobs that they made.
    var lapsedKeys: [(key: String, number: Int)] = []
}

/// All jobs, newest first, and those among them that may be gone.
struct ExpectedJobs {
    var jobs: [ModelJob] = []
    var lapsed: Set<Int> = []
}
