import GodwitCore
import GodwitJournal

/// A line of a dead letter's history as its record holds it.
struct StoredDeath: Sendable, Hashable {
    var queue: QueueName
    var reason: DeathReason
    var count: UInt32
    /// Wall times.
    var first: Int64
    var last: Int64
    /// The job that died the last time.
    var sequence: UInt64
    var attempt: UInt16
    var deliveries: UInt32
    /// The job in another store; then ``sequence`` is 0.
    var foreign: JobID?

    init(
        queue: QueueName,
        reason: DeathReason,
        count: UInt32,
        first: Int64,
        last: Int64,
        sequence: UInt64,
        attempt: UInt16,
        deliveries: UInt32
    ) {
        self.queue = queue
        self.reason = reason
        self.count = count
        self.first = first
        self.last = last
        self.sequence = sequence
        self.attempt = attempt
        self.deliveries = deliveries
    }

    /// A death in another store.
    init(_ death: Death) {
        self.init(
            queue: death.queue,
            reason: death.reason,
            count: UInt32(clamping: death.count),
            first: death.firstAt.milliseconds,
            last: death.lastAt.milliseconds,
            sequence: 0,
            attempt: UInt16(clamping: death.attempt),
            deliveries: UInt32(clamping: death.deliveries)
        )
        foreign = death.job
    }

    func death(_ identity: StoreIdentity) -> Death {
        Death(
            queue: queue,
            reason: reason,
            count: Int(count),
            firstAt: Timestamp(milliseconds: first),
            lastAt: Timestamp(milliseconds: last),
            job: foreign ?? identity.jobID(sequence),
            attempt: Int(attempt),
            deliveries: Int(deliveries)
        )
    }
}

extension [StoredDeath] {
    /// The history with one more death: at its front, counted together with what the job died of before in the same way.
    func adding(_ death: StoredDeath) -> [StoredDeath] {
        var death = death, rest = self
        if let index = rest.firstIndex(where: { $0.queue == death.queue && $0.reason == death.reason }) {
            let earlier = rest.remove(at: index)
            death.count = earlier.count == .max ? .max : earlier.count + 1
            death.first = earlier.first
        }
        return [death] + rest.prefix(Limits.deaths - 1)
    }

    /// Whether a message that died of this goes round without anybody's doing: it was in that queue before, and left it by itself.
    func isCycle(_ reason: DeathReason, to queue: QueueName) -> Bool {
        reason.isAutomatic && contains { $0.queue == queue && $0.reason.isAutomatic }
    }
}

extension DeathReason {
    fileprivate var isAutomatic: Bool { self == .expired || self == .dropped }

    /// As records write it.
    var code: UInt8 {
        switch self {
        case .rejected: 1
        case .maxAttempts: 2
        case .maxDeliveries: 3
        case .expired: 4
        case .dropped: 5
        }
    }

    init(code: UInt8) throws(RecordError) {
        guard let reason = Self.allCases.first(where: { $0.code == code }) else { throw .newer("a reason \(code)") }
        self = reason
    }
}

extension RecordWriter {
    /// A dead letter's history.
    mutating func field(_ tag: RecordTag, deaths: [StoredDeath]) {
        var inner = RecordWriter()
        for death in deaths {
            inner.putText(death.queue.description)
            inner.put(death.reason.code)
            inner.put(death.count)
            inner.put(death.first)
            inner.put(death.last)
            inner.put(death.sequence)
            inner.put(death.attempt)
            inner.put(death.deliveries)
            if let foreign = death.foreign { inner.putText(foreign.description) }
        }
        field(tag, bytes: inner.bytes)
    }
}

extension RecordReader.Field {
    func deaths() throws(RecordError) -> [StoredDeath] {
        var reader = RecordReader(value), deaths: [StoredDeath] = []
        while !reader.isAtEnd {
            guard let queue = try? QueueName(reader.text()) else { throw .malformed("a queue name that is none") }
            var death = StoredDeath(
                queue: queue,
                reason: try DeathReason(code: reader.get()),
                count: try reader.get(),
                first: try reader.time(),
                last: try reader.time(),
                sequence: try reader.sequence(),
                attempt: try reader.get(),
                deliveries: try reader.get()
            )
            if death.sequence == 0 { death.foreign = JobID(try reader.text()) }
            deaths.append(death)
        }
        return deaths
    }
}
