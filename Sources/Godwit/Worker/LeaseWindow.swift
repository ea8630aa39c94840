/// How many jobs a worker holds: as many as it has slots, and ahead of them as many as end while it asks for jobs.
///
/// Without those a worker whose jobs take less time than a request does would stand still during each request. They wait no longer than one
/// request takes, as long as jobs go on ending as they did; where they stop doing so ``WorkerRun`` gives back what waits. A worker whose jobs
/// take longer leases nothing ahead.
struct LeaseWindow: Sendable {
    let concurrency: Int
    /// Jobs that are held beyond the slots, at most three for each.
    private(set) var ahead = 0

    init(concurrency: Int) { self.concurrency = concurrency }

    /// How many jobs may be leased: those that have a place, and room for their completions among at most four times the concurrency that are
    /// unconfirmed.
    func room(_ desk: WorkerRun.Desk) -> Int {
        min(concurrency + ahead - desk.running, 4 * concurrency - desk.unconfirmed - desk.running)
    }

    /// Whether it is time to ask: as soon as a slot is free, or half of what is held ahead is used up.
    func isWorthARequest(_ desk: WorkerRun.Desk) -> Bool { room(desk) >= max(1, ahead / 2) }

    /// - Parameters:
    ///   - count: jobs that came.
    ///   - asked: those that were asked for. Fewer came: nothing more waits, and there is nothing to be held ahead.
    ///   - finished: jobs that ended since it was asked.
    ///   - isIdle: whether none runs any more: more could have ended.
    mutating func answered(_ count: Int, of asked: Int, finishedMeanwhile finished: Int, isIdle: Bool) {
        guard count == asked else { return ahead = 0 }
        // Less by degrees: while a request for few is answered many end, and while one for many is answered few.
        ahead = min(max(isIdle ? 2 * finished : finished, ahead - (ahead + 3) / 4), 3 * concurrency)
    }
}
