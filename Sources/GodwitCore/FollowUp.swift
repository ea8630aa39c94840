/// What is done when a job has ended, or when a counter is full.
///
/// Of all operations only those can follow that nothing can refuse: ``Operation/enqueue(_:)``, which no bound keeps out then,
/// ``Operation/put(_:value:expecting:lifetime:)`` without an expected version, ``Operation/add(_:)`` and ``Operation/cancel(_:)``. One that
/// cannot be carried out all the same, such as the cancelling of a job that is no longer there, is passed over.
public struct FollowUp: Sendable {
    package var operation: Operation
    /// After which ends of the job.
    package var when: FinalStates

    package init(_ operation: Operation, when: FinalStates = .all) {
        self.operation = operation
        self.when = when
    }
}

/// Ways in which a job can end.
public struct FinalStates: OptionSet, Sendable, Hashable {
    /// A bit for each way.
    public let rawValue: UInt8

    /// The ways that bits stand for.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// It was completed.
    public static let succeeded = FinalStates(rawValue: 1)
    /// It failed for good: its last attempt, or most deliveries, or its full queue dropped it.
    public static let failed = FinalStates(rawValue: 2)
    /// It was cancelled, or its queue was purged or deleted.
    public static let cancelled = FinalStates(rawValue: 4)
    /// It was not started in time.
    public static let expired = FinalStates(rawValue: 8)
    /// However it ends.
    public static let all: FinalStates = [.succeeded, .failed, .cancelled, .expired]

    /// Their names, as states have them.
    package var names: [String] { JobState.allCases.filter { !isDisjoint(with: FinalStates($0)) }.map(\.rawValue) }

    /// The one that is a job's state; empty for one that is not final.
    package init(_ state: JobState) {
        switch state {
        case .succeeded: self = .succeeded
        case .failed: self = .failed
        case .cancelled: self = .cancelled
        case .expired: self = .expired
        case .scheduled, .queued, .running, .retrying: self = []
        }
    }
}

/// A step that a counter counts.
///
/// The first one of a key makes the counter, and says what it counts up to and what follows: whatever later ones say about that is not looked
/// at, so that all can say the same and nobody needs to know who is first. Each step id counts once. With the step that brings the count to
/// `target` the counter is full, and what follows is done in the same transaction; from then on no step counts, and those ids are forgotten.
package struct Addition: Sendable {
    /// The counter's key, of the same kind and among the same keys as a record's.
    package var key: RecordKey
    /// What is counted, 1 to ``Limits/step`` bytes, such as a job's id.
    package var step: String
    /// How much it counts, 0 to ``Limits/counterTarget``. With 0 it only makes the counter.
    package var amount: Int
    /// 1 to ``Limits/counterTarget``.
    package var target: Int
    /// What follows, at most ``Limits/followUps`` operations, see ``FollowUp``.
    package var then: [Operation]
    /// How long the counter is kept after the latest step that counted, unless it was to be kept longer before; nil for
    /// ``Limits/counterLifetime``.
    package var lifetime: Duration?

    package init(
        key: RecordKey,
        step: String,
        amount: Int = 1,
        target: Int,
        then: [Operation] = [],
        lifetime: Duration? = nil
    ) {
        self.key = key
        self.step = step
        self.amount = amount
        self.target = target
        self.then = then
        self.lifetime = lifetime
    }
}

/// What counting a step came to.
package struct Added: Sendable, Hashable {
    /// The counter with the step in it.
    package var counter: CounterValue
    /// False when the step was counted before, or the counter was full.
    package var isCounted: Bool
    /// Whether it was this step that made the counter full.
    package var completes: Bool
    /// The jobs that what followed enqueued, in order. What jobs' ends or other counters bring about by it is not among them.
    package var enqueued: [JobID]
    package var version: Version

    package init(counter: CounterValue, isCounted: Bool, completes: Bool, enqueued: [JobID], version: Version) {
        self.counter = counter
        self.isCounted = isCounted
        self.completes = completes
        self.enqueued = enqueued
        self.version = version
    }
}

/// A counter as it stands.
package struct CounterValue: Sendable, Hashable {
    package var count: Int
    /// What it counts up to.
    package var target: Int
    /// Whether it is full: what follows was done.
    package var isComplete: Bool { count >= target }

    package init(count: Int, target: Int) {
        self.count = count
        self.target = target
    }
}

// MARK: Sizes and digests

extension Operation {
    /// What it takes as a part of a message, or of what follows, about.
    package var followUpSize: Int {
        switch self {
        case .enqueue(let message):
            64 + message.queue.description.utf8.count + message.size + (message.deduplication?.key.utf8.count ?? 0)
                + (message.group?.utf8.count ?? 0) + (message.claim?.utf8.count ?? 0)
        case .put(let key, let value, _, _): 64 + key.name.utf8.count + value.count
        case .add(let addition):
            64 + addition.key.name.utf8.count + addition.step.utf8.count + addition.then.reduce(0) { $0 + $1.followUpSize }
        default: 64
        }
    }
}

extension Digest64 {
    mutating func add(_ followUps: [FollowUp]) {
        for followUp in followUps {
            add(Int64(followUp.when.rawValue))
            add(followUp.operation)
        }
    }

    private mutating func add(_ operation: Operation) {
        switch operation {
        case .enqueue(let message):
            add(1, Int64(bitPattern: message.fingerprint))
            add(message.queue.description)
            add(message.deduplication?.key)
        case .put(let key, let value, _, let lifetime):
            add(2, lifetime?.inMilliseconds ?? -1)
            add(key)
            value.withUnsafeBytes { add($0) }
        case .add(let addition):
            add(3, Int64(addition.amount), Int64(addition.target), addition.lifetime?.inMilliseconds ?? -1)
            add(addition.key)
            add(addition.step)
            // Their number says where they end.
            add(Int64(addition.then.count))
            for operation in addition.then { add(operation) }
        case .cancel(let id):
            add(4)
            add(id.description)
        default: add(0)
        }
    }

    private mutating func add(_ key: RecordKey) {
        add(key.name)
        switch key.home {
        case .own: add(0)
        case .queue(let name):
            add(1)
            add(name.description)
        case .job(let id):
            add(2)
            add(id.description)
        }
    }
}
