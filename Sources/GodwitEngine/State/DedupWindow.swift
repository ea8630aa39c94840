/// The idempotency keys of a queue, each with the job that it made, until its window ends. Keys outlive their jobs.
struct DedupWindow: Sendable {
    private(set) var line = KeyLine()
    private var index = PlaceIndex()
    /// What was said, which checkpoints of a store of level 0 have; else empty.
    private(set) var texts: [KeyMark: Text] = [:]

    struct Text: Sendable {
        var key: [UInt8]
        var fingerprint: UInt64?
    }

    init() {}

    var count: Int { line.count }

    subscript(mark: KeyMark) -> KeyLine.Entry? { place(of: mark).flatMap { line[$0] } }

    private func place(of mark: KeyMark) -> UInt64? { index.find(mark.hash) { line.mark(at: $0) == mark } }

    /// - Parameter text: where it must be kept.
    mutating func insert(_ entry: KeyLine.Entry, text: Text? = nil) {
        // It is recorded again though nothing had forgotten it, as happens where a repair found records lost.
        if let place = place(of: entry.mark) {
            withIndex { $0.remove(entry.mark.hash, place, hashOf: $1) }
            line.forget(place)
        }
        let place = line.append(entry)
        withIndex { $0.insert(entry.mark.hash, place, hashOf: $1) }
        if let text { texts[entry.mark] = text }
    }

    private mutating func withIndex(_ body: (inout PlaceIndex, (UInt64) -> UInt64) -> Void) {
        // Out of its place, for the line is read meanwhile.
        var index = PlaceIndex()
        swap(&index, &self.index)
        body(&index) { line.mark(at: $0)?.hash ?? 0 }
        swap(&index, &self.index)
    }

    /// Engine time at which the oldest was recorded.
    var oldest: Int64? { line.first?.at }

    /// How many, up to `limit`, were recorded at `time` or earlier.
    func count(upTo time: Int64, limit: Int) -> Int {
        var count = 0
        guard limit > 0 else { return count }
        line.forEach { entry in
            guard entry.at <= time else { return false }
            count += 1
            return count < limit
        }
        return count
    }

    /// Forgets the oldest.
    mutating func removeFirst() {
        guard let first = line.first else { return }
        if !texts.isEmpty { texts[first.mark] = nil }
        let place = line.firstPlace
        withIndex { $0.remove(first.mark.hash, place, hashOf: $1) }
        line.removeFirst()
    }

    /// They are needed no more.
    mutating func dropTexts() { texts = [:] }

    /// The bytes that it takes.
    var bytes: Int { line.bytes + index.bytes }
}
