/// A table of bounded size that forgets what has not been set for longest, roughly: it is kept in two halves, and when the newer one is full
/// the older one goes.
struct RecentTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let half: Int
    private var newer: [Key: Value] = [:]
    private var older: [Key: Value] = [:]

    /// - Parameter limit: the most entries; at least half of them are the newest ones.
    init(limit: Int) { half = max(1, limit / 2) }

    subscript(key: Key) -> Value? { newer[key] ?? older[key] }

    /// The value, if it was set lately.
    func recent(_ key: Key) -> Value? { newer[key] }

    mutating func set(_ value: Value, for key: Key) {
        if newer.count >= half, newer[key] == nil {
            older = newer
            newer = [:]
        }
        newer[key] = value
    }
}
