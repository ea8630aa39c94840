/// A way through the numbers of all jobs, finished or not, up or down. What comes next in each table is looked for once: between two jobs of
/// one table there may be many free places, and many jobs of the other.
struct JobWalk {
    private let isUp: Bool
    private var unfinished: UInt64?
    private var finished: UInt64?

    /// - Parameter sequence: the lowest number of interest on the way up; on the way down the first that is not.
    init(_ state: borrowing EngineState, from sequence: UInt64, isUp: Bool) {
        self.isUp = isUp
        unfinished = isUp ? state.jobs.first(from: sequence) : state.jobs.last(before: sequence)
        finished = isUp ? state.finished.first(from: sequence) : state.finished.last(before: sequence)
    }

    /// The number that is next.
    var next: UInt64? {
        guard let unfinished else { return finished }
        guard let finished else { return unfinished }
        return isUp ? min(unfinished, finished) : max(unfinished, finished)
    }

    /// Takes the number that is next. The tables must be as they were when the walk began.
    mutating func take(_ state: borrowing EngineState) -> UInt64? {
        guard let next else { return nil }
        if unfinished == next { unfinished = isUp ? state.jobs.first(from: next + 1) : state.jobs.last(before: next) }
        if finished == next { finished = isUp ? state.finished.first(from: next + 1) : state.finished.last(before: next) }
        return next
    }
}
