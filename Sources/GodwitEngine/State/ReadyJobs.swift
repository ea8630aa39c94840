import DequeModule
import HeapModule

/// A job in line: its place, and its number, which differ once it went to the back.
struct ReadyJob: Comparable, BitwiseCopyable {
    var position: UInt64
    var sequence: UInt64

    static func < (a: ReadyJob, b: ReadyJob) -> Bool { a.position < b.position }
}

/// A first-in, first-out line in chunks: growing copies nothing, and what was taken is given back.
struct ChunkedLine<Element: BitwiseCopyable> {
    private static var chunkSize: Int { 512 }
    private var chunks = Deque<[Element]>()
    /// How many of the first chunk are gone.
    private var taken = 0
    private(set) var count = 0

    var first: Element? { count == 0 ? nil : chunks[0][taken] }
    var last: Element? { chunks.last?.last }

    mutating func append(_ element: Element) {
        if chunks.isEmpty || chunks[chunks.count - 1].count == Self.chunkSize {
            var chunk: [Element] = []
            chunk.reserveCapacity(Self.chunkSize)
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
    func forEach(_ body: (Element) -> Bool) {
        var skip = taken
        for chunk in chunks {
            for element in chunk[skip...] where !body(element) { return }
            skip = 0
        }
    }

    /// Keeps only what `isLive` says; the order stays.
    mutating func compact(_ isLive: (Element) -> Bool) {
        var kept = ChunkedLine()
        var skip = taken
        for chunk in chunks {
            for element in chunk[skip...] where isLive(element) { kept.append(element) }
            skip = 0
        }
        self = kept
    }
}

/// The ready jobs of one priority, in the order of their positions. Most come in that order and stand in a line; those that come back to an
/// earlier place stand in a heap beside it. What is no longer ready is passed over when it comes up.
struct ReadyLane {
    private var line = ChunkedLine<ReadyJob>()
    private var returned = Heap<ReadyJob>()

    var count: Int { line.count + returned.count }

    var first: ReadyJob? {
        guard let back = returned.min else { return line.first }
        guard let front = line.first else { return back }
        return min(front, back)
    }

    mutating func insert(_ job: ReadyJob) {
        if let last = line.last, line.count > 0, job.position < last.position { returned.insert(job) } else { line.append(job) }
    }

    mutating func removeFirst() {
        guard let back = returned.min else { return line.removeFirst() }
        if let front = line.first, front < back { line.removeFirst() } else { returned.removeMin() }
    }

    mutating func compact(_ isLive: (ReadyJob) -> Bool) {
        line.compact(isLive)
        returned = Heap(returned.unordered.filter(isLive))
    }
}

/// The ready jobs of a queue by priority, highest first.
struct ReadyJobs {
    private struct Entry {
        var priority: UInt8
        var lane = ReadyLane()
    }

    /// Sorted, highest priority first; one that was used stays, there are at most 256.
    private var lanes: [Entry] = []
    /// How many stand in line, those that are no longer ready included.
    private(set) var count = 0

    mutating func insert(_ job: ReadyJob, priority: UInt8) {
        var index = 0
        while index < lanes.count, lanes[index].priority > priority { index += 1 }
        if index == lanes.count || lanes[index].priority != priority { lanes.insert(Entry(priority: priority), at: index) }
        lanes[index].lane.insert(job)
        count += 1
    }

    /// The job at the head.
    var first: ReadyJob? {
        guard count > 0 else { return nil }
        for index in lanes.indices {
            if let job = lanes[index].lane.first { return job }
        }
        return nil
    }

    mutating func removeFirst() {
        for index in lanes.indices where lanes[index].lane.count > 0 {
            lanes[index].lane.removeFirst()
            count -= 1
            return
        }
    }

    mutating func compact(_ isLive: (ReadyJob) -> Bool) {
        count = 0
        for index in lanes.indices {
            lanes[index].lane.compact(isLive)
            count += lanes[index].lane.count
        }
    }
}
