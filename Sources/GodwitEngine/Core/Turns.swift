import GodwitCore
import HeapModule

/// Whose turn it is among a holder's queues: each that has a job comes as often as its weight says.
///
/// Stride scheduling (Waldspurger and Weihl, 1995): a queue's pass goes on by a step that is the smaller the more it weighs, and the one
/// furthest behind is next. Who had nothing to give for a while does not get that time back.
struct Turns {
    private struct Turn: Comparable {
        var pass: Int
        /// The first one in the holder's order goes first among those that are even.
        var index: Int

        static func < (a: Turn, b: Turn) -> Bool { a.pass != b.pass ? a.pass < b.pass : a.index < b.index }
    }

    /// The step of weight 1: with the largest weight it is still a thousand.
    private static let step = 1 << 20

    private var passes: [Int]
    /// The pass of the queue whose turn it was last.
    private var reached = 0

    init(queues: Int) { passes = Array(repeating: 0, count: queues) }

    var count: Int { passes.count }

    /// Gives turns until nobody takes any more.
    /// - Parameters:
    ///   - hasJob: whether the queue at an index has a job now; asked once for each.
    ///   - take: takes a job of the queue whose turn it is, and says whether that queue has another one; nil ends it, with the turn not taken.
    mutating func give(_ weights: [Int], hasJob: (Int) -> Bool, take: (Int) -> Bool?) {
        var line = Heap<Turn>(passes.indices.lazy.filter(hasJob).map { Turn(pass: max(passes[$0], reached), index: $0) })
        while let turn = line.min, let goesOn = take(turn.index) {
            reached = turn.pass
            passes[turn.index] = turn.pass + Self.step / weights[turn.index]
            if goesOn {
                line.replaceMin(with: Turn(pass: passes[turn.index], index: turn.index))
            } else {
                line.removeMin()
            }
        }
    }
}

/// What is remembered of a holder from one call for jobs to the next; as if it were new when it is forgotten.
struct HolderMemory {
    /// The queues that it named, and their numbers in a table of that version: a thousand names are not looked up each time.
    var names: [QueueName]
    var numbers: [UInt32]
    var version: Int
    var turns: Turns?
}
