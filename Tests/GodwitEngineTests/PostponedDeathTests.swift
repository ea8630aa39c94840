import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Large dead letters without room on the disk", .timeLimit(.minutes(2)))
struct PostponedDeathTests {
    private let clock = ManualClock(start: Fixture.start), storage = MemoryStorage()
    private let dying = QueueName.name("dying"), dead = QueueName.name("dead")

    private func turn(_ core: inout EngineCore, _ commands: [Command] = []) throws {
        core.turn(commands.map { (1, $0) }, at: clock.now())
        while let sync = core.beginSync() {
            try sync.run()
            core.endSync(sync, failure: nil)
        }
        core.markIfIdle()
    }

    @discardableResult
    private func turn(_ core: inout EngineCore, _ command: Command) throws -> Answer {
        try turn(&core, [command])
        let answers = core.takeAnswers()
        return try #require(answers.first?.1)
    }

    private func open(segmentBytes: Int, _ change: (inout QueueSettings) -> Void) throws -> EngineCore {
        var core = try Core.open(storage, clock, segmentBytes: segmentBytes)
        var settings = QueueSettings()
        settings.deadLetterQueue = "dead"
        change(&settings)
        try turn(&core, .configure(dying, settings, .anything))
        try turn(&core, .configure(dead, QueueSettings(), .anything))
        return core
    }

    private func publish(_ core: inout EngineCore, _ size: Int, count: Int = 1, expires: Duration? = nil) throws {
        var message = NewMessage(queue: dying, payload: Content(Bytes([UInt8](repeating: 120, count: size))))
        message.expires = expires
        let operations = (0..<count).map { _ in PreparedOperation.enqueue(MessageBox(message)) }
        for start in stride(from: 0, to: count, by: 100) {
            let answer = try turn(&core, .commit([.many(Array(operations[start..<min(start + 100, count)]))], nil))
            guard case .outcomes(let outcomes) = answer, case .many? = outcomes.first else { return fail("it was refused: \(answer)") }
            Core.maintain(&core)
        }
    }

    private func lease(_ core: inout EngineCore, _ term: LeaseTerm, by holder: HolderID = HolderID("h"), count: Int = 1) throws {
        let options = HolderOptions(id: holder, queues: [dying], capacity: count, isEmbedded: false)
        var left = count
        while left > 0 {
            let deliveries = try turn(&core, .lease(LeaseRequest(holder: options, max: min(left, 1_000), term: term, wait: 0))).deliveries
            let given = deliveries?.count ?? 0
            try #require(given > 0)
            left -= given
        }
    }

    /// Lets the disk take nothing more, and uses up what is ahead until something of so many bytes has no room.
    private func spend(_ core: inout EngineCore, until bytes: Int, _ purpose: Journal.Purpose, filler: Int) throws {
        Core.maintain(&core)
        storage.capacity = 1
        let value = StoredValue(key: RecordKey("filler"), value: Bytes([UInt8](repeating: 0, count: filler)), valueBytes: filler)
        while (try? core.journal.reserve(bytes, for: purpose)) != nil {
            try core.record(.put(value), for: purpose)
            try core.journal.write()
        }
        let isRefused = core.journal.refuses(.settle)
        #expect(!isRefused)
    }

    private func counts(_ core: borrowing EngineCore, _ queue: QueueName) throws -> QueueStatus.Counts {
        core.state.queues.at(try #require(core.state.queues.numbers[queue])).pointee.counts
    }

    /// Lets time go by; in each second as many turns are taken as the engine asks for, which cannot be many.
    private func pass(_ core: inout EngineCore, _ seconds: Int) throws {
        for _ in 0..<seconds {
            clock.leap(by: .seconds(1))
            var turns = 0
            repeat {
                try turn(&core)
                turns += 1
            } while core.nextTurn == 0 && turns < 10
            #expect(turns < 10)
        }
    }

    private func makeRoom(_ core: inout EngineCore) {
        storage.capacity = nil
        Core.maintain(&core)
    }

    @Test("a closed holder's do not keep its other leases from being given back, nor anything else that is due")
    func closedHolder() throws {
        var core = try open(segmentBytes: 256 << 10) { $0.maxDeliveries = 1 }
        let closed = HolderID("closed"), other = HolderID("other")
        for (size, holder) in [(100_000, closed), (10, closed), (10, other)] {
            try publish(&core, size)
            try lease(&core, holder == closed ? .holderLife : .fixed(.seconds(10)), by: holder)
        }
        try publish(&core, 10, expires: .seconds(12))
        try spend(&core, until: 4_000, .settleWithPayload, filler: 3_000)
        try spend(&core, until: 100_000, .settle, filler: 3_000)
        guard case .done = try turn(&core, .closeHolder(closed)) else { return fail("it is not closed") }
        let first = try counts(core, dying)
        #expect(first.running == 2 && first.failed == 1)
        try pass(&core, 15)
        let second = try counts(core, dying), letters = try counts(core, dead)
        #expect(second.running == 1 && second.failed == 2 && second.expired == 1 && letters.queued == 3)
        makeRoom(&core)
        try pass(&core, 2)
        let last = try counts(core, dying), all = try counts(core, dead)
        #expect(last.running == 0 && last.failed == 3 && all.queued == 4)
    }

    @Test("those that are read in vain use up nothing that is meant for others")
    func readInVain() throws {
        var core = try open(segmentBytes: 4 << 20) { $0.maxAttempts = 1 }
        for _ in 0..<12 {
            try publish(&core, 1_500_000)
            try lease(&core, .fixed(.seconds(5)))
        }
        try publish(&core, 10)
        try lease(&core, .fixed(.seconds(6)))
        try spend(&core, until: 1_500_100, .settleWithPayload, filler: 200_000)
        let isRefused = core.journal.refuses(.settleWithPayload)
        #expect(!isRefused)
        try pass(&core, 8)
        let first = try counts(core, dying), letters = try counts(core, dead)
        #expect(first.running == 12 && first.failed == 1 && letters.queued == 1)
        makeRoom(&core)
        // What a turn brings for all that is due is bounded.
        try pass(&core, 3)
        let last = try counts(core, dying), all = try counts(core, dead)
        #expect(last.running == 0 && last.failed == 13 && all.queued == 13)
    }

    @Test("many of them do not stand before what brings less, be it leases or jobs that expire")
    func many() throws {
        let count = EngineCore.dueLimit + 100
        var core = try open(segmentBytes: 4 << 20) { $0.maxAttempts = 1 }
        try publish(&core, 4_200, count: count)
        try lease(&core, .fixed(.seconds(5)), count: count)
        try publish(&core, 10)
        try lease(&core, .fixed(.seconds(6)))
        try publish(&core, 4_200, count: count, expires: .seconds(5))
        try publish(&core, 10, expires: .seconds(6))
        try spend(&core, until: 300_000, .settleWithPayload, filler: 200_000)
        // Into the reserve, of which most is left.
        let value = StoredValue(key: RecordKey("filler"), value: Bytes([UInt8](repeating: 0, count: 1 << 20)), valueBytes: 1 << 20)
        try core.record(.put(value), for: .settle)
        let isRefused = core.journal.refuses(.settleWithPayload)
        #expect(isRefused)
        try pass(&core, 8)
        let first = try counts(core, dying), letters = try counts(core, dead)
        #expect(first.running == count && first.queued == count && first.failed == 1 && first.expired == 1 && letters.queued == 2)
        makeRoom(&core)
        try pass(&core, 3)
        let last = try counts(core, dying), all = try counts(core, dead)
        #expect(last.failed == count + 1 && last.expired == count + 1 && all.queued == 2 * count + 2)
    }
}
