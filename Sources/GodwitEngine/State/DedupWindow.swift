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
    /// How often a key stands in the order before it counts: it was recorded again though nothing had forgotten it, as happens where a
    /// repair found records lost. Never the first of the order.
    private var superseded: [[UInt8]: Int] = [:]

    var count: Int { entries.count }

    /// Whole keys are compared.
    subscript(key: [UInt8]) -> Entry? { entries[key] }

    mutating func insert(_ key: [UInt8], _ entry: Entry, at time: Int64) {
        let before = entries.count
        entries[key] = entry
        order.append(Remembered(key: key, at: time))
        guard entries.count == before else { return }
        superseded[key, default: 0] += 1
        dropSuperseded()
    }

    /// Engine time at which the oldest was recorded.
    var oldest: Int64? { order.first?.at }

    /// How many, up to `limit`, were recorded at `time` or earlier.
    func count(upTo time: Int64, limit: Int) -> Int {
        var count = 0
        guard limit > 0 else { return count }
        forEachRemembered { remembered in
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
        dropSuperseded()
    }

    /// Visits all, oldest first.
    func forEach(_ body: (_ key: [UInt8], _ entry: Entry, _ at: Int64) throws -> Void) rethrows {
        try forEachRemembered { remembered in
            if let entry = entries[remembered.key] { try body(remembered.key, entry, remembered.at) }
            return true
        }
    }

    private func forEachRemembered(_ body: (Remembered) throws -> Bool) rethrows {
        var passed = superseded
        try order.forEach { remembered in
            if !passed.isEmpty, let rest = passed[remembered.key] {
                passed[remembered.key] = rest > 1 ? rest - 1 : nil
                return true
            }
            return try body(remembered)
        }
    }

    private mutating func dropSuperseded() {
        while !superseded.isEmpty, let first = order.first, let rest = superseded[first.key] {
            superseded[first.key] = rest > 1 ? rest - 1 : nil
            order.removeFirst()
        }
    }
}
