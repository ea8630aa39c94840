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
    private mutating func add(_ call: Call, _ ticket: Int) {
        let refusal = lane.add(call, ticket: ticket)
        #expect(refusal == nil)
    }
    private mutating func next(_ now: ContinuousClock.Instant) -> CallLane<Int>.Request? { lane.next(at: now) }
    private mutating func again(_ number: UInt64) -> CallLane<Int>.Request? { lane.again(number, at: start) }
    private mutating func answered(_ number: UInt64, _ answers: [CallAnswer]) -> [CallLane<Int>.Settled]? { lane.answered(number, answers) }

    @Test("a few requests are in flight at a time; what comes then goes together")
    mutating func gathering() throws {
        var numbers: [UInt64] = []
        for ticket in 0..<4 {
            add(.jobs([JobID("\(ticket)")]), ticket)
            numbers.append(try #require(next(start)).number)
        }
        for ticket in 4..<54 { add(.jobs([JobID("\(ticket)")]), ticket) }
        #expect(next(start) == nil)
        #expect(answered(numbers[2], [.jobs([.unknown])])?.map(\.ticket) == [2])
        let together = try #require(next(start))
        #expect(together.calls.count == 50)
        #expect(answered(together.number, [CallAnswer](repeating: .done, count: 50))?.map(\.ticket) == Array(4..<54))
    }

    @Test("answers that may be large do not travel together, nor do acts that must not be done twice")
    mutating func apart() throws {
        let queue = try QueueName("q")
        for ticket in 0..<4 { add(.check, ticket) }
        for _ in 0..<4 { _ = next(start) }
        // The four gathered into one, for none was sent yet.
        add(.browse(BrowseQuery(queue: queue)), 4)
        add(.browse(BrowseQuery(queue: queue)), 5)
        add(.purge(queue), 6)
        add(.check, 7)
        var sizes: [Int] = []
        while let next = next(start) { sizes.append(next.calls.count) }
        #expect(sizes == [1, 1, 1])
    }

    @Test("a read whose answer was lost is asked again; when patience is at its end the server is unavailable")
    mutating func repetition() throws {
        add(.check, 1)
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
        add(.purge(try QueueName("q")), 1)
        let number = try #require(next(start)).number
        guard case .again = lane.failed(number, .unsent("refused"), at: start, random: 1) else { throw TestTrouble("given up") }
        guard case .settled(let settled) = lane.failed(number, .lost("cut"), at: start, random: 1) else { throw TestTrouble("repeated") }
        #expect(settled[0].answer.code == .outcomeUnknown)
    }

    @Test("closing ends all; of an act in flight nobody knows whether it was done")
    mutating func closing() throws {
        add(.purge(try QueueName("q")), 1)
        _ = next(start)
        add(.check, 2)
        let number = try #require(next(start)).number
        for ticket in 3..<6 { add(.check, ticket) }
        let closed = lane.close().sorted { $0.ticket < $1.ticket }
        #expect(closed.map(\.ticket) == [1, 2, 3, 4, 5])
        #expect(closed.map { $0.answer.code } == [.outcomeUnknown, .closed, .closed, .closed, .closed])
        let late = lane.add(.check, ticket: 6)
        #expect(late?.code == .closed)
        #expect(answered(number, [.done]) == nil)
    }
}

extension Result where Failure == BrokerError {
    var code: BrokerError.Code? { if case .failure(let error) = self { error.code } else { nil } }
}
