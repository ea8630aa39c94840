import GodwitCore
import Testing

@testable import Godwit

@Suite("Completions on their way to the broker", .timeLimit(.minutes(1)))
struct SettlingTests {
    /// Runs the body with a client whose broker refuses what the fault says.
    private func withFaults(
        _ fault: @escaping FaultyBroker.Fault,
        body: (JobClient) async throws -> Void
    ) async throws {
        try await withMemory { real in
            try await body(JobClient(broker: FaultyBroker(base: real.broker, fault: fault), logger: quiet))
        }
    }

    private func worker(_ client: JobClient, concurrency: Int = 4, runs: Guarded<Int>) -> Worker {
        var worker = Worker(client, concurrency: concurrency)
        worker.handle(Greet.self) { job, _ in
            runs.withLock { $0 += 1 }
            return job.who
        }
        return worker
    }

    @Test("completions gather while a commit is in flight")
    func batches() async throws {
        let sizes = Guarded<[Int]>([])
        let record: FaultyBroker.Fault = { transactions throws(BrokerError) in
            let completions = transactions.filter(\.isCompletion).count
            if completions > 0 { sizes.withLock { $0.append(completions) } }
            return [:]
        }
        try await withFaults(record) { client in
            let jobs = try await client.enqueue(contentsOf: (0..<400).map { Greet(who: "\($0)") })
            try await running(worker(client, concurrency: 32, runs: Guarded(0))) {
                for job in jobs { _ = try await job.result() }
            }
        }
        let all = sizes.withLock { $0 }
        #expect(all.reduce(0, +) == 400)
        #expect(all.count < 400)
        #expect(all.allSatisfy { $0 <= 4 * 32 })
    }

    @Test("no job is leased while four times the concurrency are unconfirmed")
    func bounded() async throws {
        let isStuck = Guarded(true)
        let runs = Guarded(0), refusals = Guarded(0)
        let busy: FaultyBroker.Fault = { transactions throws(BrokerError) in
            guard isStuck.withLock({ $0 }) else { return [:] }
            var refused: [Int: BrokerError] = [:]
            for (index, transaction) in transactions.enumerated() where transaction.isCompletion {
                refused[index] = .busy(retryAfter: .milliseconds(5))
            }
            if !refused.isEmpty { refusals.withLock { $0 += 1 } }
            return refused
        }
        try await withFaults(busy) { client in
            let jobs = try await client.enqueue(contentsOf: (0..<100).map { Greet(who: "\($0)") })
            try await running(worker(client, concurrency: 2, runs: runs)) {
                // Slots are freed when completions are handed over, so more than two run; but no more than 4 x 2.
                await runs.wait { $0 >= 8 }
                let tries = refusals.withLock { $0 }
                await refusals.wait { $0 > tries + 3 }
                #expect(runs.withLock { $0 } == 8)
                isStuck.withLock { $0 = false }
                for job in jobs { _ = try await job.result() }
            }
            #expect(runs.withLock { $0 } == 100)
        }
    }

    @Test("a broker that cannot be reached for a while gets every completion once")
    func unavailable() async throws {
        let failures = Guarded(0)
        let runs = Guarded(0)
        let fault: FaultyBroker.Fault = { transactions throws(BrokerError) in
            guard transactions.contains(where: \.isCompletion) else { return [:] }
            let count = failures.withLock { count in
                count += 1
                return count
            }
            if count <= 3 { throw BrokerError(.unavailable, "not now") }
            return [:]
        }
        try await withFaults(fault) { client in
            let jobs = try await client.enqueue(contentsOf: (0..<20).map { Greet(who: "\($0)") })
            try await running(worker(client, runs: runs)) {
                for (index, job) in jobs.enumerated() {
                    let result = try await job.result()
                    #expect(result == "\(index)")
                }
            }
            #expect(runs.withLock { $0 } == 20)
        }
    }

    @Test("an answer that is lost after the commit repeats no run and no follow-up")
    func lostAnswers() async throws {
        let losses = Guarded(0), runs = Guarded(0)
        let lost: FaultyBroker.Fault = { transactions throws(BrokerError) in
            guard transactions.contains(where: \.isCompletion) else { return [:] }
            let count = losses.withLock { count in
                count += 1
                return count
            }
            // The whole call at first, then each transaction's own answer.
            if count == 1 { throw BrokerError(.outcomeUnknown, "the connection broke") }
            let error = BrokerError(count == 2 ? .outcomeUnknown : .unavailable, "one shard broke")
            return count <= 3 ? Dictionary(uniqueKeysWithValues: transactions.indices.map { ($0, error) }) : [:]
        }
        try await withMemory { real in
            let client = JobClient(broker: FaultyBroker(base: real.broker, afterCommit: lost), logger: quiet)
            var worker = Worker(client, concurrency: 4)
            worker.handle(Greet.self) { job, context in
                runs.withLock { $0 += 1 }
                context.enqueue(Note(text: job.who))
                return job.who
            }
            let jobs = try await client.enqueue(contentsOf: (0..<20).map { Greet(who: "\($0)") })
            try await running(worker) {
                for job in jobs { _ = try await job.result() }
                await losses.wait { $0 > 3 }
            }
            #expect(runs.withLock { $0 } == 20)
            #expect(try await client.queue("notes")?.counts.queued == 20)
            for job in jobs { #expect(try await job.status.state == .succeeded) }
        }
    }

    @Test("one transaction that cannot be committed for a while, or gets no answer, is tried again; its job does not fail")
    func transient() async throws {
        let tries = Guarded(0)
        let fault: FaultyBroker.Fault = { transactions throws(BrokerError) in
            guard let index = transactions.firstIndex(where: \.isCompletion) else { return [:] }
            let count = tries.withLock { count in
                count += 1
                return count
            }
            return count <= 3 ? [index: BrokerError([.unavailable, .outcomeUnknown, .diskFull][count - 1], "not now")] : [:]
        }
        try await withFaults(fault) { client in
            let job = try await client.enqueue(Greet(who: "you"))
            try await running(worker(client, runs: Guarded(0))) {
                let result = try await job.result()
                #expect(result == "you")
            }
            #expect(try await job.status.attempt == 1)
        }
        #expect(tries.withLock { $0 } >= 4)
    }

    @Test("a completion that is refused for what it holds fails its job; the others of its batch are confirmed")
    func refused() async throws {
        let fault: FaultyBroker.Fault = { transactions throws(BrokerError) in
            var refused: [Int: BrokerError] = [:]
            for (index, transaction) in transactions.enumerated() {
                if case .complete(_, let result)? = transaction.operations.first, result?.bytes.text == "\"bad\"" {
                    refused[index] = BrokerError(.tooLarge, "too large")
                }
            }
            return refused
        }
        try await withFaults(fault) { client in
            let names = ["a", "bad", "b"]
            let jobs = try await client.enqueue(contentsOf: names.map { Greet(who: $0) })
            try await running(worker(client, runs: Guarded(0))) {
                let others = (try await jobs[0].result(), try await jobs[2].result())
                #expect(others == ("a", "b"))
                let error = await #expect(throws: JobError.self) { try await jobs[1].result() }
                #expect(error?.status.error?.code == "too_large")
                #expect(error?.status.attempt == 1)
            }
        }
    }

    @Test("a store that fails ends the worker with its error")
    func storeFailed() async throws {
        let fault: FaultyBroker.Fault = { transactions throws(BrokerError) in
            if transactions.contains(where: \.isCompletion) { throw BrokerError(.storeFailed, "the disk is gone") }
            return [:]
        }
        try await withFaults(fault) { client in
            try await client.enqueue(contentsOf: (0..<10).map { Greet(who: "\($0)") })
            let worker = worker(client, concurrency: 1, runs: Guarded(0))
            #expect(await #expect(throws: BrokerError.self) { try await worker.run() }?.code == .storeFailed)
        }
    }

    @Test("a worker that waits for jobs hears at once that its store has failed")
    func storeFailedWhileWaiting() async throws {
        let fault: FaultyBroker.Fault = { transactions throws(BrokerError) in
            if transactions.contains(where: \.isCompletion) { throw BrokerError(.storeFailed, "the disk is gone") }
            return [:]
        }
        try await withFaults(fault) { client in
            try await client.enqueue(Greet(who: "you"))
            let worker = worker(client, concurrency: 2, runs: Guarded(0))
            let start = ContinuousClock.now
            #expect(await #expect(throws: BrokerError.self) { try await worker.run() }?.code == .storeFailed)
            // A call for jobs waits for 20 s.
            #expect(ContinuousClock.now - start < .seconds(15))
        }
    }

    @Test("a worker ends although its broker is away, and tells it nothing afterwards")
    func endsWithoutBroker() async throws {
        let commits = Guarded(0)
        let fault: FaultyBroker.Fault = { transactions throws(BrokerError) in
            guard transactions.contains(where: \.isCompletion) else { return [:] }
            commits.withLock { $0 += 1 }
            throw BrokerError(.unavailable, "away")
        }
        try await withFaults(fault) { client in
            try await client.enqueue(Greet(who: "you"))
            try await running(worker(client, runs: Guarded(0))) { await commits.wait { $0 >= 2 } }
            let count = commits.withLock { $0 }
            #expect(await !commits.wait(until: { $0 > count }, atMost: .seconds(6), clock: SystemJobClock()))
        }
    }

    @Test("a worker waits while jobs cannot be leased: the disk is full, the broker away, or its answer lost")
    func leaseFails() async throws {
        let failures = Guarded<[BrokerError.Code]>([.diskFull, .unavailable, .outcomeUnknown, .busy])
        try await withMemory { real in
            let broker = FaultyBroker(
                base: real.broker,
                onLease: { () throws(BrokerError) in
                    let code: BrokerError.Code? = failures.withLock { $0.popLast() }
                    if let code { throw BrokerError(code, "not now") }
                }
            )
            let client = JobClient(broker: broker, logger: quiet)
            try await running(worker(client, runs: Guarded(0))) {
                let result = try await client.enqueue(Greet(who: "you")).result()
                #expect(result == "you")
            }
        }
        #expect(failures.withLock { $0.isEmpty })
    }
}
