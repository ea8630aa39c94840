import Godwit

/// A cheap piece of work that is also done without a queue.
struct Checksum: Job {
    typealias Output = Int
    static let name = "checksum"
    static let queue = "cheap"
    var bytes: [Int] = Array(0..<100)

    func run() -> Int { bytes.reduce(0) { ($0 &* 31) &+ $1 } }
}

/// A cheap computation through the queue, from enqueue to result, and done at once.
struct CheapWork {
    private static let rounds = 1_000

    let client: JobClient

    func measure() async throws -> [Measurement] {
        var worker = Worker(client, concurrency: 1)
        worker.handle(Checksum.self) { job, _ in job.run() }
        let running = Task { [worker] in try await worker.run() }
        let clock = ContinuousClock()
        var queued: [Duration] = [], inline: [Duration] = []
        for _ in 0..<Self.rounds {
            let job = Checksum()
            var results: [Int] = []
            queued.append(try await clock.measure { results.append(try await client.enqueue(job).result()) })
            inline.append(clock.measure { results.append(job.run()) })
            guard results[0] == results[1] else { fatalError("the queue's result is another one: \(results)") }
        }
        running.cancel()
        try await running.value
        return [
            Measurement(name: "enqueue_to_result_us_p50", value: queued.quantile(0.5).microseconds, unit: "us"),
            Measurement(name: "same_work_inline_us_p50", value: inline.quantile(0.5).microseconds, unit: "us"),
        ]
    }
}
