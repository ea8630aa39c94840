import GodwitJournal
import Testing

@testable import GodwitBench

extension BenchTests {
    static func noise(_ random: inout some RandomNumberGenerator) -> SplitMix64 { SplitMix64(seed: random.next()) }
}

@Suite("Counting and timing")
struct MeterTests {
    @Test("nanoseconds become microseconds, and each percentile is the one of all that were added")
    func percentiles() throws {
        let meter = Meter(expected: 1_000)
        let now = MonotonicTime.now
        // 900 took 1 s, 90 took 10 s, 10 took 100 s; what passes meanwhile is far less than a percent.
        meter.add(900, since: now - 1_000_000_000)
        meter.add(since: Array(repeating: now - 10_000_000_000, count: 90))
        meter.add(since: (0..<10).map { now - 100_000_000_000 - UInt64($0) })
        let latencies = try #require(meter.figures(since: now).latencies)
        #expect((1_000_000..<1_010_000).contains(latencies.p50))
        #expect((10_000_000..<10_100_000).contains(latencies.p99))
        #expect((100_000_000..<101_000_000).contains(latencies.p999))
    }

    @Test("the last one is told once, whoever adds it")
    func last() {
        let meter = Meter(expected: 10)
        let now = MonotonicTime.now
        #expect(!meter.add(9, since: now))
        #expect(meter.add(since: [now]))
        #expect(!meter.add(1, since: now))
        #expect(meter.count == 11)
    }

    @Test("a begin that lies in the future took no time")
    func future() {
        let meter = Meter(expected: 1)
        meter.add(1, since: MonotonicTime.now + 1_000_000_000)
        #expect(meter.figures(since: 0).latencies?.p50 == 0)
    }

    @Test("nothing counted, nothing claimed")
    func empty() {
        let figures = Meter(expected: 0).figures(since: 0)
        #expect(figures.count == 0 && figures.perSecond == nil && figures.latencies == nil)
        #expect(figures.firstPerSecond == nil && figures.lastPerSecond == nil)
    }

    @Test("every job is handed out once, without a rate and at one", arguments: [nil, 1e6])
    func pace(rate: Double?) async throws {
        let pace = Pace(jobs: 100, rate: rate, start: MonotonicTime.now)
        let jobs = try await withThrowingTaskGroup(of: [Int].self) { group in
            for _ in 0..<4 {
                group.addTask {
                    var jobs: [Int] = []
                    while let range = try await pace.take(7) { jobs += range }
                    return jobs
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(jobs.sorted() == Array(0..<100))
    }

    @Test("at a rate a job's time is when it was due, not when it was sent")
    func due() {
        #expect(Pace(jobs: 10, rate: 1_000, start: 5).time(of: 3, now: 9_000_000_000) == 3_000_005)
        #expect(Pace(jobs: 10, rate: nil, start: 5).time(of: 3, now: 9_000_000_000) == 9_000_000_000)
    }
}
