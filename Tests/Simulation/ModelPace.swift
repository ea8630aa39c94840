/// How fast the jobs of a queue end: as many of them, in any state, as a second of busy time has.
///
/// Busy is time in which ready jobs wait and a holder lives. Its last 30 s count, stretched back until 10 jobs ended in them; the engine is
/// free to let up to a second more of it count.
struct ModelPace {
    private static let span: Int64 = 30_000
    private static let leastEnds = 10
    private static let leastBusy: Int64 = 1_000
    private static let leeway: Int64 = 1_000

    /// In milliseconds.
    private(set) var busy: Int64 = 0
    /// How much busy time there had been when each job ended.
    private var ends: [Int64] = []
    var ended: Int { ends.count }

    mutating func pass(_ time: Int64) { busy += time }
    mutating func end(_ count: Int = 1) { ends += Array(repeating: busy, count: count) }

    /// Whether all of it counts, so that it is said to the millisecond how fast jobs end.
    var isWhole: Bool { busy <= Self.span }

    /// Whether a newcomer behind so many jobs would wait for longer than so many milliseconds; nil where that is the engine's to choose.
    /// - Parameter others: jobs that may end yet before it comes.
    func isSlow(_ jobs: Int, _ most: Int64, others: Int = 0) -> Bool? {
        guard busy >= Self.leastBusy, ends.count + others >= Self.leastEnds else { return false }
        var verdicts: Set<Bool> = []
        for others in Set([0, others]) {
            guard ends.count + others >= Self.leastEnds else {
                verdicts.insert(false)
                continue
            }
            let tenth = others >= Self.leastEnds ? 0 : busy - ends[ends.count - Self.leastEnds + others]
            let shortest = min(busy, max(Self.span, tenth)), longest = min(busy, shortest + Self.leeway)
            let edges = ends.map { busy - $0 }.filter { (shortest...longest).contains($0) }
            for window in [shortest, longest] + edges {
                // One that ended at the edge is in it or not.
                for isInside in window < busy ? [false, true] : [true] {
                    let ended = ends.count { busy - $0 < window || isInside && busy - $0 == window } + others
                    verdicts.insert(Double(jobs) / (Double(ended) * 1_000 / Double(window)) > Double(most) / 1_000)
                }
            }
        }
        return verdicts.count == 1 ? verdicts.first : nil
    }
}
