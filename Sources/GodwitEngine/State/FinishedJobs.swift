import DequeModule

/// A job that ended.
struct FinishedJob: Comparable, BitwiseCopyable {
    var sequence: UInt64
    /// Engine time of its end.
    var ended: Int64

    static func < (a: FinishedJob, b: FinishedJob) -> Bool { (a.ended, a.sequence) < (b.ended, b.sequence) }
}

/// Ended jobs of one kind in the order in which their retention ends: 4 bytes each.
///
/// Most come in that order and stand in a line, in chunks that have one time for all: jobs that ended shortly after each other, measured by
/// the time for which they are kept, count as ended with the last of them. Those that a purge had ended, and that are met only after others
/// that ended later, are *belated* and stand beside the line. A job that leaves out of its turn (it is retried, or forgotten)
/// stays where it stands, and is known by its number: of what stands there twice, the first is what left.
struct FinishedJobs {
    private struct Chunk {
        /// Engine times of its first and its last job's end.
        var began: Int64
        var ended: Int64
        var numbers: NumberChunk
    }

    /// Jobs count as ended together within this part of the time for which they are kept.
    private static let precision: Int64 = 1_024

    private var chunks = Deque<Chunk>()
    /// How many of the first chunk are gone.
    private var taken = 0
    private var lineCount = 0
    /// Who of the line has left.
    private var left = Departures()
    private var belated = BelatedJobs()

    /// How many stand here, those that left out of their turn included.
    var total: Int { lineCount + belated.total }
    var belatedLines: Int { belated.lineCount }
    /// How many are kept.
    var count: Int { lineCount - left.count + belated.count }

    /// - Parameter kept: milliseconds for which it is kept.
    /// - Returns: whether it is belated: ``remove(_:isBelated:)`` wants to know.
    mutating func append(_ job: FinishedJob, kept: Int64) -> Bool {
        if lineCount > 0, let last = chunks.last {
            guard job.ended >= last.ended else {
                belated.insert(job)
                return true
            }
            lineCount += 1
            if job.ended - last.began <= kept / Self.precision, chunks[chunks.count - 1].numbers.append(job.sequence) {
                chunks[chunks.count - 1].ended = job.ended
                return false
            }
        } else {
            lineCount = 1
            taken = 0
            chunks.removeAll(keepingCapacity: true)
        }
        var chunk = Chunk(began: job.ended, ended: job.ended, numbers: NumberChunk(near: job.sequence))
        _ = chunk.numbers.append(job.sequence)
        chunks.append(chunk)
        return false
    }

    /// A job leaves: its retention ended, or it was retried or forgotten.
    mutating func remove(_ sequence: UInt64, isBelated: Bool) {
        if isBelated {
            belated.remove(sequence)
        } else {
            if left.isEmpty, first == sequence { return takeFirst() }
            left.add(sequence)
            while let first, left.take(first) { takeFirst() }
            if left.areMost(of: lineCount) { compact() }
        }
    }

    /// The oldest that are kept, as long as they ended at `time` or earlier, at most `limit`.
    func oldest(upTo time: Int64, limit: Int) -> [FinishedJob] {
        var found: [FinishedJob] = []
        guard limit > 0 else { return found }
        forEachInLine { job, _ in
            guard job.ended <= time else { return false }
            found.append(job)
            return found.count < limit
        }
        guard belated.count > 0 else { return found }
        return Array(Self.merged(found, belated.oldest(upTo: time, limit: limit)).prefix(limit))
    }

    /// Two of them in the order of ends, each of which is; of equal times those of the first come first.
    static func merged(_ first: [FinishedJob], _ second: [FinishedJob]) -> [FinishedJob] {
        var merged: [FinishedJob] = [], rest = second[...]
        merged.reserveCapacity(first.count + second.count)
        for job in first {
            while let other = rest.first, other.ended < job.ended { merged.append(rest.removeFirst()) }
            merged.append(job)
        }
        return merged + rest
    }

    /// When the oldest that is kept ended.
    var oldestEnd: Int64? {
        let front: Int64? = lineCount == 0 ? nil : chunks[0].ended
        guard let back = belated.oldestEnd else { return front }
        return min(front ?? .max, back)
    }

    /// Visits all that are kept, those in line in their order, then the belated ones, whose `began` is nil.
    func forEach(_ body: (_ job: FinishedJob, _ began: Int64?) throws -> Void) rethrows {
        try forEachInLine { job, began in
            try body(job, began)
            return true
        }
        try belated.forEach { job in
            try body(job, nil)
            return true
        }
    }

    /// Takes a job up as ``forEach(_:)`` gave it.
    mutating func restore(_ job: FinishedJob, began: Int64?) {
        if let began { extend(job, began) } else { belated.insert(job) }
    }

    /// Puts a job at the end of the line, into the last chunk when that is the one in which it stood.
    private mutating func extend(_ job: FinishedJob, _ began: Int64) {
        lineCount += 1
        if let last = chunks.last, last.began == began, last.ended == job.ended,
            chunks[chunks.count - 1].numbers.append(job.sequence)
        {
            return
        }
        var chunk = Chunk(began: began, ended: job.ended, numbers: NumberChunk(near: job.sequence))
        _ = chunk.numbers.append(job.sequence)
        chunks.append(chunk)
    }

    private var first: UInt64? { lineCount == 0 ? nil : chunks[0].numbers[taken] }

    private mutating func takeFirst() {
        taken += 1
        lineCount -= 1
        guard taken == chunks[0].numbers.count else { return }
        taken = 0
        chunks.removeFirst()
    }

    /// Visits those in line that are kept, with when their chunk began, until `body` says that it is enough.
    private func forEachInLine(_ body: (_ job: FinishedJob, _ began: Int64) throws -> Bool) rethrows {
        var skip = taken, passed: [UInt64: Int] = [:]
        for chunk in chunks {
            for index in skip..<chunk.numbers.count {
                let sequence = chunk.numbers[index]
                if !left.isEmpty, passed[sequence, default: 0] < left[sequence] {
                    passed[sequence, default: 0] += 1
                    continue
                }
                guard try body(FinishedJob(sequence: sequence, ended: chunk.ended), chunk.began) else { return }
            }
            skip = 0
        }
    }

    private mutating func compact() {
        var kept = FinishedJobs()
        forEachInLine { job, began in
            kept.extend(job, began)
            return true
        }
        chunks = kept.chunks
        taken = 0
        lineCount = kept.lineCount
        left = Departures()
    }

    /// The bytes that they take.
    var bytes: Int { chunks.reduce(0) { $0 + $1.numbers.bytes + 16 } + belated.bytes }
}
