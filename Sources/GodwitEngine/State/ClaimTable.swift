/// Which job owns which claim. A claim ends with its job: nobody takes it out, one whose owner has ended counts for nothing, and is swept away when
/// there are many.
struct ClaimTable: Sendable {
    /// A claim in its queue, as 128 bits under the store's secret: nobody can find two claims of one key.
    struct Key: Hashable, Sendable {
        var high: UInt64
        var low: UInt64
    }

    private struct Shard: Sendable {
        var owners: [Key: UInt64] = [:]
        /// How many there may be before those that have ended are looked for.
        var limit = 32
    }

    private static let shardCount = 256
    private var shards: [Shard] = []

    init() {}

    /// How many are in memory, those included whose owner has ended.
    var count: Int { shards.reduce(0) { $0 + $1.owners.count } }

    func key(_ claim: [UInt8], _ queue: UInt32, _ identity: StoreIdentity) -> Key {
        Key(
            high: identity.secret.mac(UInt64(queue) << 8 | 1, bytes: claim),
            low: identity.secret.mac(UInt64(queue) << 8 | 2, bytes: claim)
        )
    }

    subscript(key: Key) -> UInt64? { shards.isEmpty ? nil : shards[Self.shard(of: key)].owners[key] }

    private static func shard(of key: Key) -> Int { Int(truncatingIfNeeded: key.low) & (shardCount - 1) }

    /// - Parameter owns: whether a job still owns a claim.
    mutating func insert(_ key: Key, _ sequence: UInt64, owns: (UInt64) -> Bool) {
        if shards.isEmpty { shards = Array(repeating: Shard(), count: Self.shardCount) }
        let index = Self.shard(of: key)
        if shards[index].owners.count >= shards[index].limit {
            shards[index].owners = shards[index].owners.filter { owns($0.value) }
            shards[index].limit = max(32, shards[index].owners.count * 2)
        }
        shards[index].owners[key] = sequence
    }

    // MARK: Checkpoints

    /// Gives what writes each claim.
    func forEachItem(_ body: ((inout RecordWriter) -> Void) throws -> Void) rethrows {
        for shard in shards {
            for (key, sequence) in shard.owners {
                try body { writer in
                    writer.put(key.high)
                    writer.put(key.low)
                    writer.put(sequence)
                }
            }
        }
    }

    /// Takes up a claim.
    mutating func restore(_ reader: inout RecordReader) throws(RecordError) {
        let key = Key(high: try reader.get(), low: try reader.get()), sequence = try reader.sequence()
        insert(key, sequence) { _ in true }
    }
}
