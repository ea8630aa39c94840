import GodwitCore
import HeapModule

/// Whose turn it is among a holder's queues: each that has a job comes as often as its weight says.
///
/// Stride scheduling (Waldspurger and Weihl, 1995): a queue's pass goes on by a step that is the smaller the more it weighs, and the one
/// furthest behind is next. Who had nothing to give for a while does not get that time back.
struct Turns {
    /// A queue's place in line, as one number, for that is quick to compare: how far its pass is ahead of all, then its index, so that the
    /// first one in the holder's order goes first among those that are even.
    private struct Turn: Comparable {
        private var key: UInt64
        private static let indexBits: UInt64 = 16

        init(ahead: Int, index: Int) { key = UInt64(ahead) << Self.indexBits | UInt64(index) }

        var ahead: Int { Int(key >> Self.indexBits) }
        var index: Int { Int(key & (1 << Self.indexBits - 1)) }

        static func < (a: Turn, b: Turn) -> Bool { a.key < b.key }
    }

    /// The step of weight 1: with the largest weight it is still a thousand.
    private static let step = 1 << 20

    private var passes: [Int]
    /// The pass of the queue whose turn it was last.
    private var reached = 0

    /// - Parameter queues: at most ``Limits/queuesPerHolder``.
    init(queues: Int) { passes = Array(repeating: 0, count: queues) }

    var count: Int { passes.count }

    /// Gives turns until nobody takes any more.
    /// - Parameters:
    ///   - hasJob: whether the queue at an index has a job now; asked once for each.
    ///   - take: takes a job of the queue whose turn it is, and says whether that queue has another one; nil ends it, with the turn not taken.
    mutating func give(_ weights: [Int], hasJob: (Int) -> Bool, take: (Int) -> Bool?) {
        let start = reached
        var line = Heap(passes.indices.lazy.filter(hasJob).map { Turn(ahead: max(passes[$0] - start, 0), index: $0) })
        while let turn = line.min, let goesOn = take(turn.index) {
            let ahead = turn.ahead + Self.step / weights[turn.index]
            reached = start + turn.ahead
            passes[turn.index] = start + ahead
            if goesOn {
                line.replaceMin(with: Turn(ahead: ahead, index: turn.index))
            } else {
                line.removeMin()
            }
        }
    }
}
