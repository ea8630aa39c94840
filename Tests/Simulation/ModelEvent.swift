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

    /// Opening it made the old process's end known: its transient jobs are gone.
    case opened
    case noted
    case queue(QueueName, QueueSettings)
    case paused(QueueName, Bool)
    case purged(QueueName)
    case queueDeleted(QueueName)
    case published(NewMessage, number: Int, due: ModelJob.Due?, expires: Int64?)
    /// A message that was in another queue: the dead letter of `origin`, or one that goes back.
    case copied(NewMessage, number: Int, expires: Int64?, deaths: [ModelDeath], origin: Int?)
    case leased(Int, HolderID, term: Int64, endsWithProcess: Bool, serial: Int)
    case completed(Int, Content?)
    case failed(Int, code: String?, ModelEvent.Next, DeathReason? = nil)
    case released(Int, isCounted: Bool, due: Int64?, place: ReleasePlace = .original, amended: [Header] = [])
    case cancelled(Int)
    case retried(Int)
    case forgotten(Int)
    /// A dead letter went back as a new job.
    case redriven(Int)
    case due(Int)
    case expired(Int)
    case progressed(Int, JobProgress)
    case put(RecordKey, Bytes, expires: Int64?)
    case deleted(RecordKey)
    /// A step is counted; `then` is what the counter's first one says.
    case added(RecordKey, step: String, amount: Int, target: Int, expires: Int64, then: [Operation])
    /// What follows an end is done.
    case followed(ModelOwed.Subject, FinalStates)
    /// Ended jobs beyond the number that is kept, or whose time is over, are dropped.
    case dropped([Int])
    case keyDropped(String, QueueName)
    /// What a numbered transaction of a session came to.
    case outcome(session: String, number: UInt64, acknowledged: UInt64, [ExpectedResult])
    case sessionsEnded([String])
}

/// A line of a dead letter's history as the model knows it.
struct ModelDeath {
    var queue: QueueName
    var reason: DeathReason
    var count = 1
    var first: Int64
    var last: Int64
    /// The job that died the last time.
    var number: Int
    var attempt: Int
    var deliveries: Int
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
