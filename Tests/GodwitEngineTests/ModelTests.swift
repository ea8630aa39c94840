import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

/// A queue as one would write it without any care for speed, to compare the engine with.
private struct Model {
    struct Job {
        var id: JobID
        var queue: QueueName
        var text: String
        var state: JobState = .queued
        var priority = 0
        var position: Int
        var attempt = 0
        var maxAttempts: Int
        var token: LeaseToken?
        var deadline: Int64 = 0
        var due: Int64?
        var errors: [String] = []
        var result: String?
    }

    var jobs: [Job] = []
    var position = 0

    mutating func next() -> Int {
        position += 1
        return position
    }

    func ready(_ queue: QueueName) -> [Int] {
        jobs.indices.filter { jobs[$0].queue == queue && jobs[$0].state == .queued }
            .sorted { (-jobs[$0].priority, jobs[$0].position) < (-jobs[$1].priority, jobs[$1].position) }
    }

    mutating func pass(to now: Int64) {
        // In the order in which the engine looks: leases, then times.
        for index in jobs.indices where jobs[index].state == .running && jobs[index].deadline <= now {
            jobs[index].errors.append("lease_expired")
            jobs[index].token = nil
            jobs[index].state = jobs[index].attempt < jobs[index].maxAttempts ? .queued : .failed
        }
        let due = jobs.indices.filter { (jobs[$0].due ?? .max) <= now }.sorted { (jobs[$0].due ?? 0, $0) < (jobs[$1].due ?? 0, $1) }
        for index in due {
            if jobs[index].state == .retrying { jobs[index].position = next() }
            jobs[index].due = nil
            jobs[index].state = .queued
        }
    }
}

@Suite("Random histories, compared with a plain model", .timeLimit(.minutes(3)))
struct ModelTests {
    @Test("the engine does what the model does, over restarts and power failures", arguments: UInt64(1)...12)
    func history(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        var store = try await Fixture()
        var model = Model()
        var now: Int64 = 0
        let queues: [QueueName] = [.work, .other]
        func roll(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }

        for step in 0..<220 {
            let queue = queues[roll(2)]
            let running = model.jobs.indices.filter { model.jobs[$0].state == .running }
            switch roll(12) {
            case 0, 1, 2:
                let priority = roll(3), attempts = 1 + roll(3), delay = roll(4) == 0 ? 1 + roll(9) : 0
                let id = try await store.publish(queue, "\(step)") {
                    $0.priority = priority
                    $0.maxAttempts = attempts
                    if delay > 0 { $0.start = .after(.seconds(delay)) }
                }
                var job = Model.Job(
                    id: id,
                    queue: queue,
                    text: "\(step)",
                    priority: priority,
                    position: model.next(),
                    maxAttempts: attempts
                )
                if delay > 0 { (job.state, job.due) = (.scheduled, now + Int64(delay)) }
                model.jobs.append(job)
            case 3, 4, 5:
                let count = 1 + roll(4), term = 2 + roll(8)
                let leases = try await store.lease(count, queue, term: .fixed(.seconds(term)))
                let expected = model.ready(queue).prefix(count)
                #expect(leases.map(\.text) == expected.map { model.jobs[$0].text }, "seed \(seed), step \(step)")
                for (lease, index) in zip(leases, expected) {
                    model.jobs[index].state = .running
                    model.jobs[index].attempt += 1
                    model.jobs[index].token = lease.token
                    model.jobs[index].deadline = now + Int64(term)
                    #expect(lease.job.attempt == model.jobs[index].attempt)
                }
            case 6, 7:
                guard let index = running.randomElement(using: &random), let token = model.jobs[index].token else { continue }
                model.jobs[index].token = nil
                switch roll(5) {
                case 0, 1:
                    try await store.run(.complete(token, result: Content(Bytes("r\(step)"))))
                    model.jobs[index].state = .succeeded
                    model.jobs[index].result = "r\(step)"
                case 2:
                    let delay = roll(5)
                    try await store.run(.fail(token, Failure(message: "m", code: "e\(step)"), retry: .after(.seconds(delay))))
                    model.jobs[index].errors.append("e\(step)")
                    if model.jobs[index].attempt >= model.jobs[index].maxAttempts {
                        model.jobs[index].state = .failed
                    } else if delay == 0 {
                        model.jobs[index].state = .queued
                        model.jobs[index].position = model.next()
                    } else {
                        model.jobs[index].state = .retrying
                        model.jobs[index].due = now + Int64(delay)
                    }
                case 3:
                    try await store.run(.release(token, delay: nil, counted: false))
                    model.jobs[index].state = .queued
                    model.jobs[index].attempt -= 1
                default:
                    try await store.run(.release(token, delay: .seconds(3), counted: false))
                    model.jobs[index].state = .scheduled
                    model.jobs[index].due = now + 3
                    model.jobs[index].attempt -= 1
                }
            case 8:
                guard let index = model.jobs.indices.randomElement(using: &random) else { continue }
                try await store.run(.cancel(model.jobs[index].id))
                guard !model.jobs[index].state.isFinal else { continue }
                model.jobs[index].state = .cancelled
                model.jobs[index].token = nil
                model.jobs[index].due = nil
            case 9:
                guard let index = model.jobs.indices.randomElement(using: &random) else { continue }
                switch model.jobs[index].state {
                case .failed, .cancelled, .retrying, .scheduled:
                    try await store.run(.retry(model.jobs[index].id))
                    if model.jobs[index].state.isFinal { model.jobs[index].maxAttempts += 1 }
                    model.jobs[index].state = .queued
                    model.jobs[index].due = nil
                    model.jobs[index].position = model.next()
                default:
                    let id = model.jobs[index].id
                    _ = await expectError(.wrongState) { try await store.run(.retry(id)) }
                }
            case 10:
                let seconds = 1 + roll(3)
                for _ in 0..<seconds {
                    now += 1
                    await store.clock.advance(by: .seconds(1))
                    model.pass(to: now)
                }
            default:
                guard step % 3 == 0 else { continue }
                let terms = Dictionary(uniqueKeysWithValues: running.map { ($0, model.jobs[$0].deadline) })
                let again = roll(2) == 0 ? try await store.killed() : try await store.crashed(seed: random.next())
                await store.engine.close()
                store = again
                // Leases have their full time again: renewed to a length that the model knows.
                let holder = try await store.holder()
                for index in terms.keys.sorted() {
                    guard let token = model.jobs[index].token else { continue }
                    #expect(try await holder.renew([Renewal(token, term: .seconds(5))]) == [.good(remaining: .seconds(5))])
                    model.jobs[index].deadline = now + 5
                }
            }
            if step % 20 == 19 { try await compare(store, model, "seed \(seed), step \(step)") }
        }
        try await compare(store, model, "seed \(seed), end")
        await store.engine.close()
    }

    private func compare(_ store: Fixture, _ model: Model, _ place: Comment) async throws {
        let found = try await store.engine.read(model.jobs.map(\.id))
        for (lookup, job) in zip(found, model.jobs) {
            let snapshot = try #require(lookup.snapshot, place)
            #expect(snapshot.state == job.state, place)
            #expect(snapshot.attempt == job.attempt, place)
            #expect(snapshot.maxAttempts == job.maxAttempts, place)
            let own = [FailureCode.cancelled]
            #expect(snapshot.errors.compactMap(\.code).filter { !own.contains($0) } == job.errors.suffix(10), place)
            if let result = job.result { #expect(try await store.engine.result(of: job.id)?.bytes.text == result, place) }
        }
        for queue in [QueueName.work, .other] {
            let counts = try await store.engine.queue(queue)?.counts ?? QueueStatus.Counts()
            for state in JobState.allCases {
                #expect(counts[state] == model.jobs.count { $0.queue == queue && $0.state == state }, place)
            }
            let bytes = model.jobs.filter { $0.queue == queue && !$0.state.isFinal }.reduce(0) {
                $0 + $1.text.utf8.count + Content.json.utf8.count
            }
            #expect(try await store.engine.queue(queue)?.bytes ?? 0 == bytes, place)
        }
    }
}
