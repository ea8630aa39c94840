import Testing

@testable import GodwitCore

@Suite("Backoff")
struct BackoffTests {
    @Test("doubles from its base and stops at its cap")
    func ceilings() {
        let seconds = [1, 2, 3, 12, 13, 1_000, Int.max].map { Backoff.standard.ceiling(after: $0) }
        #expect(seconds == [.seconds(1), .seconds(2), .seconds(4), .seconds(2_048), .seconds(3_600), .seconds(3_600), .seconds(3_600)])
    }

    @Test("a try that never happened counts as the first")
    func zeroth() {
        #expect(Backoff.standard.ceiling(after: 0) == .seconds(1))
        #expect(Backoff(base: .zero, cap: .seconds(1)).ceiling(after: 5) == .zero)
    }

    @Test("full jitter spreads over the whole interval")
    func jitter() {
        var random = SplitMix(seed: 7)
        let backoff = Backoff(base: .seconds(8), cap: .seconds(60))
        let delays = (0..<4_000).map { _ in backoff.delay(after: 1, using: &random).inMilliseconds }
        #expect(delays.allSatisfy { (0...8_000).contains($0) })
        for quarter in 0..<4 {
            let share = delays.count { $0 / 2_000 == quarter }
            #expect((850...1_150).contains(share), "quarter \(quarter) got \(share) of 4,000")
        }
    }

    @Test("without jitter it is exact")
    func exact() {
        var random = SplitMix(seed: 7)
        let backoff = Backoff(base: .milliseconds(500), factor: 3, cap: .seconds(60), hasJitter: false)
        #expect((1...4).map { backoff.delay(after: $0, using: &random) } == [500, 1_500, 4_500, 13_500].map { .milliseconds($0) })
    }
}

/// Sebastiano Vigna's SplitMix64: a small deterministic generator for tests.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
