import GodwitCore
import GodwitEngine
import GodwitJournal
import Logging
import Synchronization

/// One opening of the store, with callers of every kind, until it is closed or fails.
final class Round: Sendable {
    struct Known {
        var confirmed: Set<String> = []
        var done: Set<String> = []
        var isOver = false
        var surprise: (any Error)?
    }

    private let storage: MemoryStorage
    private let number: Int
    private let seed: UInt64
    private let state = Mutex(Known())

    init(_ storage: MemoryStorage, number: Int, seed: UInt64) {
        self.storage = storage
        self.number = number
        self.seed = seed
    }

    var known: Known { state.withLock { $0 } }

    static func options() -> EngineOptions {
        var options = EngineOptions()
        options.segmentBytes = 1 << 20
        options.logger = Logger(label: "stress") { _ in SwiftLogNoOpLogHandler() }
        return options
    }

    func run() async throws {
        let engine = try await Engine.open(storage: storage, options: Self.options())
        await withTaskGroup(of: Void.self) { group in
            for caller in 0..<4 { group.addTask { await self.publish(engine, caller) } }
            for caller in 0..<3 { group.addTask { await self.work(engine, caller) } }
            for caller in 0..<2 { group.addTask { await self.look(engine, caller) } }
            group.addTask { await self.end(engine) }
        }
        await engine.close()
        if let surprise = known.surprise { throw surprise }
    }

    private var isOver: Bool { state.withLock(\.isOver) }

    /// Does something again and again until the store is closed or has failed.
    private func untilOver(_ body: (Int) async throws(BrokerError) -> Void) async {
        var turn = 0
        while true {
            do throws(BrokerError) {
                try await body(turn)
                turn += 1
            } catch {
                if error.code == .closed || error.code == .storeFailed { return }
                if error.code != .staleLease, error.code != .jobForgotten { return state.withLock { $0.surprise = error } }
            }
        }
    }

    private func publish(_ engine: Engine, _ caller: Int) async {
        guard let queue = try? QueueName("queue-\(caller % 2)") else { return }
        await untilOver { (turn) throws(BrokerError) in
            let names = (0...turn % 3).map { "\(self.number)-\(caller)-\(turn)-\($0)" }
            let transactions = names.map { name in
                Transaction(.enqueue(NewMessage(queue: queue, payload: Content(Bytes(name)), name: name)))
            }
            let outcomes = try await engine.commit(transactions)
            for (name, outcome) in zip(names, outcomes) {
                _ = try outcome.get()
                self.state.withLock { _ = $0.confirmed.insert(name) }
            }
        }
    }

    private func work(_ engine: Engine, _ caller: Int) async {
        guard let one = try? QueueName("queue-0"), let other = try? QueueName("queue-1") else { return }
        await untilOver { (turn) throws(BrokerError) in
            let options = HolderOptions(id: HolderID("holder-\(caller)"), queues: [one, other], capacity: 4, isEmbedded: true)
            let holder = try await engine.open(options)
            let deliveries = try await holder.lease(max: 4, term: .queue, wait: .milliseconds(5))
            _ = try await holder.renew(deliveries.map { Renewal($0.token) })
            for (index, delivery) in deliveries.enumerated() {
                guard (turn + index) % 5 != 0 else {
                    _ = try await engine.commit([Transaction(.release(delivery.token, delay: nil, counted: false))])[0].get()
                    continue
                }
                _ = try await engine.commit([Transaction(.complete(delivery.token, result: delivery.payload))])[0].get()
                guard let name = delivery.job.name else { continue }
                self.state.withLock { _ = $0.done.insert(name) }
            }
            if turn % 10 == 9 { try await holder.close() }
        }
    }

    private func look(_ engine: Engine, _ caller: Int) async {
        await untilOver { (turn) throws(BrokerError) in
            let page = try await engine.list(JobQuery(limit: 20))
            guard let first = page.jobs.first else { return }
            _ = try await engine.read(page.jobs.map(\.id))
            _ = try await engine.watch([.job(first.id, known: first.version)], wait: .milliseconds(2))
            _ = try await engine.queues()
        }
    }

    /// Ends it in one of several ways, at some moment.
    private func end(_ engine: Engine) async {
        var random = SplitMix64(seed: seed)
        try? await Task.sleep(for: .milliseconds(Int64(random.next() % 120)))
        switch random.next() % 3 {
        case 0: storage.fail(.sync)
        case 1: storage.stop(at: 1 + Int(random.next() % 30))
        default: break
        }
        if random.next() % 2 == 0 { try? await Task.sleep(for: .milliseconds(Int64(random.next() % 30))) }
        await engine.close()
        storage.heal()
        state.withLock { $0.isOver = true }
    }
}
