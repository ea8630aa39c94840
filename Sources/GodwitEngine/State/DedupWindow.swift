/// The idempotency keys of a queue, each with the job that it made, until its window ends. Keys outlive their jobs.
struct DedupWindow {
    struct Entry {
        var sequence: UInt64
        var fingerprint: UInt64?
        /// The change that recorded it.
        var change: UInt64
    }

    private struct Remembered {
        var key: [UInt8]
        /// Engine time at which it was recorded.
        var at: Int64
    }

    private var entries = ShardedDictionary<[UInt8], Entry>()
    private var order = ChunkedLine<Remembered>()

    var count: Int { entries.count }

    /// Whole keys are compared.
    subscript(key: [UInt8]) -> Entry? { entries[key] }

    mutating func insert(_ key: [UInt8], _ entry: Entry, at time: Int64) {
        entries[key] = entry
        order.append(Remembered(key: key, at: time))
    }

    /// Engine time at which the oldest was recorded.
    var oldest: Int64? { order.first?.at }

    /// How many, up to `limit`, were recorded at `time` or earlier.
    func count(upTo time: Int64, limit: Int) -> Int {
        var count = 0
        guard limit > 0 else { return count }
        order.forEach { remembered in
            guard remembered.at <= time else { return false }
            count += 1
            return count < limit
        }
        return count
    }

    /// Forgets the oldest.
    mutating func removeFirst() {
        guard let first = order.first else { return }
        entries[first.key] = nil
        order.removeFirst()
    }

    /// Visits all, oldest first.
    func forEach(_ body: (_ key: [UInt8], _ entry: Entry, _ at: Int64) throws -> Void) rethrows {
        try order.forEach { remembered in
            if let entry = entries[remembered.key] { try body(remembered.key, entry, remembered.at) }
            return true
        }
    }
}
