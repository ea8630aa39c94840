/// A key of a ``ShardedDictionary``.
protocol ShardedKey: Hashable {
    /// Spreads keys over shards: any number, of which the low bits count.
    var shard: Int { get }
}

extension UInt64: ShardedKey {
    // Neighbours stay together, so that what changes together after a snapshot has few shards copied.
    var shard: Int { Int(truncatingIfNeeded: self >> 6) }
}

extension [UInt8]: ShardedKey {
    // FNV-1a, as long as keys are no longer than these limits allow.
    var shard: Int { Int(truncatingIfNeeded: reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 } >> 24) }
}

/// A dictionary in parts: growing moves one part at a time, and a copy that is kept (a snapshot) costs a later change the copying of one
/// part, not of all.
struct ShardedDictionary<Key: ShardedKey, Value> {
    private static var shardCount: Int { 256 }
    /// A small one is a plain dictionary.
    private static var mostUnsharded: Int { 1_024 }

    private var shards: [[Key: Value]] = [[:]]
    private(set) var count = 0

    init() {}

    var isEmpty: Bool { count == 0 }

    private func index(of key: Key) -> Int { shards.count == 1 ? 0 : key.shard & (Self.shardCount - 1) }

    subscript(key: Key) -> Value? {
        get { count == 0 ? nil : shards[index(of: key)][key] }
        set {
            if let newValue { updateValue(newValue, forKey: key) } else { removeValue(forKey: key) }
        }
    }

    @discardableResult
    mutating func updateValue(_ value: Value, forKey key: Key) -> Value? {
        if shards.count == 1, count >= Self.mostUnsharded { split() }
        let old = shards[index(of: key)].updateValue(value, forKey: key)
        if old == nil { count += 1 }
        return old
    }

    @discardableResult
    mutating func removeValue(forKey key: Key) -> Value? {
        guard count > 0, let old = shards[index(of: key)].removeValue(forKey: key) else { return nil }
        count -= 1
        if count == 0 { shards = [[:]] }
        return old
    }

    /// Changes a value in place; one that is missing begins as `start`.
    mutating func change<T>(_ key: Key, from start: @autoclosure () -> Value, _ body: (inout Value) -> T) -> T {
        if shards.count == 1, count >= Self.mostUnsharded { split() }
        let index = index(of: key), before = shards[index].count
        defer { count += shards[index].count - before }
        return body(&shards[index][key, default: start()])
    }

    private mutating func split() { shards = parts }

    /// What it is in parts: a key is in the same one however many there are.
    var parts: [[Key: Value]] {
        guard shards.count == 1 else { return shards }
        var parts = [[Key: Value]](repeating: [:], count: Self.shardCount)
        for (key, value) in shards[0] { parts[key.shard & (Self.shardCount - 1)][key] = value }
        return parts
    }

    /// Visits all, in no particular order.
    func forEach(_ body: (Key, Value) throws -> Void) rethrows {
        for shard in shards {
            for (key, value) in shard { try body(key, value) }
        }
    }
}

extension ShardedDictionary: Sendable where Key: Sendable, Value: Sendable {}
