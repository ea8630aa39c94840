import GodwitCore
import GodwitJournal
import Synchronization
import Testing

@testable import GodwitEngine

/// An engine on memory and a clock that is moved by hand.
final class Fixture: Sendable {
    let storage: MemoryStorage
    let clock: ManualClock
    let engine: Engine
    let options: EngineOptions

    static let start = Timestamp(milliseconds: 1_800_000_000_000)

    init(
        storage: MemoryStorage = MemoryStorage(),
        clock: ManualClock = ManualClock(start: Fixture.start),
        _ change: (inout EngineOptions) -> Void = { _ in }
    ) async throws {
        self.storage = storage
        self.clock = clock
        var options = EngineOptions()
        options.clock = clock
        options.segmentBytes = 1 << 20
        let random = Mutex(SplitMix64(seed: 7))
        options.random = { random.withLock { $0.next() } }
        change(&options)
        self.options = options
        engine = try await Engine.open(storage: storage, options: options)
    }

    /// What SIGKILL leaves, opened again.
    func killed(clock: ManualClock? = nil, _ change: (inout EngineOptions) -> Void = { _ in }) async throws -> Fixture {
        try await Fixture(storage: storage.kill(), clock: clock ?? self.clock, change)
    }

    /// What a power failure leaves, opened again.
    func crashed(seed: UInt64 = 1) async throws -> Fixture {
        try await Fixture(storage: storage.crash(seed: seed), clock: clock)
    }

    @discardableResult
    func publish(_ queue: QueueName = .work, _ payload: String = "{}", _ change: (inout NewMessage) -> Void = { _ in }) async throws
        -> JobID
    {
        try #require(try await enqueue(queue, payload, change).jobID)
    }

    func enqueue(
        _ queue: QueueName = .work,
        _ payload: String = "{}",
        _ change: (inout NewMessage) -> Void = { _ in }
    ) async throws(BrokerError) -> OperationResult {
        var message = NewMessage(queue: queue, payload: Content(Bytes(payload)))
        change(&message)
        return try await run(.enqueue(message))[0]
    }

    @discardableResult
    func run(_ operations: GodwitCore.Operation...) async throws(BrokerError) -> [OperationResult] {
        let outcomes = try await engine.commit([Transaction(operations)])
        return try outcomes[0].get()
    }

    func holder(
        _ id: String = "worker",
        _ queues: [QueueName] = [.work],
        order: HolderOptions.Order = .strict,
        embedded: Bool = false
    ) async throws -> any Holder {
        try await engine.open(HolderOptions(id: HolderID(id), queues: queues, order: order, capacity: 1, isEmbedded: embedded))
    }

    func lease(
        _ max: Int = 1,
        _ queue: QueueName = .work,
        term: LeaseTerm = .queue,
        holder: String = "worker",
        embedded: Bool = false
    ) async throws -> [Delivery] {
        try await self.holder(holder, [queue], embedded: embedded).lease(max: max, term: term, wait: .zero)
    }

    func leaseOne(_ queue: QueueName = .work, term: LeaseTerm = .queue, embedded: Bool = false) async throws -> Delivery {
        try #require(try await lease(1, queue, term: term, embedded: embedded).first)
    }

    func job(_ id: JobID) async throws -> JobSnapshot {
        try #require(try await engine.read([id])[0].snapshot)
    }

    func status(_ queue: QueueName = .work) async throws -> QueueStatus { try #require(try await engine.queue(queue)) }

    /// Publishes while a call of the storage fails: the first may be one of the segment's that is made ahead of need, which harms nothing.
    func publishUntilFailing(_ call: StorageCall) async throws {
        for _ in 0..<100 {
            storage.fail(call)
            try await publish()
        }
    }

    /// Waits until segments are made ahead of need.
    func untilPrepared() async throws {
        try await eventually("segments are prepared") {
            // A turn takes up what was prepared, and has the next made.
            try await engine.check()
            return storage.files.count { $0.hasPrefix("spare-") || $0.hasPrefix("segment-") } >= 4
        }
    }

    @discardableResult
    func configure(_ queue: QueueName = .work, _ change: (inout QueueSettings) -> Void) async throws -> QueueStatus {
        var settings = QueueSettings()
        change(&settings)
        return try await engine.configure(queue, settings, expecting: .anything)
    }
}

extension QueueName {
    // Names of tests' own, which are good.
    static let work = name("work")
    static let other = name("other")

    static func name(_ text: String) -> QueueName {
        guard let name = try? QueueName(text) else { fatalError("a test's queue name is not one: \(text)") }
        return name
    }
}

extension Delivery {
    var text: String { payload.bytes.text ?? "" }
}

/// Waits until a condition holds, for at most 20 s.
func eventually(_ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(20)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record(what, sourceLocation: sourceLocation)
            throw CancellationError()
        }
        try await Task.sleep(for: .milliseconds(2))
    }
}

func expectError(
    _ code: BrokerError.Code,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async -> BrokerError? {
    do {
        try await body()
        Issue.record("expected \(code)", sourceLocation: sourceLocation)
        return nil
    } catch let error as BrokerError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        return error
    } catch {
        Issue.record("expected \(code), got \(error)", sourceLocation: sourceLocation)
        return nil
    }
}

/// Notes that a test has failed, where nothing is to be returned.
func fail(_ what: Comment, sourceLocation: SourceLocation = #_sourceLocation) { Issue.record(what, sourceLocation: sourceLocation) }
