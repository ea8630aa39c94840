import HeapModule

/// A job that ended, in the order of ends.
struct FinishedJob: Comparable, BitwiseCopyable {
    var sequence: UInt64
    /// Engine time of its end.
    var ended: Int64
    /// Its change number at that time: another one means that it was retried.
    var change: UInt64

    static func < (a: FinishedJob, b: FinishedJob) -> Bool { (a.ended, a.sequence) < (b.ended, b.sequence) }
}

/// Ended jobs of one kind in the order in which their retention ends. Most come in that order and stand in a line; those that a purge had
/// ended, and that are met only after a restart, behind others that ended later, stand in a heap beside it.
struct FinishedJobs {
    private var line = ChunkedLine<FinishedJob>()
    private var belated = Heap<FinishedJob>()
    private var stale = 0
    /// How many stand here, those that left out of their turn included.
    var total: Int { line.count + belated.count }
    /// How many are kept.
    var count: Int { total - stale }

    mutating func append(_ job: FinishedJob) {
        if line.count > 0, let last = line.last, job.ended < last.ended { belated.insert(job) } else { line.append(job) }
    }

    /// A job left out of its turn: it was retried or forgotten.
    mutating func noteStale(_ isLive: (FinishedJob) -> Bool) {
        stale += 1
        guard stale > 1_024, stale > total / 2 else { return }
        line.compact(isLive)
        belated = Heap(belated.unordered.filter(isLive))
        stale = 0
    }

    /// The oldest that are kept, as long as they ended at `time` or earlier, at most `limit`.
    mutating func oldest(upTo time: Int64, limit: Int, _ isLive: (FinishedJob) -> Bool) -> [FinishedJob] {
        trim(isLive)
        var found: [FinishedJob] = []
        guard limit > 0 else { return found }
        line.forEach { job in
            guard isLive(job) else { return true }
            guard job.ended <= time else { return false }
            found.append(job)
            return found.count < limit
        }
        guard belated.count > 0 else { return found }
        found += belated.unordered.filter { $0.ended <= time && isLive($0) }
        return Array(found.sorted().prefix(limit))
    }

    /// When the oldest that is kept ended.
    mutating func oldestEnd(_ isLive: (FinishedJob) -> Bool) -> Int64? {
        trim(isLive)
        guard let first = line.first else { return belated.min?.ended }
        return min(first.ended, belated.min?.ended ?? .max)
    }

    private mutating func trim(_ isLive: (FinishedJob) -> Bool) {
        while stale > 0, let job = line.first, !isLive(job) {
            line.removeFirst()
            stale -= 1
        }
        while stale > 0, let job = belated.min, !isLive(job) {
            belated.removeMin()
            stale -= 1
        }
    }
}
