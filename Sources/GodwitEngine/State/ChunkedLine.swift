import DequeModule

/// A first-in, first-out line in chunks: growing copies nothing but what a snapshot shares, and what was taken is given back.
struct ChunkedLine<Element> {
    private static var chunkSize: Int { 512 }
    private var chunks = Deque<[Element]>()
    /// How many of the first chunk are gone.
    private var taken = 0
    private(set) var count = 0

    var first: Element? { count == 0 ? nil : chunks[0][taken] }
    var last: Element? { count == 0 ? nil : chunks[chunks.count - 1].last }

    mutating func append(_ element: Element) {
        if chunks.isEmpty || chunks[chunks.count - 1].count == Self.chunkSize {
            var chunk: [Element] = []
            // A line that never had a second chunk may be one of very many.
            if !chunks.isEmpty { chunk.reserveCapacity(Self.chunkSize) }
            chunks.append(chunk)
        }
        chunks[chunks.count - 1].append(element)
        count += 1
    }

    mutating func removeFirst() {
        precondition(count > 0, "the line is empty")
        taken += 1
        count -= 1
        guard taken == chunks[0].count else { return }
        taken = 0
        if chunks.count > 1 { chunks.removeFirst() } else { chunks[0].removeAll(keepingCapacity: true) }
    }

    /// Visits from the first on, until `body` says that it is enough.
    func forEach(_ body: (Element) throws -> Bool) rethrows {
        var skip = taken
        for chunk in chunks {
            for element in chunk[skip...] where try !body(element) { return }
            skip = 0
        }
    }

    /// Keeps only what `isLive` says; the order stays.
    mutating func compact(_ isLive: (Element) -> Bool) {
        var kept = ChunkedLine()
        forEach { element in
            if isLive(element) { kept.append(element) }
            return true
        }
        self = kept
    }
}

extension ChunkedLine: Sendable where Element: Sendable {}
