/// The key of a small record, with the home that a broker of many machines keeps it at.
package struct RecordKey: Sendable, Hashable {
    package enum Home: Sendable, Hashable {
        /// The record's own name.
        case own
        case queue(QueueName)
        case job(JobID)
    }

    package var home: Home
    /// 1 to ``Limits/recordKey`` bytes.
    package var name: String

    package init(_ name: String, home: Home = .own) {
        self.name = name
        self.home = home
    }

    /// The key of a counter that users name: no record of ours has such a key.
    package static func counter(_ name: String) -> RecordKey { RecordKey(counterPrefix + name) }
    /// What users call the counter with this key; nil when it is none of theirs.
    package var counterName: String? {
        guard home == .own, name.hasPrefix(Self.counterPrefix) else { return nil }
        return String(name.dropFirst(Self.counterPrefix.count))
    }
    private static let counterPrefix = "counter:"

    package static func == (a: RecordKey, b: RecordKey) -> Bool { a.name.hasSameBytes(as: b.name) && a.home == b.home }
    package func hash(into hasher: inout Hasher) {
        name.hashBytes(into: &hasher)
        hasher.combine(home)
    }
}

/// A record as it is stored, or a counter.
package struct Record: Sendable, Hashable {
    /// Empty for a counter.
    package var value: Bytes
    /// What it counts, when it is a counter.
    package var counter: CounterValue?
    package var version: Version

    package init(value: Bytes, counter: CounterValue? = nil, version: Version) {
        self.value = value
        self.counter = counter
        self.version = version
    }
}

/// What must be true of a record or of a queue's settings for a change to be applied.
package enum Expectation: Sendable, Hashable {
    case anything
    case absent
    case version(Version)
}
