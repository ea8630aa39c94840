import GodwitCore
import Testing

@testable import GodwitPage

@Suite("Rates come from kept totals, seen at two looks")
struct RatesTests {
    private let start = ContinuousClock.now

    private func queue(
        _ name: String = "q",
        published: Int = 0,
        succeeded: Int = 0,
        queued: Int,
        running: Int = 0,
        failing: Int = 0,
        isPaused: Bool = false,
        jobsPerSecond: Double? = nil
    ) throws -> QueueStatus {
        var counts = QueueStatus.Counts(), totals = QueueStatus.Totals()
        counts.queued = queued
        counts.running = running
        totals.published = published
        totals.succeeded = succeeded
        totals.failedAttempts = failing
        return QueueStatus(
            name: try QueueName(name),
            settings: QueueSettings(),
            settingsVersion: Version(1),
            isPaused: isPaused,
            counts: counts,
            bytes: 0,
            keys: 0,
            totals: totals,
            oldestQueued: nil,
            jobsPerSecond: jobsPerSecond
        )
    }

    private func look(_ sampler: RateSampler, _ queue: QueueStatus, at seconds: Int) -> (rates: QueueRates?, depths: [Int])? {
        sampler.look(at: [queue], isAll: true, now: start + .seconds(seconds))[queue.name]
    }

    @Test("the first look knows none; the second does")
    func rates() throws {
        let sampler = RateSampler()
        #expect(look(sampler, try queue(published: 100, succeeded: 0, queued: 100), at: 0)?.rates == nil)
        // What runs has not ended.
        let running = try queue("running", published: 100, queued: 0, running: 100)
        _ = sampler.look(at: [running], isAll: false, now: start)
        #expect(sampler.look(at: [running], isAll: false, now: start + .seconds(10))[running.name]?.rates?.ended == 0)
        let second = look(sampler, try queue(published: 120, succeeded: 50, queued: 70, failing: 5), at: 10)
        #expect(second?.rates == QueueRates(published: 2, ended: 5, failing: 0.5))
        #expect(second?.depths == [100, 70])
    }

    @Test("jobs that ended in any state have gone out: those that were purged, too")
    func purged() throws {
        let sampler = RateSampler()
        _ = look(sampler, try queue(published: 100, succeeded: 0, queued: 100), at: 0)
        #expect(look(sampler, try queue(published: 100, succeeded: 0, queued: 0), at: 10)?.rates?.ended == 10)
    }

    @Test("a newcomer waits behind what is ready and what runs, at the pace by which the engine refuses")
    func wait() throws {
        #expect(QueuesView.waiting(try queue(queued: 100, running: 40, jobsPerSecond: 10)) == "14 s")
        #expect(QueuesView.waiting(try queue(queued: 0, running: 40, jobsPerSecond: 10)) == "4 s")
        #expect(QueuesView.waiting(try queue(queued: 1, jobsPerSecond: 10)) == "<1 s")
        #expect(QueuesView.waiting(try queue(queued: 0)) == "none")
        #expect(QueuesView.waiting(try queue(queued: 100)) == "–", "too few jobs ended to tell")
        #expect(QueuesView.waiting(try queue(queued: 100, isPaused: true, jobsPerSecond: 10)) == "paused")
    }

    @Test("rates are of the last half minute, and what was long ago says nothing")
    func window() throws {
        let sampler = RateSampler()
        for second in stride(from: 0, through: 60, by: 10) {
            _ = look(sampler, try queue(published: second < 40 ? 0 : (second - 30) * 10, succeeded: 0, queued: 0), at: second)
        }
        #expect(look(sampler, try queue(published: 400, succeeded: 0, queued: 0), at: 70)?.rates?.published == 10)
        #expect(look(sampler, try queue(published: 400, succeeded: 0, queued: 0), at: 1_000)?.rates == nil)
    }

    @Test("a store that was opened again begins anew, and queues that are gone are forgotten")
    func reopened() throws {
        let sampler = RateSampler()
        _ = look(sampler, try queue(published: 100, succeeded: 0, queued: 0), at: 0)
        #expect(look(sampler, try queue(published: 5, succeeded: 0, queued: 5), at: 10)?.rates == nil)
        _ = look(sampler, try queue("other", published: 0, succeeded: 0, queued: 0), at: 12)
        #expect(look(sampler, try queue(published: 5, succeeded: 0, queued: 5), at: 20)?.rates == nil)
    }

    @Test("a look at one queue forgets no other")
    func one() throws {
        let sampler = RateSampler()
        let (one, other) = (
            try queue("one", published: 0, succeeded: 0, queued: 0), try queue("other", published: 0, succeeded: 0, queued: 0)
        )
        _ = sampler.look(at: [one, other], isAll: true, now: start)
        _ = sampler.look(at: [one], isAll: false, now: start + .seconds(5))
        #expect(sampler.look(at: [other], isAll: false, now: start + .seconds(10))[other.name]?.rates != nil)
    }

    @Test("what nobody looks at any more is forgotten, whoever looks")
    func forgotten() throws {
        let sampler = RateSampler()
        let gone = try queue("gone", published: 1, succeeded: 0, queued: 1),
            other = try queue("other", published: 0, succeeded: 0, queued: 0)
        _ = sampler.look(at: [gone], isAll: false, now: start)
        #expect(sampler.count == 1)
        _ = sampler.look(at: [other], isAll: false, now: start + .seconds(301))
        #expect(sampler.count == 1)
    }

    @Test("a line of depths reaches from the left to the right, and zero is at the bottom")
    func line() {
        #expect(Sparkline.points([0, 5, 10]) == "0.0,15.0 30.0,8.0 60.0,1.0")
        #expect(Sparkline.points([3]) == nil)
        #expect(Sparkline.points([0, 0]) == "0.0,15.0 60.0,15.0")
    }
}
