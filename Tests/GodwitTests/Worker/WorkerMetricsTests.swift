import GodwitTesting
import Metrics
import MetricsTestKit
import Testing

@testable import Godwit

@Suite("A worker's metrics", .timeLimit(.minutes(1)))
struct WorkerMetricsTests {
    struct Counted: Job {
        static let name = "counted"
        static let queue = "counting"
        var fails: Bool
    }

    /// Once per process, as a program would.
    private static let metrics: TestMetrics = {
        let metrics = TestMetrics()
        MetricsSystem.bootstrap(metrics)
        return metrics
    }()

    @Test("attempts are counted by outcome and timed, by job and queue")
    func counts() async throws {
        let metrics = Self.metrics
        let jobs = try await TestJobs()
        var worker = Worker(jobs.client, concurrency: 1)
        worker.handle(Counted.self, retry: .never) { job, _ in if job.fails { throw Boom() } }
        try await jobs.client.enqueue(contentsOf: [true, false, false].map(Counted.init))
        try await jobs.runDue(worker)
        let dimensions = [("job", "counted"), ("queue", "counting")]
        func total(_ outcome: String) -> Int64 {
            metrics.counterTotal(label: "godwit_worker_attempts_total", dimensions: dimensions + [("outcome", outcome)])
        }
        #expect(total("succeeded") == 2)
        #expect(total("failed") == 1)
        #expect(total("released") == 0)
        let timer = try metrics.expectTimer("godwit_worker_attempt_duration_seconds", dimensions)
        #expect(timer.values.count == 3)
        let wait = try metrics.expectTimer("godwit_worker_wait_duration_seconds", dimensions)
        #expect(wait.values.count == 3)
        let confirm = try metrics.expectTimer("godwit_client_enqueue_duration_seconds", dimensions)
        #expect(confirm.values.count == 1 && confirm.values[0] > 0)
        await jobs.close()
    }
}
