/// Who runs which attempt: a worker's tasks, and the attempts that wait for one. A state machine; ``WorkerRun`` does what it says.
///
/// A task is used again for the next attempt, and tasks are called up one at a time: only when the one called has taken an attempt is another
/// one called for the next. So attempts that end at once are run by a few tasks, one after the other, and those that wait for something, or
/// take long, side by side.
struct Crew: Sendable {
    typealias Waiting = CheckedContinuation<Bool, Never>

    /// Somebody who is to come for an attempt.
    enum Call: Sendable {
        /// A task that waits: it is resumed with true.
        case resume(Waiting)
        /// A new task with this number.
        case create(Int)
    }

    private let limit: Int
    private var waiting: [Attempt] = []
    /// How many of those were taken.
    private var taken = 0
    /// The attempts that tasks are at, by the tasks' numbers.
    private var running: [Attempt?] = []
    /// Numbers of tasks that have ended.
    private var unused: [Int] = []
    private var idle: [Waiting] = []
    private var isCalling = false
    private var isOver = false

    /// - Parameter limit: How many tasks there are at most.
    init(limit: Int) { self.limit = limit }

    /// All that wait or run.
    var attempts: [Attempt] { waiting[taken...] + running.compactMap(\.self) }

    /// How many run.
    var atWork: Int { running.count { $0 != nil } }

    /// - Returns: whom to call.
    mutating func add(_ attempts: [Attempt]) -> Call? {
        waiting += attempts
        return call()
    }

    /// The next attempt of a task, which has ended the one before.
    /// - Parameter isCalled: Whether the task comes because it was called.
    /// - Returns: the attempt, if one waits, and whom to call.
    mutating func take(_ number: Int, isCalled: Bool) -> (Attempt?, Call?) {
        if isCalled { isCalling = false }
        running[number] = nil
        guard taken < waiting.count else { return (nil, nil) }
        let attempt = waiting[taken]
        taken += 1
        if taken == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            taken = 0
        } else if taken >= limit {
            waiting.removeFirst(taken)
            taken = 0
        }
        running[number] = attempt
        return (attempt, call())
    }

    /// Whether attempts wait that no task has taken.
    var hasWaiting: Bool { taken < waiting.count }

    /// Takes back attempts that no task has taken, the last ones.
    mutating func withdraw(atMost count: Int) -> [Attempt] {
        let withdrawn = Array(waiting[taken...].suffix(count))
        waiting.removeLast(withdrawn.count)
        if taken == waiting.count {
            waiting = []
            taken = 0
        }
        return withdrawn
    }

    /// Has a task wait until it is called.
    /// - Returns: false when it need not wait, for there is something to take, or nothing ever again.
    mutating func rest(_ continuation: Waiting) -> Bool {
        guard !hasWaiting, !isOver else { return false }
        idle.append(continuation)
        return true
    }

    /// A task ends.
    /// - Returns: whom to call in its place.
    mutating func leave(_ number: Int) -> Call? {
        running[number] = nil
        unused.append(number)
        return call()
    }

    /// No attempts will come any more: tasks end when they have nothing to do.
    /// - Returns: those that wait, to be resumed with false.
    mutating func end() -> [Waiting] {
        isOver = true
        defer { idle = [] }
        return idle
    }

    var hasEnded: Bool { isOver && !hasWaiting }

    private mutating func call() -> Call? {
        guard !isCalling, hasWaiting else { return nil }
        if let continuation = idle.popLast() {
            isCalling = true
            return .resume(continuation)
        }
        if let number = unused.popLast() {
            isCalling = true
            return .create(number)
        }
        // All are at work: each comes again when it has ended its attempt.
        guard running.count < limit else { return nil }
        isCalling = true
        running.append(nil)
        return .create(running.count - 1)
    }
}
