import GodwitCore
import GodwitTesting
import Synchronization
import Testing

@testable import Godwit

@Suite("Jobs that are held ahead", .timeLimit(.minutes(1)))
struct LeaseAheadTests {
    /// A worker of two slots that comes to hold jobs ahead behind two that do not end: of its first two, which are quick, one ends while the
    /// second request for jobs is under way.
    private final class Scene: Sendable {
        /// The slow jobs that began here.
        let begun = Guarded<Set<JobID>>([])
        let mayEnd = Guarded(false)
        let renewals = Guarded(0)
        /// How many jobs were asked for, and how long that could wait.
        let asked = Mutex<[(count: Int, wait: Duration)]>([])
        private let client: JobClient
        private let quick = Guarded(0), completed = Guarded(0), second = Guarded(false)

        init(_ client: JobClient) { self.client = client }

        func publish(slow count: Int) async throws -> [JobHandle<Note>] {
            try await client.enqueue(contentsOf: [Note(text: "quick"), Note(text: "quick")])
            return try await client.enqueue(contentsOf: (0..<count).map { _ in Note(text: "slow") })
        }

        /// Returns when more was asked for than there are free slots. How long it is held nobody can rely on.
        func asksAhead() async throws { try await eventually { asked.withLock { $0.contains { $0.wait == .zero } } } }

        /// - Parameter patience: How long a job waits here before it goes back; nil for as long as always.
        func worker(patience: Duration? = nil) -> Worker {
            let broker = FaultyBroker(
                base: client.broker,
                beforeCommit: { [self] transactions in
                    let count = transactions.count { $0.isCompletion }
                    completed.withLock { $0 += count }
                },
                onLease: { [self] () throws(BrokerError) in
                    guard asked.withLock({ $0.count }) == 2 else { return }
                    second.withLock { $0 = true }
                    // Completions are handed over when an attempt is counted as ended.
                    while completed.withLock({ $0 }) < 2 { SystemThread.sleep(nanoseconds: 100_000) }
                },
                onAsked: { [self] count, wait in asked.withLock { $0.append((count, wait)) } },
                onRenew: { [self] () throws(BrokerError) in renewals.withLock { $0 += 1 } }
            )
            var worker = Worker(JobClient(broker: broker, logger: quiet), concurrency: 2, lease: .milliseconds(250))
            if let patience { worker.patience = patience }
            // However long the second one takes here.
            worker.shortRequest = .seconds(3_600)
            worker.handle(Note.self) { [self] note, context in
                #expect(context.attempt == 1)
                guard note.text == "slow" else {
                    let number = quick.withLock { quick in
                        quick += 1
                        return quick
                    }
                    if number == 2 { await second.wait { $0 } }
                    return
                }
                begun.withLock { _ = $0.insert(context.id) }
                await mayEnd.wait { $0 }
            }
            return worker
        }
    }

    /// Another worker, which has room for all.
    private func other(_ client: JobClient, _ done: Guarded<Int>) -> Worker {
        var worker = Worker(client, concurrency: 6)
        worker.handle(Note.self) { _, context in
            #expect(context.attempt == 1)
            done.withLock { $0 += 1 }
        }
        return worker
    }

    @Test("what waits behind jobs that turn out to take long goes back once, to whoever has a free slot, and does not count as an attempt")
    func givesBack() async throws {
        try await withMemory { client in
            let scene = Scene(client), done = Guarded(0)
            let jobs = try await scene.publish(slow: 8)
            try await running(scene.worker()) {
                await scene.begun.wait { $0.count == 2 }
                // Slots are taken, and more are asked for: nothing of them can run here.
                try await scene.asksAhead()
                try await eventually { try await client.queue("notes")?.counts.running == 2 }
                try await running(other(client, done)) {
                    await done.wait { $0 == 6 }
                    scene.mayEnd.withLock { $0 = true }
                    try await eventually { try await client.queue("notes")?.counts.succeeded == 10 }
                }
            }
            #expect(scene.begun.withLock { $0.count } == 2)
            for case .found(let job) in try await client.broker.read(jobs.map(\.id)) { #expect(job.deliveries <= 2) }
            // Whoever asks for more than free slots does not wait for it.
            #expect(scene.asked.withLock { $0.allSatisfy { $0.wait == .zero || $0.count <= 2 } })
        }
    }

    @Test("what is cancelled while it is held is not begun")
    func cancelled() async throws {
        try await withMemory { client in
            let scene = Scene(client)
            let jobs = try await scene.publish(slow: 8)
            try await running(scene.worker(patience: .seconds(3_600))) {
                await scene.begun.wait { $0.count == 2 }
                try await scene.asksAhead()
                let begun = scene.begun.withLock { $0 }
                for job in jobs where !begun.contains(job.id) { _ = try await job.cancel() }
                // Heartbeats know of it, when the second one comes.
                let renewals = scene.renewals.withLock { $0 }
                await scene.renewals.wait { $0 >= renewals + 2 }
                scene.mayEnd.withLock { $0 = true }
                try await eventually { try await client.queue("notes")?.counts.succeeded == 4 }
                try await eventually { scene.asked.withLock { $0.last?.wait ?? .zero > .zero } }
            }
            #expect(scene.begun.withLock { $0.count } == 2)
            #expect(try await client.queue("notes")?.counts.cancelled == 6)
        }
    }

    @Test("what would lose its last attempt with the process is not held")
    func lastAttempts() async throws {
        try await withMemory { client in
            let scene = Scene(client)
            try await client.configure(queue: "notes") { $0.maxAttempts = 1 }
            _ = try await scene.publish(slow: 8)
            try await running(scene.worker()) {
                await scene.begun.wait { $0.count == 2 }
                try await eventually { try await client.queue("notes")?.counts.running == 2 }
                let renewals = scene.renewals.withLock { $0 }
                await scene.renewals.wait { $0 >= renewals + 2 }
                #expect(try await client.queue("notes")?.counts.running == 2)
                scene.mayEnd.withLock { $0 = true }
                try await eventually { try await client.queue("notes")?.counts.succeeded == 10 }
            }
            // The first that came to be held, and none after them.
            #expect(scene.asked.withLock { $0.filter { $0.wait == .zero }.count } == 1)
        }
    }

    @Test("what nobody began with does not count as delivered: a quiet worker's last request for jobs costs none its only delivery")
    func quietBeforeJobs() async throws {
        try await withMemory { client in
            try await client.configure(queue: "notes") { $0.maxDeliveries = 1 }
            let scene = Scene(client), done = Guarded(0)
            let worker = scene.worker()
            try await running(worker) {
                try await eventually { scene.asked.withLock { !$0.isEmpty } }
                worker.quiet()
                let job = try await client.enqueue(Note(text: "late"))
                try await running(other(client, done)) { await done.wait { $0 == 1 } }
                try await eventually { try await client.queue("notes")?.counts.succeeded == 1 }
                let found = try #require(try await client.broker.read([job.id]).first?.snapshot)
                #expect(found.deliveries == 1 && found.attempt == 1)
            }
        }
    }

    @Test("what is held goes back at once when the worker becomes quiet")
    func quietly() async throws {
        try await withMemory { client in
            let scene = Scene(client), done = Guarded(0)
            _ = try await scene.publish(slow: 8)
            let worker = scene.worker(patience: .seconds(3_600))
            try await running(worker) {
                await scene.begun.wait { $0.count == 2 }
                try await scene.asksAhead()
                worker.quiet()
                try await running(other(client, done)) { await done.wait { $0 == 6 } }
                scene.mayEnd.withLock { $0 = true }
                try await eventually { try await client.queue("notes")?.counts.succeeded == 10 }
            }
            #expect(scene.begun.withLock { $0.count } == 2)
        }
    }
}
