import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Lines", .timeLimit(.minutes(2)))
struct LineTests {
    private static let work = QueueName.work
    private static let holder = HolderOptions(id: HolderID("holder"), queues: [work], order: .strict, capacity: 100, isEmbedded: false)

    private static func open(_ storage: MemoryStorage, _ clock: ManualClock) throws -> SteppedEngine {
        var options = EngineOptions()
        options.clock = clock
        return try SteppedEngine.open(storage, options: options, at: clock.now())
    }

    private static func ask(
        _ engine: inout SteppedEngine,
        _ request: SteppedEngine.Request,
        _ clock: ManualClock
    ) throws -> SteppedEngine.Reply {
        engine.turn([(1, request)], at: clock.now())
        var replies = engine.takeReplies()
        while let sync = engine.beginSync() {
            try sync.run()
            engine.endSync(sync, failure: nil)
            replies += engine.takeReplies()
        }
        return try #require(replies.first).reply
    }

    private static func publish(_ message: NewMessage, _ engine: inout SteppedEngine, _ clock: ManualClock) throws -> JobID {
        guard case .outcomes(let outcomes) = try ask(&engine, .commit([Transaction(.enqueue(message))]), clock),
            case .committed(let results)? = outcomes.first, case .enqueued(let job)? = results.first
        else { throw BrokerError(.storeFailed, "not published") }
        return job.id
    }

    private static func lease(_ count: Int, _ engine: inout SteppedEngine, _ clock: ManualClock) throws -> [Delivery] {
        guard case .deliveries(let deliveries, _) = try ask(&engine, .lease(holder, max: count, term: .queue, wait: .zero), clock) else {
            return []
        }
        return deliveries
    }

    @Test("the line says in which order jobs are leased, the places also where those stand that wait for something; both outlive a crash")
    func order() throws {
        let clock = ManualClock(start: Timestamp(milliseconds: 1_800_000_000_000)), storage = MemoryStorage()
        var engine = try Self.open(storage, clock)
        var jobs: [JobID] = []
        for index in 0..<6 {
            var message = NewMessage(queue: Self.work, payload: Content(Bytes("\(index)"), type: Content.text))
            if index == 1 || index == 4 { message.group = "group" }
            if index == 2 { message.start = .after(.seconds(60)) }
            if index == 5 { message.priority = 9 }
            jobs.append(try Self.publish(message, &engine, clock))
        }
        // The first goes to the back, a retry is on its way, and the rest is as it came.
        let leased = try Self.lease(2, &engine, clock)
        #expect(leased.map(\.job.id) == [jobs[5], jobs[0]])
        _ = try Self.ask(
            &engine,
            .commit([
                Transaction(.fail(leased[0].token, Failure(message: "no"), retry: .after(.seconds(30)))),
                Transaction(.release(leased[1].token, delay: nil, counted: false, to: .back)),
            ]),
            clock
        )
        let places = [1, 2, 3, 4, 5, 0].map { jobs[$0] }, ready = [1, 3, 0].map { jobs[$0] }
        #expect(engine.lines()[Self.work]?.places == places)
        #expect(engine.lines()[Self.work]?.ready == ready)
        engine = try Self.open(storage.kill(), clock)
        #expect(engine.lines()[Self.work]?.places == places)
        #expect(engine.lines()[Self.work]?.ready == ready)
        #expect(try Self.lease(10, &engine, clock).map(\.job.id) == ready)
    }

    @Test("what a purge ended stands in no line any more, though nobody has come to it yet")
    func purged() throws {
        let clock = ManualClock(start: Timestamp(milliseconds: 1_800_000_000_000))
        var engine = try Self.open(MemoryStorage(), clock)
        for index in 0..<3 {
            _ = try Self.publish(NewMessage(queue: Self.work, payload: Content(Bytes("\(index)"), type: Content.text)), &engine, clock)
        }
        _ = try Self.ask(&engine, .purge(Self.work), clock)
        let next = try Self.publish(NewMessage(queue: Self.work, payload: Content(Bytes("next"), type: Content.text)), &engine, clock)
        #expect(engine.lines()[Self.work]?.places == [next])
        #expect(engine.lines()[Self.work]?.ready == [next])
    }
}
