import Foundation
import Godwit
import GodwitCore
import GodwitEngine
import Logging
import Testing

@testable import GodwitBench

@Suite("The bench", .timeLimit(.minutes(2)))
struct BenchTests {
    private func run(_ change: (inout BenchPlan) -> Void) async throws -> BenchReport {
        var plan = BenchPlan()
        plan.store = .memory
        plan.producers = 4
        plan.workers = 4
        change(&plan)
        return try await Bench(plan, logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }).run()
    }

    @Test("every job that is published is confirmed, delivered and completed, and counted once", arguments: [false, true])
    func round(isRaw: Bool) async throws {
        let report = try await run {
            $0.isRaw = isRaw
            $0.load = .round(jobs: 1_237)
        }
        #expect(report.jobs == 1_237)
        #expect(report.publishPerSecond ?? 0 > 0 && report.endToEndPerSecond ?? 0 > 0)
        #expect(report.publishFirstPerSecond ?? 0 > 0 && report.publishLastPerSecond ?? 0 > 0)
        let confirm = try #require(report.confirm), endToEnd = try #require(report.endToEnd)
        #expect(confirm.p50 > 0 && confirm.p50 <= confirm.p99 && confirm.p99 <= confirm.p999)
        #expect(endToEnd.p50 > 0 && endToEnd.p50 <= endToEnd.p99 && endToEnd.p99 <= endToEnd.p999)
        #expect(report.generatorPerJob ?? 0 > 0 && report.processorPerJob ?? 0 > 0)
        #expect(report.peakMegabytes > 1)
        // There is no disk.
        #expect(report.syncMicroseconds == nil)
    }

    @Test("one at a time: all are confirmed before the first is consumed", arguments: [false, true])
    func oneAtATime(isRaw: Bool) async throws {
        let report = try await run {
            $0.isRaw = isRaw
            $0.isOneAtATime = true
            $0.producers = 1
            $0.load = .round(jobs: 300)
        }
        #expect(report.jobs == 300)
        // The first job waits until the last one is confirmed.
        let confirm = try #require(report.confirm), endToEnd = try #require(report.endToEnd)
        #expect(endToEnd.p999 > confirm.p50 * 100)
    }

    @Test("messages go to all of the queues")
    func queues() async throws {
        let report = try await run {
            $0.isRaw = true
            $0.queues = 50
            $0.load = .round(jobs: 1_000)
        }
        #expect(report.jobs == 1_000)
    }

    @Test("what a fill leaves, a drain takes; then nothing is left", arguments: [false, true])
    func fillAndDrain(isRaw: Bool) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "godwit-bench-test-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func run(_ load: BenchPlan.Load) async throws -> BenchReport {
            try await self.run {
                $0.store = .folder(folder)
                $0.isRaw = isRaw
                $0.load = load
            }
        }
        let filled = try await run(.fill(700))
        #expect(filled.jobs == 700 && filled.publishPerSecond ?? 0 > 0)
        #expect(filled.endToEndPerSecond == nil && filled.endToEnd == nil)
        #expect(filled.syncMicroseconds ?? 0 > 0)
        let drained = try await run(.drain)
        #expect(drained.jobs == 700 && drained.endToEndPerSecond ?? 0 > 0)
        #expect(drained.publishPerSecond == nil && drained.confirm == nil && drained.writeAmplification == nil)
        #expect(try await run(.drain).jobs == 0)
        let files = try FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(!files.contains { $0.hasPrefix("bench") })
    }

    @Test("bytes written are counted where there is a disk")
    func amplification() async throws {
        // Not the temporary folder, which may be memory: the one that the bench itself takes.
        let report = try await run {
            $0.store = .temporary
            $0.isRaw = true
            $0.size = 1_000
            $0.load = .round(jobs: 5_000)
        }
        #expect(report.jobs == 5_000)
        #if os(Linux)
        #expect(report.writeAmplification ?? 0 >= 1)
        #endif
    }

    @Test("at a rate, no more are published than are due")
    func rate() async throws {
        let report = try await run {
            $0.isRaw = true
            $0.rate = 1_000
            $0.load = .round(jobs: 200)
        }
        let rate = try #require(report.publishPerSecond)
        #expect(rate < 1_010 && rate > 10)
    }

    @Test("a typed job's JSON has the size that was asked for", arguments: [BenchJob.leastSize, 100, 1_024])
    func size(size: Int) async throws {
        let client = try await JobClient.open("memory:")
        var random = SystemRandomNumberGenerator()
        for time in [0, 9, 10, MonotonicTime.now, UInt64.max] {
            var noise = BenchTests.noise(&random)
            let job = try await client.enqueue(BenchJob(at: time, size: size, &noise))
            #expect(try await client.broker.payload(of: job.id).bytes.count == size)
        }
        await client.close()
    }
}
