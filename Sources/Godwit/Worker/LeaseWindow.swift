/// How many jobs a worker holds: as many as it has slots, and ahead of them as many as end while it asks for jobs.
///
/// Without those a worker whose jobs take less time than a request does would stand still during each request. What is held ahead is what others
/// could run, so it is held for moments alone: nothing is asked for ahead where that would have to be waited for, what the pace of the moment
/// would leave waiting is given back (``surplus(of:ended:)``), and then only jobs that end have some held ahead again.
struct LeaseWindow: Sendable {
    /// So many jobs come before any is held ahead again, after one that would have lost its last attempt if this process had died.
    static let pause = 10_000

    let concurrency: Int
    /// Jobs that are held beyond the slots, at most three for each.
    private(set) var ahead = 0
    private var pause = 0
    /// Whether the next request finds out how long one takes that does not wait.
    private var isProbing = false

    init(concurrency: Int) { self.concurrency = concurrency }

    /// How many jobs may be leased: those that have a place, and room for their completions among those that may be unconfirmed.
    func room(_ desk: WorkerRun.Desk) -> Int {
        min(concurrency + ahead - desk.held, mostUnconfirmed(desk) - desk.unconfirmed - desk.held)
    }

    /// How many jobs run again at most when the process dies, held ones counted: four for each slot, and where a commit confirms many at a time as
    /// many as two of those, so that one can be under way while the next gathers.
    private func mostUnconfirmed(_ desk: WorkerRun.Desk) -> Int { min(max(4 * concurrency, 2 * desk.confirmed), 16 * concurrency) }

    /// Whether it is time to ask: as soon as a slot is free, or half of what is held ahead is used up.
    func isWorthARequest(_ desk: WorkerRun.Desk) -> Bool {
        let room = room(desk)
        return room >= 1 && (desk.held < concurrency || room >= ahead / 2)
    }

    /// Whether a request may wait at the broker until there are jobs: it asks for no more than free slots then.
    var mayWait: Bool { ahead == 0 && !isProbing }

    /// A request came back that may have waited for jobs: how many ended meanwhile says nothing of how long a request takes. Where all came that
    /// were asked for, and others ended, there may be more: the next one does not wait.
    mutating func waited(_ count: Int, of asked: Int, finishedMeanwhile finished: Int) {
        pause = max(0, pause - count)
        ahead = 0
        isProbing = count == asked && finished > 0 && pause == 0
    }

    /// - Parameters:
    ///   - count: jobs that came.
    ///   - asked: those that were asked for. Fewer came: nothing more waits, and there is nothing to be held ahead.
    ///   - finished: jobs that ended since it was asked.
    ///   - isIdle: whether none is held any more: more could have ended.
    mutating func answered(_ count: Int, of asked: Int, finishedMeanwhile finished: Int, isIdle: Bool) {
        pause = max(0, pause - count)
        isProbing = false
        guard count == asked, pause == 0 else { return ahead = 0 }
        // Less by degrees: while a request for few is answered many end, and while one for many is answered few.
        ahead = min(max(isIdle ? 2 * finished : finished, ahead - (ahead + 3) / 4), 3 * concurrency)
    }

    /// - Parameters:
    ///   - excess: jobs that are held beyond the slots.
    ///   - ended: jobs that ended in the time for which one may wait ahead.
    /// - Returns: how many would wait for longer than that: others may have slots for them.
    mutating func surplus(of excess: Int, ended: Int) -> Int {
        ahead = min(ahead, ended)
        return max(0, excess - ended)
    }

    /// The broker gives no jobs now.
    mutating func failed() {
        ahead = 0
        isProbing = false
    }

    /// A job came to be held ahead that has no attempt after this one: it must not lose that one to what kills this process.
    mutating func metLastAttempt() {
        ahead = 0
        pause = Self.pause
    }
}
