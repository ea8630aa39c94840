import Godwit

/// A job of about 100 bytes whose work is nothing: what is measured is the queue.
struct Note: Job {
    static let name = "note"
    var text = "a godwit flies from Alaska to New Zealand without landing once, some thirteen thousand kilometres"
    var number: Int
}

/// A cheap piece of work that is also done without a queue.
struct Checksum: Job {
    typealias Output = Int
    static let name = "checksum"
    static let queue = "cheap"
    var bytes: [Int] = Array(0..<100)

    func run() -> Int { bytes.reduce(0) { ($0 &* 31) &+ $1 } }
}

/// What one round measures, on a store of its own.
struct Rounds {
    let client: JobClient
    let count: Int

    /// One enqueue at a time: each waits for its own sync.
    func lone() async throws -> [Measurement] {
        var times: [Duration] = []
        let clock = ContinuousClock()
        for number in 0..<2_000 {
            times.append(try await clock.measure { try await client.enqueue(Note(number: number)) })
        }
        return [
            Measurement(name: "lone enqueue p50", value: times.quantile(0.5).microseconds, unit: "us"),
            Measurement(name: "lone enqueue p99", value: times.quantile(0.99).microseconds, unit: "us"),
        ]
    }

    /// Batches of 1,000.
    func batches() async throws -> Measurement {
        let clock = ContinuousClock()
        let time = try await clock.measure {
            for start in stride(from: 0, to: count, by: 1_000) {
                try await client.enqueue(contentsOf: (start..<start + 1_000).map { Note(number: $0) })
            }
        }
        return Measurement(name: "batch enqueue", value: Double(count) / time.seconds, unit: "jobs/s")
    }

    /// A worker on what waits in the queue, until the queue is empty.
    func work(concurrency: Int) async throws -> Measurement {
        let waiting = try await client.queue(Note.queue)?.counts.queued ?? 0
        var worker = Worker(client, concurrency: concurrency)
        worker.handle(Note.self) { _, _ in }
        let clock = ContinuousClock()
        let start = clock.now
        let running = Task { [worker] in try await worker.run() }
        while let counts = try await client.queue(Note.queue)?.counts, counts.queued + counts.running > 0 {
            try await Task.sleep(for: .milliseconds(2))
        }
        let time = clock.now - start
        running.cancel()
        try await running.value
        return Measurement(name: "worker, concurrency \(concurrency)", value: Double(waiting) / time.seconds, unit: "jobs/s")
    }

    /// A cheap computation through the queue, from enqueue to result, and done at once.
    func cheap() async throws -> [Measurement] {
        var worker = Worker(client, concurrency: 1)
        worker.handle(Checksum.self) { job, _ in job.run() }
        let running = Task { [worker] in try await worker.run() }
        let clock = ContinuousClock()
        var queued: [Duration] = [], inline: [Duration] = []
        for _ in 0..<1_000 {
            let job = Checksum()
            var results: [Int] = []
            queued.append(try await clock.measure { results.append(try await client.enqueue(job).result()) })
            inline.append(clock.measure { results.append(job.run()) })
            guard results[0] == results[1] else { fatalError("the queue's result is another one: \(results)") }
        }
        running.cancel()
        try await running.value
        return [
            Measurement(name: "enqueue to result p50", value: queued.quantile(0.5).microseconds, unit: "us"),
            Measurement(name: "the same work inline p50", value: inline.quantile(0.5).microseconds, unit: "us"),
        ]
    }
}
