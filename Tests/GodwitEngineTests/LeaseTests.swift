import GodwitCore
import Testing

@testable import GodwitEngine

@Suite("Leases", .timeLimit(.minutes(1)))
struct LeaseTests {
    @Test("a lease that expires returns the job to its place, as a failed attempt")
    func expiry() async throws {
        let store = try await Fixture()
        let id = try await store.publish(.work, "a")
        try await store.publish(.work, "b")
        let dead = try await store.leaseOne(term: .fixed(.seconds(10)))
        await store.clock.advance(by: .milliseconds(9_999))
        #expect(try await store.job(id).state == .running)
        await store.clock.advance(by: .milliseconds(1))
        let job = try await store.job(id)
        #expect(job.state == .queued && job.errors.map(\.code) == [FailureCode.leaseExpired])
        let next = try await store.leaseOne()
        #expect(next.job.id == id && next.job.attempt == 2 && next.deliveries == 2)
        #expect(try #require(next.fencingNumber) > #require(dead.fencingNumber))
        _ = await expectError(.staleLease) { try await store.run(.complete(dead.token, result: nil)) }
        #expect(try await store.status().totals.leasesExpired == 1)
    }

    @Test("a job whose last attempt's lease expires is failed")
    func lastExpiry() async throws {
        let store = try await Fixture()
        let id = try await store.publish { $0.maxAttempts = 1 }
        _ = try await store.leaseOne(term: .fixed(.seconds(1)))
        await store.clock.advance(by: .seconds(1))
        #expect(try await store.job(id).state == .failed)
    }

    @Test("heartbeats keep a lease for as long as they come")
    func renewal() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let holder = try await store.holder()
        let delivery = try #require(try await holder.lease(max: 1, term: .fixed(.seconds(10)), wait: .zero).first)
        for _ in 0..<5 {
            await store.clock.advance(by: .seconds(9))
            #expect(try await holder.renew([Renewal(delivery.token)]) == [.good(remaining: .seconds(10))])
        }
        #expect(try await store.job(id).state == .running)
        await store.clock.advance(by: .seconds(10))
        #expect(try await holder.renew([Renewal(delivery.token)]) == [.stale])
        #expect(try await store.job(id).state == .queued)
    }

    @Test("a renewal may make a lease longer or shorter")
    func newTerm() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let holder = try await store.holder()
        let delivery = try #require(try await holder.lease(max: 1, term: .fixed(.seconds(60)), wait: .zero).first)
        #expect(try await holder.renew([Renewal(delivery.token, term: .seconds(2))]) == [.good(remaining: .seconds(2))])
        await store.clock.advance(by: .seconds(1))
        #expect(try await holder.renew([Renewal(delivery.token, term: .seconds(100))]) == [.good(remaining: .seconds(100))])
        await store.clock.advance(by: .seconds(99))
        #expect(try await store.job(id).state == .running)
        #expect(try await holder.renew([Renewal(delivery.token, term: .seconds(2))]) == [.good(remaining: .seconds(2))])
        await store.clock.advance(by: .seconds(2))
        #expect(try await store.job(id).state == .queued)
    }

    @Test("a process that stood still does not lose its leases at once: renewals that wait go first, and a step counts for a second")
    func suspension() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let holder = try await store.holder()
        let delivery = try #require(try await holder.lease(max: 1, term: .fixed(.seconds(10)), wait: .zero).first)
        store.clock.leap(by: .seconds(3_600))
        #expect(try await holder.renew([Renewal(delivery.token)]) == [.good(remaining: .seconds(10))])
        #expect(try await store.job(id).state == .running)
    }

    @Test("the wall clock's jumps do not touch leases and delays")
    func wallJump() async throws {
        let store = try await Fixture()
        let running = try await store.publish()
        _ = try await store.leaseOne()
        let delayed = try await store.publish { $0.start = .after(.seconds(60)) }
        store.clock.jumpWall(by: .seconds(7_200))
        await store.clock.advance(by: .seconds(1))
        #expect(try await store.job(running).state == .running)
        #expect(try await store.job(delayed).state == .scheduled)
        await store.clock.advance(by: .seconds(59))
        #expect(try await store.job(delayed).state == .queued)
    }

    @Test("progress travels with a heartbeat; the latest value wins and changes the version")
    func progress() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let holder = try await store.holder()
        let delivery = try #require(try await holder.lease(max: 1, term: .queue, wait: .zero).first)
        let before = try await store.job(id).version
        _ = try await holder.renew([Renewal(delivery.token, progress: JobProgress(fraction: 0.2, note: "first"))])
        _ = try await holder.renew([Renewal(delivery.token, progress: JobProgress(fraction: 7, note: "resizing"))])
        let job = try await store.job(id)
        #expect(job.progress == JobProgress(fraction: 1, note: "resizing"))
        #expect(job.version != before)
        let again = try await store.killed()
        #expect(try await again.job(id).progress == JobProgress(fraction: 1, note: "resizing"))
    }

    @Test("a running job can be cancelled: final at once, its holder is told, its settles are stale")
    func cancelRunning() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        let holder = try await store.holder()
        let delivery = try #require(try await holder.lease(max: 1, term: .queue, wait: .zero).first)
        #expect(try await store.run(.cancel(id)) == [.state(.cancelled)])
        let job = try await store.job(id)
        #expect(job.state == .cancelled && job.errors.map(\.code) == [FailureCode.cancelled])
        #expect(try await holder.renew([Renewal(delivery.token)]) == [.cancelRequested])
        _ = await expectError(.staleLease) { try await store.run(.complete(delivery.token, result: nil)) }
        #expect(try await store.job(id).state == .cancelled)
        #expect(try await store.run(.cancel(id)) == [.state(.cancelled)])
        // A lease that would be over is just stale.
        await store.clock.advance(by: .seconds(32))
        #expect(try await holder.renew([Renewal(delivery.token)]) == [.stale])
    }

    @Test("a completion that was recorded first wins over a cancel")
    func cancelTooLate() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        try await store.run(.complete(try await store.leaseOne().token, result: nil))
        #expect(try await store.run(.cancel(id)) == [.state(.succeeded)])
    }

    @Test("an attempt that takes longer than its timeout is ended though its worker sends heartbeats")
    func timeout() async throws {
        let store = try await Fixture()
        let id = try await store.publish { $0.timeout = .seconds(15) }
        let holder = try await store.holder()
        let delivery = try #require(try await holder.lease(max: 1, term: .fixed(.seconds(10)), wait: .zero).first)
        await store.clock.advance(by: .seconds(9))
        #expect(try await holder.renew([Renewal(delivery.token)]) == [.good(remaining: .seconds(10))])
        await store.clock.advance(by: .seconds(9))
        // The worker's own timer has another lease's length to end it as the worker wants.
        #expect(try await holder.renew([Renewal(delivery.token)]) == [.good(remaining: .seconds(10))])
        await store.clock.advance(by: .seconds(7))
        #expect(try await holder.renew([Renewal(delivery.token)]) == [.stale])
        let job = try await store.job(id)
        #expect(job.errors.map(\.code) == [FailureCode.timeout])
        #expect(job.state == .retrying || job.state == .queued)
    }

    @Test("an attempt's time begins again with an opening, and the lease's length is added there, too")
    func timeoutAfterRestart() async throws {
        let store = try await Fixture()
        let id = try await store.publish { $0.timeout = .seconds(15) }
        let token = try await store.leaseOne(term: .fixed(.seconds(10))).token
        let again = try await store.killed()
        let holder = try await again.holder()
        for _ in 0..<3 {
            await again.clock.advance(by: .seconds(8))
            #expect(try await holder.renew([Renewal(token)]) == [.good(remaining: .seconds(10))])
        }
        await again.clock.advance(by: .seconds(1))
        #expect(try await again.job(id).errors.map(\.code) == [FailureCode.timeout])
    }

    @Test("one call is answered with at most 16 MiB of payloads, or with one job", arguments: [false, true])
    func bytes(isWeighted: Bool) async throws {
        let store = try await Fixture { $0.segmentBytes = 64 << 20 }
        for _ in 0..<64 { try await store.publish(.work, "1") }
        let large = String(repeating: "x", count: 1 << 20)
        for _ in 0..<20 { try await store.publish(.work, large) }
        let whole = String(repeating: "x", count: Limits.leaseBytes - 100)
        try await store.publish(.work, whole)
        try await store.publish(.work, "last")
        let holder = try await store.holder("h", [.work], order: isWeighted ? .weighted([1]) : .strict)
        var counts: [Int] = []
        while true {
            let deliveries = try await holder.lease(max: 1_000, term: .queue, wait: .zero)
            if deliveries.isEmpty { break }
            counts.append(deliveries.count)
            #expect(deliveries.count == 1 || deliveries.reduce(0) { $0 + $1.payload.bytes.count } <= Limits.leaseBytes)
        }
        #expect(counts == [64 + 15, 5, 1, 1] || counts == [64 + 15, 5, 2])
    }

    @Test("a wait may be as long as one likes")
    func endlessWait() async throws {
        let store = try await Fixture()
        let holder = try await store.holder()
        let wait = Task { try await holder.lease(max: 1, term: .queue, wait: .seconds(Int64.max)) }
        try await eventually("it waits") { try await store.engine.queue(.work) != nil }
        try await store.publish(.work, "a")
        #expect(try await wait.value.map(\.text) == ["a"])
    }

    @Test("closing a holder releases all that it holds, uncounted")
    func closing() async throws {
        let store = try await Fixture()
        for text in ["a", "b", "c"] { try await store.publish(.work, text) }
        let holder = try await store.holder("one")
        let held = try await holder.lease(max: 2, term: .holderLife, wait: .zero)
        let other = try await store.lease(1, holder: "two")
        await store.clock.advance(by: Limits.longestLease + .seconds(1))
        #expect(try await holder.renew([Renewal(held[0].token)]) == [.good(remaining: Limits.longestLease)])
        try await holder.close()
        _ = await expectError(.staleLease) { try await store.run(.complete(held[0].token, result: nil)) }
        let again = try await store.lease(3)
        #expect(again.map(\.text) == ["a", "b", "c"])
        #expect(again.map(\.job.attempt) == [1, 1, 2])
        #expect(other.count == 1)
    }

    @Test("a holder's order is strict or weighted")
    func orders() async throws {
        let store = try await Fixture()
        for _ in 0..<30 {
            try await store.publish(.work, "w")
            try await store.publish(.other, "o")
        }
        let strict = try await store.holder("strict", [.other, .work]).lease(max: 10, term: .queue, wait: .zero)
        #expect(strict.allSatisfy { $0.text == "o" })
        var counts: [String: Int] = [:]
        let weighted = try await store.holder("weighted", [.work, .other], order: .weighted([3, 1]))
        for _ in 0..<16 { counts[try #require(try await weighted.lease(max: 1, term: .queue, wait: .zero).first).text, default: 0] += 1 }
        #expect(counts == ["w": 12, "o": 4])
    }

    @Test("a waiting call gets a job as soon as there is one, first come, first served")
    func waiting() async throws {
        let store = try await Fixture()
        let first = try await store.holder("one"), second = try await store.holder("two", [.other, .work])
        async let one = first.lease(max: 5, term: .queue, wait: .seconds(60))
        try await eventually("the first waits") { try await store.engine.queue(.work) != nil }
        try await store.publish(.work, "a")
        #expect(try await one.map(\.text) == ["a"])
        async let two = second.lease(max: 5, term: .queue, wait: .seconds(60))
        try await store.publish(.other, "b")
        #expect(try await two.map(\.text) == ["b"])
    }

    @Test("a waiting call ends empty when its time is over")
    func waitEnds() async throws {
        let store = try await Fixture()
        let holder = try await store.holder()
        let wait = Task { try await holder.lease(max: 1, term: .queue, wait: .seconds(5)) }
        try await eventually("it waits") { try await store.engine.queue(.work) != nil }
        await store.clock.advance(by: .seconds(6))
        #expect(try await wait.value.isEmpty)
        try await store.publish()
        #expect(try await store.status().counts.queued == 1)
    }

    @Test("a cancelled wait ends at once and leases nothing")
    func cancelledWait() async throws {
        let store = try await Fixture()
        let holder = try await store.holder()
        let wait = Task { try await holder.lease(max: 1, term: .queue, wait: .seconds(3_600)) }
        try await eventually("it waits") { try await store.engine.queue(.work) != nil }
        wait.cancel()
        #expect(try await wait.value.isEmpty)
        let id = try await store.publish()
        let job = try await store.job(id)
        #expect(job.state == .queued && job.attempt == 0)
        let early = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await holder.lease(max: 1, term: .queue, wait: .seconds(3_600))
        }
        #expect(try await early.value.isEmpty)
        #expect(try await store.job(id).attempt == 0)
    }

    @Test("a paused queue delivers nothing, all else goes on; resumed, those who wait are served")
    func pausing() async throws {
        let store = try await Fixture()
        try await store.publish()
        let running = try await store.leaseOne()
        try await store.engine.pause(.work)
        try await store.publish(.work, "next")
        #expect(try await store.status().isPaused)
        #expect(try await store.lease().isEmpty)
        try await store.run(.complete(running.token, result: nil))
        let holder = try await store.holder()
        let wait = Task { try await holder.lease(max: 1, term: .queue, wait: .seconds(3_600)) }
        let again = try await store.killed()
        #expect(try await again.status().isPaused)
        try await store.engine.resume(.work)
        #expect(try await wait.value.map(\.text) == ["next"])
    }

    @Test(
        "forged and foreign tokens are stale",
        arguments: ["", "x", String(repeating: "0", count: 39), String(repeating: "é", count: 39)]
    )
    func forged(token: String) async throws {
        let store = try await Fixture()
        try await store.publish()
        _ = try await store.leaseOne()
        _ = await expectError(.staleLease) { try await store.run(.complete(LeaseToken(token), result: nil)) }
        #expect(try await store.holder().renew([Renewal(LeaseToken(token))]) == [.stale])
    }

    @Test("what a caller asks for is checked")
    func arguments() async throws {
        let store = try await Fixture()
        let holder = try await store.holder()
        #expect(await expectError(.invalidArgument) { _ = try await holder.lease(max: 0, term: .queue, wait: .zero) }?.field == "max")
        _ = await expectError(.invalidArgument) { _ = try await holder.lease(max: 1_001, term: .queue, wait: .zero) }
        _ = await expectError(.invalidArgument) { _ = try await holder.lease(max: 1, term: .fixed(.milliseconds(99)), wait: .zero) }
        _ = await expectError(.invalidArgument) { _ = try await store.holder("") }
        let idle = try await store.holder("h", [])
        _ = await expectError(.invalidArgument) { _ = try await idle.lease(max: 1, term: .queue, wait: .zero) }
        _ = await expectError(.invalidArgument) { _ = try await store.holder("h", [.work, .work]) }
        _ = await expectError(.invalidArgument) { _ = try await store.holder("h", [.work], order: .weighted([1, 2])) }
    }
}
