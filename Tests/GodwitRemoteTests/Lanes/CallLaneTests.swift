import GodwitCore
import GodwitWire
import Testing

@testable import GodwitRemote

@Suite("The lane of reads and administration")
struct CallLaneTests {
    private var lane: CallLane<Int>
    private let start = ContinuousClock.now

    init() throws { lane = CallLane(try RemoteConfiguration(url: ServerURL("http://localhost:1"))) }

    // Macros cannot look into calls that change what they are called on.
    @discardableResult
    private mutating func add(_ call: Call, _ ticket: Int, at now: ContinuousClock.Instant? = nil) throws -> UInt64 {
        try lane.add(call, ticket: ticket, at: now ?? start)
    }
    private mutating func next(_ now: ContinuousClock.Instant) -> CallLane<Int>.Request? { lane.next(at: now) }
    private mutating func again(_ number: UInt64) -> CallLane<Int>.Request? { lane.again(number, at: start) }
    private mutating func answered(_ number: UInt64, _ answers: [CallAnswer]) -> [CallLane<Int>.Settled]? { lane.answered(number, answers) }

    @Test("a few requests are in flight at a time; what comes then goes together")
    mutating func gathering() throws {
        var numbers: [UInt64] = []
        for ticket in 0..<4 {
            try add(.jobs([JobID("\(ticket)")]), ticket)
            numbers.append(try #require(next(start)).number)
        }
        for ticket in 4..<54 { try add(.jobs([JobID("\(ticket)")]), ticket) }
        #expect(next(start) == nil)
        #expect(answered(numbers[2], [.jobs([.unknown])])?.map(\.ticket) == [2])
        let together = try #require(next(start))
        #expect(together.calls.count == 50)
        #expect(answered(together.number, [CallAnswer](repeating: .done, count: 50))?.map(\.ticket) == Array(4..<54))
    }

    @Test("answers that may be large do not travel together, nor do acts that must not be done twice")
    mutating func apart() throws {
        let queue = try QueueName("q")
        for ticket in 0..<4 { try add(.check, ticket) }
        for _ in 0..<4 { _ = next(start) }
        // The four gathered into one, for none was sent yet.
        try add(.browse(BrowseQuery(queue: queue)), 4)
        try add(.browse(BrowseQuery(queue: queue)), 5)
        try add(.purge(queue), 6)
        try add(.check, 7)
        var sizes: [Int] = []
        while let next = next(start) { sizes.append(next.calls.count) }
        #expect(sizes == [1, 1, 1])
    }

    @Test("a read whose answer was lost is asked again; when patience is at its end the server is unavailable")
    mutating func repetition() throws {
        try add(.check, 1)
        let number = try #require(next(start)).number
        guard case .again = lane.failed(number, .lost("cut"), at: start, random: 1) else { throw TestTrouble("not asked again") }
        #expect(again(number)?.calls.count == 1)
        guard case .settled(let settled) = lane.failed(number, .lost("cut"), at: start + .seconds(31), random: 1) else {
            throw TestTrouble("asked again")
        }
        #expect(settled.map(\.ticket) == [1])
        #expect(settled[0].answer.code == .unavailable)
    }

    @Test("an act that must not be done twice is not repeated, unless it was never sent")
    mutating func acts() throws {
        try add(.purge(try QueueName("q")), 1)
        let number = try #require(next(start)).number
        guard case .again = lane.failed(number, .unsent("refused"), at: start, random: 1) else { throw TestTrouble("given up") }
        guard case .settled(let settled) = lane.failed(number, .lost("cut"), at: start, random: 1) else { throw TestTrouble("repeated") }
        #expect(settled[0].answer.code == .outcomeUnknown)
    }

    @Test("those who wait behind a dead server wait no longer than for their own patience, an act that was not sent is not in doubt")
    mutating func behind() throws {
        var numbers: [UInt64] = []
        for ticket in 0..<4 {
            try add(.browse(BrowseQuery(queue: try QueueName("q"))), ticket)
            numbers.append(try #require(next(start)).number)
        }
        try add(.check, 4)
        try add(.purge(try QueueName("q")), 5)
        try add(.check, 6, at: start + .seconds(10))
        guard case .settled(let settled) = lane.failed(numbers[0], .lost("cut"), at: start + .seconds(31), random: 1) else {
            throw TestTrouble("tried again")
        }
        #expect(settled.map(\.ticket).sorted() == [0, 4, 5])
        #expect(settled.allSatisfy { $0.answer.code == .unavailable })
        #expect(next(start + .seconds(31))?.calls.count == 1)
    }

    @Test("whoever asked later waits longer: the first of a request is told, the others go on")
    mutating func ownPatience() throws {
        try add(.check, 1)
        try add(.queues, 2, at: start + .seconds(7))
        let number = try #require(next(start + .seconds(7))).number
        guard case .again(_, let told) = lane.failed(number, .unsent("refused"), at: start + .seconds(12), random: 1) else {
            throw TestTrouble("given up")
        }
        #expect(told.map(\.ticket) == [1])
        #expect(again(number)?.calls.count == 2)
        #expect(answered(number, [.done, .queues([])])?.map(\.ticket) == [2])
    }

    @Test("whoever does not wait any more for a read takes it back, on its way or not; an act that is on its way is not taken back")
    mutating func leaving() throws {
        let act = try add(.purge(try QueueName("q")), 0)
        _ = next(start)
        let read = try add(.check, 1)
        let other = try add(.check, 2)
        let number = try #require(next(start)).number
        let waiting = try add(.purge(try QueueName("q")), 3)
        let left = [act, read, read, waiting].map { lane.leave($0) }
        #expect(left == [nil, 1, nil, 3])
        #expect(answered(number, [.done, .done])?.map(\.ticket) == [2])
        let late = lane.leave(other)
        #expect(late == nil)
        #expect(next(start) == nil)
    }

    @Test("what waits is bounded by the jobs that are asked for: one more is told to come back")
    mutating func backPressure() throws {
        let thousand = Call.jobs([JobID](repeating: JobID("j"), count: 1_000))
        for ticket in 0..<100 { try add(thousand, ticket) }
        let error = #expect(throws: BrokerError.self) { try add(.check, 100) }
        #expect(error?.code == .busy && error?.retryAfter != nil)
        _ = next(start)
        try add(thousand, 100)
    }

    @Test("closing ends all; of an act in flight nobody knows whether it was done")
    mutating func closing() throws {
        try add(.purge(try QueueName("q")), 1)
        _ = next(start)
        try add(.check, 2)
        let number = try #require(next(start)).number
        for ticket in 3..<6 { try add(.check, ticket) }
        let closed = lane.close().sorted { $0.ticket < $1.ticket }
        #expect(closed.map(\.ticket) == [1, 2, 3, 4, 5])
        #expect(closed.map { $0.answer.code } == [.outcomeUnknown, .closed, .closed, .closed, .closed])
        let late = #expect(throws: BrokerError.self) { try add(.check, 6) }
        #expect(late?.code == .closed)
        #expect(answered(number, [.done]) == nil)
    }
}

extension Result where Failure == BrokerError {
    var code: BrokerError.Code? { if case .failure(let error) = self { error.code } else { nil } }
}
