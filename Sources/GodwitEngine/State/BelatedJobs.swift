import DequeModule

/// Ended jobs that are met only after others which ended later, as most of those that a purge had ended are: by the times of their ends, of
/// which there are few, each with a line of its own. A job that leaves out of its turn stays where it stands, as in ``FinishedJobs``.
struct BelatedJobs {
    private struct Line {
        let ended: Int64
        var numbers = NumberLine()
    }

    /// In the order of their times; none is empty.
    private var lines = Deque<Line>()
    private var left = Departures()

    /// How many stand here, those that left included.
    private(set) var total = 0
    /// How many are kept.
    var count: Int { total - left.count }
    var lineCount: Int { lines.count }
    /// When the oldest that is kept ended.
    var oldestEnd: Int64? { lines.first?.ended }

    mutating func insert(_ job: FinishedJob) {
        total += 1
        var low = 0, high = lines.count
        while low < high {
            let middle = (low + high) / 2
            if lines[middle].ended < job.ended { low = middle + 1 } else { high = middle }
        }
        if low == lines.count || lines[low].ended != job.ended { lines.insert(Line(ended: job.ended), at: low) }
        lines[low].numbers.append(job.sequence)
    }

    /// A job leaves.
    mutating func remove(_ sequence: UInt64) {
        if left.isEmpty, first == sequence { return takeFirst() }
        left.add(sequence)
        while let first, left.take(first) { takeFirst() }
        if left.areMost(of: total) { compact() }
    }

    /// Visits those that are kept, in the order of their ends, until `body` says that it is enough.
    func forEach(_ body: (FinishedJob) throws -> Bool) rethrows {
        var passed: [UInt64: Int] = [:], goesOn = true
        for line in lines where goesOn {
            try line.numbers.forEach { sequence in
                if !left.isEmpty, passed[sequence, default: 0] < left[sequence] {
                    passed[sequence, default: 0] += 1
                    return true
                }
                goesOn = try body(FinishedJob(sequence: sequence, ended: line.ended))
                return goesOn
            }
        }
    }

    /// The oldest, as long as they ended at `time` or earlier, at most `limit`.
    func oldest(upTo time: Int64, limit: Int) -> [FinishedJob] {
        var found: [FinishedJob] = []
        guard limit > 0, total > 0 else { return found }
        forEach { job in
            guard job.ended <= time else { return false }
            found.append(job)
            return found.count < limit
        }
        return found
    }

    private var first: UInt64? { lines.first?.numbers.first }

    private mutating func takeFirst() {
        total -= 1
        lines[0].numbers.removeFirst()
        if lines[0].numbers.count == 0 { lines.removeFirst() }
    }

    private mutating func compact() {
        var kept = BelatedJobs()
        forEach { job in
            kept.insert(job)
            return true
        }
        self = kept
    }

    /// The bytes that they take.
    var bytes: Int { lines.reduce(0) { $0 + $1.numbers.bytes + 16 } }
}
