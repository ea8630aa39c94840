import HeapModule

/// A job in line: its place, and its number, which differ once it went to the back.
struct ReadyJob: Comparable, BitwiseCopyable {
    var position: UInt64
    var sequence: UInt64

    static func < (a: ReadyJob, b: ReadyJob) -> Bool { a.position < b.position }
}

/// The next job of a queue, and the bytes that it counts.
struct ReadyHead: BitwiseCopyable {
    var job: ReadyJob
    var size: UInt32
}

/// The ready jobs of one priority, in the order of their positions.
///
/// Most come in that order, each at the place that is its number, and stand in a line of numbers. Those that come together later (scheduled
/// ones of one delay) stand in a second one, and those that went to the back in a line of pairs. What fits into none of them, because it
/// comes back to an earlier place, stands in a heap. What is no longer ready is passed over when it comes up.
struct ReadyLane {
    private var line = NumberLine()
    private var later = NumberLine()
    private var moved = ChunkedLine<ReadyJob>()
    private var returned = Heap<ReadyJob>()

    private enum Part { case line, later, moved, returned }

    var count: Int { line.count + later.count + moved.count + returned.count }

    var first: ReadyJob? { head?.job }

    private var head: (job: ReadyJob, part: Part)? {
        var best = line.first.map { (job: ReadyJob(position: $0, sequence: $0), part: Part.line) }
        // In the most lanes there is nothing else.
        guard later.count > 0 || moved.count > 0 || !returned.isEmpty else { return best }
        func consider(_ job: ReadyJob?, _ part: Part) {
            guard let job else { return }
            if best.map({ job < $0.job }) ?? true { best = (job, part) }
        }
        consider(later.first.map { ReadyJob(position: $0, sequence: $0) }, .later)
        consider(moved.first, .moved)
        consider(returned.min, .returned)
        return best
    }

    mutating func insert(_ job: ReadyJob) {
        if job.position == job.sequence {
            if job.position >= line.last ?? 0 { return line.append(job.sequence) }
            if job.position >= later.last ?? 0 { return later.append(job.sequence) }
        } else if job.position >= moved.last?.position ?? 0 {
            return moved.append(job)
        }
        returned.insert(job)
    }

    mutating func removeFirst() {
        switch head?.part {
        case .line: line.removeFirst()
        case .later: later.removeFirst()
        case .moved: moved.removeFirst()
        case .returned: returned.removeMin()
        case nil: preconditionFailure("the lane is empty")
        }
    }

    /// The first one that `isLive`.
    func first(where isLive: (ReadyJob) -> Bool) -> ReadyJob? {
        var best: ReadyJob?
        /// Whether to go on in the same line, which is sorted.
        func goesOn(past job: ReadyJob) -> Bool {
            if let best, best < job { return false }
            guard isLive(job) else { return true }
            best = job
            return false
        }
        line.forEach { goesOn(past: ReadyJob(position: $0, sequence: $0)) }
        later.forEach { goesOn(past: ReadyJob(position: $0, sequence: $0)) }
        moved.forEach(goesOn)
        for job in returned.unordered { _ = goesOn(past: job) }
        return best
    }

    mutating func compact(_ isLive: (ReadyJob) -> Bool) {
        line.compact { isLive(ReadyJob(position: $0, sequence: $0)) }
        later.compact { isLive(ReadyJob(position: $0, sequence: $0)) }
        moved.compact(isLive)
        returned = Heap(returned.unordered.filter(isLive))
    }

    /// The bytes that its elements take.
    var bytes: Int { line.bytes + later.bytes + (moved.count + returned.count) * MemoryLayout<ReadyJob>.stride }
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

    /// Takes what is no longer ready away from the front of the lowest priority in which anything is.
    mutating func trimLowest(_ isLive: (ReadyJob) -> Bool) {
        for index in lanes.indices.reversed() {
            while let first = lanes[index].lane.first {
                if isLive(first) { return }
                lanes[index].lane.removeFirst()
                count -= 1
            }
        }
    }

    /// The first one of the lowest priority in which anything is.
    var headOfLowest: (job: ReadyJob, priority: UInt8)? {
        for entry in lanes.reversed() {
            if let job = entry.lane.first { return (job, entry.priority) }
        }
        return nil
    }

    /// The first one of the lowest priority that `isLive`.
    func firstOfLowest(where isLive: (ReadyJob) -> Bool) -> (job: ReadyJob, priority: UInt8)? {
        for entry in lanes.reversed() {
            if let job = entry.lane.first(where: isLive) { return (job, entry.priority) }
        }
        return nil
    }

    /// Takes the first one of the lowest priority out in which anything is.
    mutating func removeFirstOfLowest() {
        guard let index = lanes.lastIndex(where: { $0.lane.count > 0 }) else { return }
        lanes[index].lane.removeFirst()
        count -= 1
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

    /// The bytes that its elements take.
    var bytes: Int { lanes.reduce(0) { $0 + $1.lane.bytes } }
}
