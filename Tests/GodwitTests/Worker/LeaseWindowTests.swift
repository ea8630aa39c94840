import Testing

@testable import Godwit

@Suite("How many jobs a worker holds")
struct LeaseWindowTests {
    private func desk(held: Int, unconfirmed: Int = 0) -> WorkerRun.Desk {
        var desk = WorkerRun.Desk()
        desk.held = held
        desk.unconfirmed = unconfirmed
        return desk
    }

    @Test("as many as it has slots, while none end during a request")
    func slots() {
        var window = LeaseWindow(concurrency: 8)
        #expect(window.room(desk(held: 0)) == 8)
        window.answered(8, of: 8, finishedMeanwhile: 0, isIdle: false)
        #expect(window.room(desk(held: 8)) == 0)
        #expect(!window.isWorthARequest(desk(held: 8)))
        #expect(window.isWorthARequest(desk(held: 7)))
    }

    @Test("ahead as many as ended during the last request, at most three for each slot; half of them used up is worth a request")
    func ahead() {
        var window = LeaseWindow(concurrency: 8)
        window.answered(3, of: 3, finishedMeanwhile: 6, isIdle: false)
        #expect(window.room(desk(held: 8)) == 6)
        #expect(!window.isWorthARequest(desk(held: 12)))
        #expect(window.isWorthARequest(desk(held: 11)))
        window.answered(6, of: 6, finishedMeanwhile: 100, isIdle: false)
        #expect(window.room(desk(held: 8)) == 24)
    }

    @Test("twice as many when all had ended before the answer came; fewer by degrees when fewer end")
    func adapts() {
        var window = LeaseWindow(concurrency: 8)
        window.answered(4, of: 4, finishedMeanwhile: 8, isIdle: true)
        #expect(window.ahead == 16)
        window.answered(20, of: 20, finishedMeanwhile: 1, isIdle: false)
        #expect(window.ahead == 12)
        for _ in 0..<10 { window.answered(1, of: 1, finishedMeanwhile: 0, isIdle: false) }
        #expect(window.ahead == 0)
    }

    @Test("what ended while a request waited for jobs does not count; the next one does not wait, and says how long one takes")
    func waited() {
        var window = LeaseWindow(concurrency: 8)
        window.waited(2, of: 2, finishedMeanwhile: 5)
        #expect(window.ahead == 0 && !window.mayWait)
        window.answered(2, of: 2, finishedMeanwhile: 3, isIdle: false)
        #expect(window.ahead == 3)
        // Where fewer came, or none ended, there is nothing to be found out: it waits again.
        window.waited(1, of: 2, finishedMeanwhile: 5)
        #expect(window.ahead == 0 && window.mayWait)
        window.waited(2, of: 2, finishedMeanwhile: 0)
        #expect(window.ahead == 0 && window.mayWait)
        window.waited(2, of: 2, finishedMeanwhile: 1)
        window.answered(0, of: 2, finishedMeanwhile: 2, isIdle: true)
        #expect(window.ahead == 0 && window.mayWait)
    }

    @Test("none ahead once fewer come than were asked for")
    func empty() {
        var window = LeaseWindow(concurrency: 8)
        window.answered(8, of: 8, finishedMeanwhile: 8, isIdle: false)
        window.answered(7, of: 8, finishedMeanwhile: 8, isIdle: false)
        #expect(window.room(desk(held: 8)) == 0)
    }

    @Test("a request for what would be held ahead does not wait at the broker, and one that waits is for free slots alone")
    func waiting() {
        var window = LeaseWindow(concurrency: 8)
        #expect(window.mayWait)
        window.answered(8, of: 8, finishedMeanwhile: 8, isIdle: false)
        #expect(!window.mayWait)
        window.answered(3, of: 8, finishedMeanwhile: 8, isIdle: false)
        #expect(window.mayWait && window.room(desk(held: 3)) == 5)
    }

    @Test("what the pace of the moment leaves waiting is too much, and only jobs that end have some held ahead again")
    func surplus() {
        var window = LeaseWindow(concurrency: 8)
        window.answered(8, of: 8, finishedMeanwhile: 100, isIdle: false)
        #expect(window.surplus(of: 24, ended: 5) == 19)
        #expect(window.ahead == 5)
        #expect(window.surplus(of: 5, ended: 7) == 0 && window.ahead == 5, "it goes on as it did")
        #expect(window.surplus(of: 5, ended: 0) == 5)
        window.answered(1, of: 1, finishedMeanwhile: 0, isIdle: false)
        #expect(window.ahead == 0)
        window.answered(1, of: 1, finishedMeanwhile: 3, isIdle: false)
        #expect(window.ahead == 3)
        window.failed()
        #expect(window.ahead == 0)
    }

    @Test("none ahead for long after one that would have lost its last attempt with this process")
    func lastAttempts() {
        var window = LeaseWindow(concurrency: 8)
        window.answered(8, of: 8, finishedMeanwhile: 8, isIdle: false)
        window.metLastAttempt()
        window.answered(8, of: 8, finishedMeanwhile: 8, isIdle: false)
        #expect(window.ahead == 0)
        window.answered(LeaseWindow.pause, of: LeaseWindow.pause, finishedMeanwhile: 8, isIdle: false)
        #expect(window.ahead == 8)
    }

    @Test("a free slot is worth a request, however much could be held ahead")
    func freeSlot() {
        var window = LeaseWindow(concurrency: 8)
        window.answered(8, of: 8, finishedMeanwhile: 24, isIdle: false)
        #expect(!window.isWorthARequest(desk(held: 8, unconfirmed: 20)))
        #expect(window.isWorthARequest(desk(held: 7, unconfirmed: 24)))
    }

    @Test("completions that are not confirmed count: no more come when those and the running ones are four for each slot")
    func unconfirmed() {
        var window = LeaseWindow(concurrency: 8)
        window.answered(8, of: 8, finishedMeanwhile: 8, isIdle: false)
        #expect(window.room(desk(held: 8, unconfirmed: 20)) == 4)
        #expect(window.room(desk(held: 8, unconfirmed: 24)) == 0)
        // Where a commit confirms many, one may be under way while the next gathers.
        var busy = desk(held: 8, unconfirmed: 24)
        busy.confirmed = 20
        #expect(window.room(busy) == 8)
        busy.confirmed = 1_000
        busy.unconfirmed = 120
        #expect(window.room(busy) == 0)
    }
}
