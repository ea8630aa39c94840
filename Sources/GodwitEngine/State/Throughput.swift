import DequeModule

/// How many jobs end per second of busy time: time during which ready jobs waited and a holder lived. The last 30 s of it count, stretched
/// back until 10 jobs ended in them, in steps of a second. Time is what the engine observed: a machine that slept was not busy.
struct Throughput {
    private struct Slice {
        var busy: Int64 = 0
        var ended = 0
    }

    private static let span: Int64 = 30_000
    private static let leastEnded = 10
    private static let leastBusy: Int64 = 1_000
    private static let slice: Int64 = 1_000

    private var slices = Deque<Slice>()
    private var busy: Int64 = 0
    private var ended = 0
    private var mark: Int64 = 0
    private var isBusy = false

    /// To be called whenever whether it is busy may have changed, with the time and how it is from now on.
    mutating func note(_ now: Int64, isBusy: Bool) {
        advance(to: now)
        self.isBusy = isBusy
    }

    /// Jobs ended at this time, in any state.
    mutating func jobsEnded(_ count: Int, at now: Int64) {
        advance(to: now)
        guard isBusy else { return }
        if (slices.last?.busy ?? .max) > Self.slice { slices.append(Slice()) }
        slices[slices.count - 1].ended += count
        ended += count
        forget()
    }

    private mutating func advance(to now: Int64) {
        defer { mark = max(mark, now) }
        guard isBusy, now > mark else { return }
        let passed = now - mark
        if let last = slices.last, last.busy + passed <= Self.slice || last.ended == 0 {
            slices[slices.count - 1].busy += passed
        } else {
            slices.append(Slice(busy: passed))
        }
        busy += passed
        forget()
    }

    private mutating func forget() {
        while let first = slices.first, slices.count > 1, busy - first.busy >= Self.span, ended - first.ended >= Self.leastEnded {
            busy -= first.busy
            ended -= first.ended
            slices.removeFirst()
        }
        // Time in which nothing ended is one slice, however long, of which the end may still count.
        if let first = slices.first, first.ended == 0, ended >= Self.leastEnded, busy > Self.span {
            let past = min(first.busy, busy - Self.span)
            slices[0].busy -= past
            busy -= past
        }
    }

    var sliceCount: Int { slices.count }

    /// The busy time that counts, and the jobs that ended in it.
    func counted(at now: Int64) -> (busy: Int64, ended: Int) {
        var current = self
        current.advance(to: now)
        return (current.busy, current.ended)
    }

    /// Jobs per second; nil while too little is known.
    var jobsPerSecond: Double? {
        guard busy >= Self.leastBusy, ended >= Self.leastEnded else { return nil }
        return Double(ended) * 1_000 / Double(busy)
    }
}
