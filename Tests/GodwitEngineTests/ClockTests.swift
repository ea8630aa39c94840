import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Clocks that cannot be believed", .timeLimit(.minutes(1)))
struct ClockTests {
    private static let day: Duration = .seconds(86_400)

    private static func boot(_ id: String, at time: Duration) -> ManualClock {
        ManualClock(start: Fixture.start + time, boot: .seconds(5), bootID: id)
    }

    @Test("a jump too far ends no delay and no job either; accepted, all of it counts")
    func jump() async throws {
        let store = try await Fixture()
        let delayed = try await store.publish { $0.start = .after(Self.day * 100) }
        let expiring = try await store.publish(.other) { $0.expires = Self.day * 100 }
        let doubtful = try await store.killed(clock: Self.boot("second", at: Self.day * 365))
        #expect(doubtful.engine.isClockDoubtful)
        await doubtful.clock.advance(by: .seconds(2))
        #expect(try await doubtful.job(delayed).state == .scheduled)
        #expect(try await doubtful.job(expiring).state == .queued)
        // Opened once more in the same boot, and in another.
        let again = try await doubtful.killed()
        #expect(again.engine.isClockDoubtful)
        let still = try await again.killed(clock: Self.boot("third", at: Self.day * 366))
        #expect(still.engine.isClockDoubtful)
        let accepted = try await still.killed { $0.acceptsClock = true }
        #expect(!accepted.engine.isClockDoubtful)
        await accepted.clock.advance(by: .seconds(1))
        #expect(try await accepted.job(delayed).state == .queued)
        #expect(try await accepted.job(expiring).state == .expired)
        let calm = try await accepted.killed()
        #expect(!calm.engine.isClockDoubtful)
    }

    @Test("a clock that was put right takes the doubt away, in the same boot or in another", arguments: [true, false])
    func correction(isSameBoot: Bool) async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        try await store.run(.complete(try await store.leaseOne().token, result: nil))
        let doubtful = try await store.killed(clock: Self.boot("second", at: Self.day * 365))
        #expect(doubtful.engine.isClockDoubtful)
        let clock = isSameBoot ? doubtful.clock : Self.boot("third", at: Self.day * 2)
        if isSameBoot { clock.jumpWall(by: Self.day * -363) }
        let right = try await doubtful.killed(clock: clock)
        #expect(!right.engine.isClockDoubtful)
        await right.clock.advance(by: .seconds(2))
        #expect(try await right.engine.read([id]) == [.forgotten])
    }

    @Test("a boot without a name is another boot", arguments: ["", "unknown"])
    func namelessBoot(name: String) async throws {
        let clock = ManualClock(start: Fixture.start, boot: .seconds(5), bootID: name)
        let store = try await Fixture(clock: clock)
        let id = try await store.publish { $0.start = .after(.seconds(100)) }
        // A minute later, and booted 50 days ago.
        let later = ManualClock(start: Fixture.start + .seconds(60), boot: Self.day * 50, bootID: name)
        let again = try await store.killed(clock: later)
        await later.advance(by: .seconds(1))
        #expect(try await again.job(id).state == .scheduled)
        await later.advance(by: .seconds(39))
        #expect(try await again.job(id).state == .queued)
    }

    @Test("a job may not be put off for more than ten years, and a moment in the past is now")
    func extremes() async throws {
        let store = try await Fixture()
        for milliseconds in [Int64.min, .max] {
            let error = await expectError(.invalidArgument) {
                try await store.publish { $0.start = .at(Timestamp(milliseconds: milliseconds)) }
            }
            #expect(error?.field == "run_at")
        }
        try await store.publish { $0.start = .at(Fixture.start + Limits.longestDuration) }
        let past = try await store.publish { $0.start = .at(Limits.times.lowerBound) }
        #expect(try await store.killed().job(past).state == .queued)
        #expect(Timestamp(milliseconds: .max) + .seconds(1) == Timestamp(milliseconds: .max))
        #expect(Timestamp(milliseconds: .min) - Timestamp(milliseconds: 1) < .zero)
    }
}
