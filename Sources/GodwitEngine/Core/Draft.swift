import GodwitCore
import GodwitJournal

/// A transaction while it is decided: what it will record, and what its later operations must know of its earlier ones.
struct Draft {
    var changes: [Change] = []
    var results: [ResultView] = []
    /// Whether one of its operations ended or gave back a lease: what it enqueues then is never refused by a bound.
    var hasSettled = false
    /// Whether all that it does is to bring new jobs or records.
    var onlyPublishes = true
    /// Whether one of its operations brings something new, be it by what follows it.
    var bringsNew = false
    /// How many of its operations publish or settle transient messages and do nothing else, and the newest change that those rest on.
    var transients: (count: Int, rest: UInt64) = (0, 0)
    /// Numbers that it has given out.
    var nextSequence: UInt64 = 0
    /// How many bytes of dead letters it brings, there and back.
    var letterBytes = 0
    /// Why a dead letter that it should bring cannot be read just then: it is not to be recorded without.
    var unread: BrokerError?

    private var states: [UInt64: JobEntry.State?] = [:]
    private var revivals: [UInt64: Retry.Revival] = [:]
    private var keys: [KeyMark: (sequence: UInt64, fingerprint: FingerprintMark)] = [:]
    private var claims: [QueueKey: UInt64] = [:]
    private var records: [RecordKey: Bool] = [:]
    private var counters: [RecordKey: StagedCounter] = [:]
    /// What follows an end is decided: nothing may refuse it, and what it ends or fills in turn is followed later.
    var isFollowing = false
    /// How many operations followed so far.
    var followed = 0
    private var added: [Added] = []

    /// A counter while steps of it are decided.
    struct StagedCounter {
        var created: UInt64
        var change: UInt64
        var counter: CounterValue
        var expires: Int64
        /// Steps that this draft counts.
        var steps: Set<[UInt8]> = []
        /// Of how many steps the ids are known.
        var stepCount: Int
        var then: Then

        /// What follows when it is full.
        enum Then {
            case nothing
            /// Said by this draft.
            case said([GodwitCore.Operation])
            case recorded(RecordLocation)
        }
    }

    /// What its operations bring to a queue and take from it.
    struct Added {
        var queue: UInt32
        var jobs = 0, bytes = 0, keys = 0
        var dropped = 0, droppedBytes = 0
    }

    private struct QueueKey: Hashable {
        var queue: UInt32
        var key: [UInt8]
    }

    mutating func begin(nextSequence: UInt64) {
        changes.removeAll(keepingCapacity: true)
        results.removeAll(keepingCapacity: true)
        hasSettled = false
        onlyPublishes = true
        bringsNew = false
        transients = (0, 0)
        letterBytes = 0
        unread = nil
        self.nextSequence = nextSequence
        if !states.isEmpty { states.removeAll() }
        if !revivals.isEmpty { revivals.removeAll() }
        if !keys.isEmpty { keys.removeAll() }
        if !claims.isEmpty { claims.removeAll() }
        if !records.isEmpty { records.removeAll() }
        if !counters.isEmpty { counters.removeAll() }
        isFollowing = false
        followed = 0
        added.removeAll(keepingCapacity: true)
    }

    /// Whether all that it does is to publish and settle transient messages.
    var isTransient: Bool { transients.count > 0 && transients.count == results.count }
    mutating func noteTransient(on change: UInt64 = 0) {
        transients = (transients.count + 1, max(transients.rest, change))
    }

    /// Whether its operations changed any job.
    var hasStates: Bool { !states.isEmpty }

    /// The state that earlier operations left a job in, if they changed it; inside, nil for one that they forgot.
    func state(of sequence: UInt64) -> JobEntry.State?? { states.isEmpty ? nil : states[sequence] }
    /// Whether earlier operations ended a job.
    func hasEnded(_ sequence: UInt64) -> Bool {
        guard let state = state(of: sequence) else { return false }
        return state?.isFinal ?? true
    }
    mutating func setState(_ state: JobEntry.State?, of sequence: UInt64) { states[sequence] = .some(state) }

    /// What is to be known of a job should it be queued again, as earlier operations left it, if they changed any of that.
    func revival(of sequence: UInt64) -> Retry.Revival? { revivals.isEmpty ? nil : revivals[sequence] }
    mutating func setRevival(_ revival: Retry.Revival, of sequence: UInt64) { revivals[sequence] = revival }

    func key(_ key: KeyMark) -> (sequence: UInt64, fingerprint: FingerprintMark)? { keys.isEmpty ? nil : keys[key] }
    mutating func setKey(_ key: KeyMark, _ sequence: UInt64, _ fingerprint: FingerprintMark) { keys[key] = (sequence, fingerprint) }

    func claim(_ claim: [UInt8], in queue: UInt32) -> UInt64? { claims.isEmpty ? nil : claims[QueueKey(queue: queue, key: claim)] }
    mutating func setClaim(_ claim: [UInt8], in queue: UInt32, _ sequence: UInt64) { claims[QueueKey(queue: queue, key: claim)] = sequence }

    /// Whether earlier operations put (true) or deleted (false) a record.
    func record(_ key: RecordKey) -> Bool? { records.isEmpty ? nil : records[key] }
    mutating func setRecord(_ key: RecordKey, _ isThere: Bool) {
        records[key] = isThere
        if !counters.isEmpty { counters[key] = nil }
    }

    /// A counter as its operations left it, if they changed it.
    func counter(_ key: RecordKey) -> StagedCounter? { counters.isEmpty ? nil : counters[key] }
    mutating func setCounter(_ key: RecordKey, _ counter: StagedCounter) {
        records[key] = true
        counters[key] = counter
    }

    func added(to queue: UInt32) -> Added { added.first { $0.queue == queue } ?? Added(queue: queue) }

    mutating func add(to queue: UInt32, bytes: Int, hasKey: Bool) {
        change(queue) { added in
            added.jobs += 1
            added.bytes += bytes
            if hasKey { added.keys += 1 }
        }
    }

    mutating func drop(from queue: UInt32, bytes: Int) {
        change(queue) { added in
            added.dropped += 1
            added.droppedBytes += bytes
        }
    }

    private mutating func change(_ queue: UInt32, _ body: (inout Added) -> Void) {
        let index: Int
        if let found = added.firstIndex(where: { $0.queue == queue }) {
            index = found
        } else {
            index = added.count
            added.append(Added(queue: queue))
        }
        body(&added[index])
    }
}

extension Draft {
    /// The most that a settle may bring along, results and follow-ups together, when a full disk has room for nothing else.
    static let smallPayload = 4 << 10

    /// What its records are for: it decides whether they may use what is kept for a full disk.
    var purpose: Journal.Purpose {
        // Whoever settles nothing spends nothing of what is kept for those who do, whatever he drops, cancels or deletes for it.
        if onlyPublishes || (bringsNew && !hasSettled) { return .publish }
        return changes.reduce(0) { $0 + $1.body.count } > Self.smallPayload ? .settleWithPayload : .settle
    }
}
