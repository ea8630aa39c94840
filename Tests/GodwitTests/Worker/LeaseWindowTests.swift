import Testing

@testable import Godwit

@Suite("How many jobs a worker holds")
struct LeaseWindowTests {
    private func desk(running: Int, unconfirmed: Int = 0) -> WorkerRun.Desk {
        var desk = WorkerRun.Desk()
        desk.running = running
        desk.unconfirmed = unconfirmed
        return desk
    }

    @Test("as many as it has slots, while none end during a request")
    func slots() {
        var window = LeaseWindow(concurrency: 8)
        #expect(window.room(desk(running: 0)) == 8)
        window.answered(8, of: 8, finishedMeanwhile: 0, isIdle: false)
        #expect(window.room(desk(running: 8)) == 0)
        #expect(!window.isWorthARequest(desk(running: 8)))
        #expect(window.isWorthARequest(desk(running: 7)))
    }

    @Test("ahead as many as ended during the last request, at most three for each slot; half of them used up is worth a request")
    func ahead() {
        var window = LeaseWindow(concurrency: 8)
        window.answered(3, of: 3, finishedMeanwhile: 6, isIdle: false)
        #expect(window.room(desk(running: 8)) == 6)
        #expect(!window.isWorthARequest(desk(running: 12)))
        #expect(window.isWorthARequest(desk(running: 11)))
        window.answered(6, of: 6, finishedMeanwhile: 100, isIdle: false)
        #expect(window.room(desk(running: 8)) == 24)
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

    @Test("none ahead once fewer come than were asked for")
    func empty() {
        var window = LeaseWindow(concurrency: 8)
        window.answered(8, of: 8, finishedMeanwhile: 8, isIdle: false)
        window.answered(7, of: 8, finishedMeanwhile: 8, isIdle: false)
        #expect(window.room(desk(running: 8)) == 0)
    }

    @Test("completions that are not confirmed count: no more come when those and the running ones are four for each slot")
    func unconfirmed() {
        var window = LeaseWindow(concurrency: 8)
        window.answered(8, of: 8, finishedMeanwhile: 8, isIdle: false)
        #expect(window.room(desk(running: 8, unconfirmed: 20)) == 4)
        #expect(window.room(desk(running: 8, unconfirmed: 24)) == 0)
    }
}
