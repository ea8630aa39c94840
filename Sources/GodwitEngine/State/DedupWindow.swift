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

    private var entries: [[UInt8]: Entry] = [:]
    private var order = KeyLine()

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
    func count(upTo time: Int64, limit: Int) -> Int { order.count(limit: limit) { $0.at <= time } }

    /// Forgets the oldest.
    mutating func removeFirst() {
        guard let first = order.first else { return }
        entries[first.key] = nil
        order.removeFirst()
    }

    /// A line in which the space of what was taken is given back in pieces.
    private struct KeyLine {
        private var items: [Remembered?] = []
        private var head = 0

        var first: Remembered? { head < items.count ? items[head] : nil }

        mutating func append(_ item: Remembered) { items.append(item) }

        mutating func removeFirst() {
            items[head] = nil
            head += 1
            if head > 1_024, head > items.count / 2 {
                items.removeFirst(head)
                head = 0
            }
        }

        func count(limit: Int, _ isIn: (Remembered) -> Bool) -> Int {
            var count = 0
            while count < limit, head + count < items.count, let item = items[head + count], isIn(item) { count += 1 }
            return count
        }
    }
}
