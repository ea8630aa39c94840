import GodwitCore
import GodwitJournal

/// Names one call: the core answers with it.
typealias Ticket = UInt64

/// What a caller wants of the core. Everything that needs no state is already checked or parsed.
enum Command: Sendable {
    case commit([PreparedTransaction], SessionCommit? = nil)
    /// The same for one, without the arrays.
    case commitOne(PreparedTransaction)
    case publishBatch(MessageBatch)
    case lease(LeaseRequest)
    case completeBatch(LeasedBatch)
    case renew([Renewal])
    case closeHolder(HolderID)
    case endSession(String)
    case read([JobID])
    case payload(JobID)
    case result(JobID)
    /// Within these queues alone; nil for all.
    case list(JobQuery, within: [QueueName]? = nil)
    case browse(BrowseQuery)
    case readRecords([RecordKey])
    case watch([WatchItem], wait: Int64)
    case queues
    case queue(QueueName)
    case configure(QueueName, QueueSettings, Expectation, startsPaused: Bool = false)
    case pause(QueueName, Bool)
    case purge(QueueName)
    case delete(QueueName, purging: Bool)
    case check
    case backup
    case level
    case inspect
    /// How long jobs take, of these queues by themselves, too.
    case times([QueueName])
    case upgrade
    case export(ExportQuery)
    case exportRecords(cursor: String?, prefix: String?)
    /// The clock was moved: answered when all that is due is done.
    case followClock
    /// The caller with this ticket no longer waits.
    case abandon(Ticket)

    /// How many messages it is about, if it changes something.
    var messages: Int {
        switch self {
        case .commit(let transactions, _): transactions.count
        case .publishBatch(let batch): batch.count
        case .completeBatch(let batch): batch.count
        default: 1
        }
    }

    /// Whether it publishes what is on disk before it is answered.
    var isPublish: Bool {
        switch self {
        case .commitOne(let transaction): transaction.isPublish
        case .commit(let transactions, _): transactions.contains { $0.isPublish }
        case .publishBatch(let batch): !batch.isTransient
        default: false
        }
    }
}

/// A call for jobs.
struct LeaseRequest: Sendable {
    var holder: HolderOptions
    var max: Int
    var term: LeaseTerm
    /// Milliseconds to wait for a job.
    var wait: Int64
    /// Whether the answer is a ``LeasedBatch``.
    var isBatch = false
}

/// What the core answers. What lies in the journal is read by the caller, not by the engine's thread.
enum Answer: Sendable {
    case outcomes([OutcomeView])
    case outcome(OutcomeView)
    case published(PublishedRange)
    case deliveries([LeasedJob])
    case batch(LeasedBatch)
    case renewals([RenewalOutcome])
    case lookups([LookupView])
    case content(StoredContent?)
    case page([JobView], next: String?, end: String)
    case browsed([JobView], next: String?)
    case records([RecordView?])
    case watched([WatchView])
    case statuses([QueueStatus])
    case count(Int)
    case backup(JournalSnapshot)
    /// The store's; for an upgrade the one that it had.
    case level(FormatLevel)
    case contents(StoreContents)
    case times(JobTimes)
    case exports(ExportViews)
    case exportedRecords(ExportedRecordViews)
    case done
    /// The caller was gone before it had asked.
    case abandoned
    case refused(BrokerError)
}

extension Answer {
    /// Whether anything of a commit was done.
    var hasCommitted: Bool {
        switch self {
        case .outcome(let outcome): !outcome.isAborted
        case .outcomes(let outcomes): outcomes.contains { !$0.isAborted }
        case .published: true
        default: false
        }
    }
}
