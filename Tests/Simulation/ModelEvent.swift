import GodwitCore

/// What can become of the things in a store.
enum ModelEvent {
    enum Next {
        case retry(Int64)
        /// At the back of its line.
        case back
        /// At its place.
        case place
        case final
    }

    /// Opening it made the old process's end known.
    case opened
    case noted
    case queue(QueueName, QueueSettings)
    case paused(QueueName, Bool)
    case purged(QueueName)
    case queueDeleted(QueueName)
    case published(NewMessage, number: Int, due: ModelJob.Due?, expires: Int64?)
    case leased(Int, HolderID, term: Int64, endsWithProcess: Bool, serial: Int)
    case completed(Int, Content?)
    case failed(Int, code: String?, ModelEvent.Next)
    case released(Int, isCounted: Bool, due: Int64?)
    case cancelled(Int)
    case retried(Int)
    case forgotten(Int)
    case due(Int)
    case expired(Int)
    case progressed(Int, JobProgress)
    case put(RecordKey, Bytes, expires: Int64?)
    case deleted(RecordKey)
    /// Ended jobs beyond the number that is kept, or whose time is over, are dropped.
    case dropped([Int])
    case keyDropped(String, QueueName)
}

/// Events that happen together or not at all, with when they were decided.
struct ModelUnit {
    /// Grows with every unit of a run.
    var number: Int
    var events: [ModelEvent]
    var engine: Int64
    var wall: Int64
    /// The time by which leases run.
    var leaseNow: Int64
}
