import GodwitCore
import GodwitJournal

/// A counter in memory: what it has counted. What follows it stays in the journal until it is full.
struct StoredCounter: Sendable {
    /// The number of the change that made it.
    var created: UInt64
    var change: UInt64
    var count = 0
    var target: Int
    /// Engine time.
    var expires: Int64
    /// The steps that were counted, while it is not full.
    var steps = ShardedDictionary<StepMark, Void>()
    /// The record that says what follows, while it is not full.
    var then: KeptRecord?

    var isComplete: Bool { count >= target }
    var counter: CounterValue { CounterValue(count: count, target: target) }
}

/// A step's id as 128 bits under the store's secret: nobody can find two ids of one mark.
struct StepMark: ShardedKey, Sendable {
    var high: UInt64
    var low: UInt64

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(_ step: [UInt8], _ identity: StoreIdentity) {
        high = identity.secret.mac(3, bytes: step)
        low = identity.secret.mac(4, bytes: step)
    }

    var shard: Int { Int(truncatingIfNeeded: low) }
}
