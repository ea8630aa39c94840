/// A job that ended, in the order of ends.
struct FinishedJob: BitwiseCopyable {
    var sequence: UInt64
    /// Engine time of its end.
    var ended: Int64
    /// Its change number at that time: another one means that it was retried.
    var change: UInt64
}

/// Ended jobs of one kind in the order in which their retention ends.
struct FinishedJobs {
    private(set) var line = ChunkedLine<FinishedJob>()
    private var stale = 0
    /// How many are kept.
    var count: Int { line.count - stale }

    mutating func append(_ job: FinishedJob) { line.append(job) }

    /// A job left out of its turn: it was retried or forgotten.
    mutating func noteStale(_ isLive: (FinishedJob) -> Bool) {
        stale += 1
        guard stale > 1_024, stale > line.count / 2 else { return }
        line.compact(isLive)
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
        return found
    }

    /// When the oldest that is kept ended.
    mutating func oldestEnd(_ isLive: (FinishedJob) -> Bool) -> Int64? {
        trim(isLive)
        return line.first?.ended
    }

    private mutating func trim(_ isLive: (FinishedJob) -> Bool) {
        while stale > 0, let job = line.first, !isLive(job) {
            line.removeFirst()
            stale -= 1
        }
    }
}
