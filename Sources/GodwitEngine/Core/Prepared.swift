import GodwitCore

/// A message on its way into the store: one owner that travels by reference.
final class MessageBox: Sendable {
    let message: NewMessage
    /// What it counts against a queue's bytes.
    let size: Int
    /// The record's body: the payload, and behind it what follows the job's end.
    let body: Bytes
    let onFinalBytes: Int
    /// A dead letter's history.
    let deaths: [StoredDeath]

    init(_ message: NewMessage, deaths: [StoredDeath] = []) {
        self.message = message
        self.deaths = deaths.isEmpty ? message.past?.deaths.map(StoredDeath.init) ?? [] : deaths
        size = message.size
        if message.onFinal.isEmpty {
            (body, onFinalBytes) = (message.payload.bytes, 0)
        } else {
            let followUps = FollowUpCoding.encode(message.onFinal)
            (body, onFinalBytes) = (Bytes(message.payload.bytes.slice + followUps), followUps.count)
        }
    }
}

/// What a lease's token names, once its MAC is checked.
struct LeaseName: Sendable, Hashable {
    var sequence: UInt64
    var fencing: UInt64
}

/// A job's id with the number in it; nil when this store did not make it.
struct JobName: Sendable {
    var id: JobID
    var sequence: UInt64?
}

/// How a job is given back.
struct PreparedRelease: Sendable {
    var delay: Duration?
    var isCounted: Bool
    var place = ReleasePlace.original
    var amended: [Header] = []
}

/// An operation as the engine's thread wants it: checked as far as can be without any state, its ids read.
enum PreparedOperation: Sendable {
    case enqueue(MessageBox)
    case complete(LeaseName?, result: Content?)
    case fail(LeaseName?, Failure, retry: RetryDecision)
    case release(LeaseName?, PreparedRelease)
    case deadLetter(LeaseName?, Failure, to: QueueName?)
    case cancel(JobName)
    case retry(JobName)
    case redrive(JobName)
    case forget(JobName)
    case put(RecordKey, value: Bytes, expecting: Expectation, lifetime: Duration?)
    case add(Addition)
    case delete(RecordKey, expecting: Expectation)
}

/// A transaction as the engine's thread wants it. Preparing happens on the caller's thread.
enum PreparedTransaction: Sendable {
    case one(PreparedOperation)
    case many([PreparedOperation])
    /// Something about it is wrong whatever the state.
    case refused(operation: Int, BrokerError)

    init(_ transaction: Transaction, _ identity: StoreIdentity) {
        if let (operation, error) = transaction.validate() {
            self = .refused(operation: operation, error)
        } else if transaction.operations.count == 1 {
            self = .one(PreparedOperation(transaction.operations[0], identity))
        } else {
            self = .many(transaction.operations.map { PreparedOperation($0, identity) })
        }
    }
}

extension PreparedTransaction {
    /// A transaction of one operation, without the array.
    init(_ operation: GodwitCore.Operation, _ identity: StoreIdentity) {
        if let error = operation.refusal {
            self = .refused(operation: 0, error)
        } else {
            self = .one(PreparedOperation(operation, identity))
        }
    }
}

extension PreparedOperation {
    /// What it does, as a letter.
    var letter: UInt8 {
        let letter: Unicode.Scalar =
            switch self {
            case .enqueue: "e"
            case .complete: "c"
            case .fail: "f"
            case .release: "l"
            case .deadLetter: "d"
            case .cancel: "x"
            case .retry: "t"
            case .redrive: "v"
            case .forget: "g"
            case .put: "p"
            case .add: "a"
            case .delete: "r"
            }
        return UInt8(ascii: letter)
    }
}

extension PreparedTransaction {
    /// What its operations do, in a number (FNV-1a of a letter each): two that differ in it are not the same. Nil for one that is wrong whatever
    /// the state.
    var kinds: UInt64? {
        func add(_ operation: PreparedOperation, to hash: UInt64) -> UInt64 { (hash ^ UInt64(operation.letter)) &* 0x100_0000_01b3 }
        let start: UInt64 = 0xcbf2_9ce4_8422_2325
        return switch self {
        case .one(let operation): add(operation, to: start)
        case .many(let operations): operations.reduce(start) { add($1, to: $0) }
        case .refused: nil
        }
    }

    /// Whether it publishes a job that is on disk before it is confirmed.
    var isPublish: Bool {
        switch self {
        case .one(let operation): operation.isPublish
        case .many(let operations): operations.contains { $0.isPublish }
        case .refused: false
        }
    }
}

extension PreparedOperation {
    var isPublish: Bool { if case .enqueue(let box) = self { !box.message.isTransient } else { false } }

    init(_ operation: GodwitCore.Operation, _ identity: StoreIdentity) {
        func job(_ id: JobID) -> JobName { JobName(id: id, sequence: identity.sequence(of: id)) }
        switch operation {
        case .enqueue(let message): self = .enqueue(MessageBox(message))
        case .complete(let token, let result): self = .complete(identity.lease(of: token), result: result)
        case .fail(let token, let failure, let retry): self = .fail(identity.lease(of: token), failure.bounded, retry: retry)
        case .release(let token, let delay, let isCounted, let place, let headers):
            let release = PreparedRelease(delay: delay, isCounted: isCounted, place: place, amended: headers)
            self = .release(identity.lease(of: token), release)
        case .deadLetter(let token, let failure, let queue): self = .deadLetter(identity.lease(of: token), failure.bounded, to: queue)
        case .cancel(let id): self = .cancel(job(id))
        case .retry(let id): self = .retry(job(id))
        case .redrive(let id): self = .redrive(job(id))
        case .forget(let id): self = .forget(job(id))
        case .put(let key, let value, let expectation, let lifetime):
            self = .put(key, value: value, expecting: expectation, lifetime: lifetime)
        case .add(let addition): self = .add(addition)
        case .delete(let key, let expectation): self = .delete(key, expecting: expectation)
        }
    }
}

/// What an operation came to, before ids are written as text.
enum ResultView: Sendable {
    case enqueued(sequence: UInt64, created: Int64, runAt: Int64?, maxAttempts: UInt16, change: UInt64)
    case duplicate(sequence: UInt64)
    case state(JobState)
    case forgotten
    case put(change: UInt64)
    case added(AddedView)
    case deleted

    func result(_ identity: StoreIdentity) -> OperationResult {
        switch self {
        case .enqueued(let sequence, let created, let runAt, let maxAttempts, let change):
            .enqueued(
                Enqueued(
                    id: identity.jobID(sequence),
                    state: runAt == nil ? .queued : .scheduled,
                    createdAt: Timestamp(milliseconds: created),
                    runAt: runAt.map { Timestamp(milliseconds: $0) },
                    maxAttempts: Int(maxAttempts),
                    version: Version(change)
                )
            )
        case .duplicate(let sequence): .duplicate(identity.jobID(sequence))
        case .state(let state): .state(state)
        case .forgotten: .forgotten
        case .put(let change): .put(Version(change))
        case .added(let view): .added(view.added(identity))
        case .deleted: .deleted
        }
    }
}

/// What counting a step came to.
struct AddedView: Sendable {
    var counter: CounterValue
    var isCounted: Bool
    var completes = false
    /// The jobs that what followed enqueued.
    var sequences: [UInt64] = []
    var change: UInt64

    func added(_ identity: StoreIdentity) -> Added {
        Added(
            counter: counter,
            isCounted: isCounted,
            completes: completes,
            enqueued: sequences.map(identity.jobID),
            version: Version(change)
        )
    }
}

/// What a transaction came to.
enum OutcomeView: Sendable {
    case one(ResultView)
    case many([ResultView])
    case aborted(operation: Int, BrokerError)

    var isAborted: Bool { if case .aborted = self { true } else { false } }

    func outcome(_ identity: StoreIdentity) -> TransactionOutcome {
        switch self {
        case .one(let view): .committed([view.result(identity)])
        case .many(let views): .committed(views.map { $0.result(identity) })
        case .aborted(let operation, let error): .aborted(operation: operation, error)
        }
    }
}
