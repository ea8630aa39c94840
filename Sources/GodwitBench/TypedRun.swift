import Godwit
import GodwitCore
import GodwitJournal
import Logging

/// Typed jobs through a client and a worker whose handler does nothing.
struct TypedRun: Sendable {
    let plan: BenchPlan
    let client: JobClient
    let meters: Meters

    /// Publishes one job at a time from each of the producers.
    func publish(from start: UInt64) async throws {
        let pace = Pace(jobs: meters.confirmed.expected, rate: plan.rate, start: start)
        try await producing(pace) { [client] job in try await client.enqueue(job) }
    }

    private func producing(_ pace: Pace, _ enqueue: @escaping @Sendable (BenchJob) async throws -> Void) async throws {
        let size = plan.size, meter = meters.confirmed
        try await withThrowingTaskGroup(of: Void.self) { group in
            for producer in 0..<plan.producers {
                group.addTask {
                    var random = SplitMix64(seed: MonotonicTime.now &+ UInt64(producer))
                    while let range = try await pace.take(1) {
                        let job = BenchJob(at: pace.time(of: range.lowerBound, now: MonotonicTime.now), size: size, &random)
                        try await enqueue(job)
                        meter.add(1, since: job.at)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Runs the jobs until as many as are expected have ended and their completions are durable.
    func work() async throws {
        var worker = Worker(client, concurrency: plan.workers)
        let meter = meters.delivered
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        worker.handle(BenchJob.self) { job, _ in
            if meter.add(1, since: job.at) { end.finish() }
        }
        try await withThrowingTaskGroup(of: Void.self) { [worker] group in
            group.addTask { try await worker.run() }
            group.addTask {
                for await _ in ended {}
                try Task.checkCancellation()
                while let counts = try await client.queue(BenchJob.queue)?.counts, counts.unfinished > 0 {
                    // The last completions are on their way: a queue's counts cannot be watched.
                    try await Task.sleep(for: .milliseconds(1))
                }
                meters.completed.add(meter.count, since: MonotonicTime.now)
            }
            // Whichever ends first ends the other: the worker only when it failed.
            try await group.next()
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// The same jobs made, counted and timed by as many tasks, without any queue.
    func generate() async throws {
        let delivered = meters.delivered
        let pace = Pace(jobs: meters.confirmed.expected, rate: nil, start: 0)
        try await producing(pace) { job in delivered.add(1, since: job.at) }
    }
}
