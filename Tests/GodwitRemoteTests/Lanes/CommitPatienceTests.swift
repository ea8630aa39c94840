import GodwitCore
import Testing

@testable import GodwitRemote

/// How long those wait who share the lane of commits, and how they leave it.
@Suite("Patience in the lane of commits")
struct CommitPatienceTests {
    private var lane: CommitLane<Int>
    private let start = ContinuousClock.now

    init() throws {
        var sessions = 0
        lane = CommitLane(try RemoteConfiguration(url: ServerURL("http://localhost:1"))) {
            sessions += 1
            return "s\(sessions)"
        }
    }

    private func load(_ ticket: Int, transactions: Int = 1, bytes: Int = 1) throws -> CommitLane<Int>.Load {
        let message = NewMessage(queue: try QueueName("q"), payload: Content(Bytes([UInt8](repeating: 0x31, count: bytes))))
        return CommitLane.Load([Transaction](repeating: Transaction(.enqueue(message)), count: transactions), ticket: ticket)
    }

    @discardableResult
    private mutating func add(
        _ ticket: Int,
        transactions: Int = 1,
        bytes: Int = 1,
        at now: ContinuousClock.Instant? = nil
    ) throws -> Bool {
        switch lane.add(try load(ticket, transactions: transactions, bytes: bytes), at: now ?? start) {
        case .sends: return true
        case .waits: return false
        case .refused(let error): throw error
        }
    }

    // Macros cannot look into calls that change what they are called on.
    private mutating func next(_ now: ContinuousClock.Instant) -> CommitParts? { lane.next(at: now) }
    private mutating func again(_ now: ContinuousClock.Instant) -> CommitParts? { lane.again(at: now) }
    private mutating func answered(_ outcomes: [TransactionOutcome], at now: ContinuousClock.Instant) -> [CommitLane<Int>.Settled]? {
        lane.answered(outcomes, at: now)
    }

    private func done(_ count: Int) -> [TransactionOutcome] { .init(repeating: .committed([.deleted]), count: count) }

    @Test("whoever asked later waits longer: the first of a request is told, the others go on")
    mutating func ownPatience() throws {
        try add(0)
        _ = next(start)
        try add(1, transactions: 2)
        try add(2, at: start + .seconds(7))
        _ = answered(done(1), at: start + .seconds(8))
        #expect(next(start + .seconds(8))?.transactions.count == 3)
        guard case .again(_, let none) = lane.failed(.unsent("refused"), at: start + .seconds(9), random: 1) else {
            throw TestTrouble("given up")
        }
        #expect(none.isEmpty)
        guard case .again(_, let told) = lane.failed(.unsent("refused"), at: start + .seconds(12), random: 1) else {
            throw TestTrouble("given up")
        }
        #expect(told.map(\.ticket) == [1])
        #expect(told[0].error?.code == .unavailable)
        #expect(again(start + .seconds(13))?.session == SessionCommit(id: "s1", number: 2, acknowledged: 1))
        let settled = try #require(answered(done(2) + [.aborted(operation: 0, .closed)], at: start + .seconds(13)))
        #expect(settled.map(\.ticket) == [2])
        guard case .success(let outcomes)? = settled.first?.outcome, case .aborted? = outcomes.first else {
            throw TestTrouble("another's outcome")
        }
    }

    /// How a server is dead, how long each try takes then, and how long its callers have patience.
    private static let deaths: [(failure: ExchangeFailure, takes: Duration?, patience: Duration)] = [
        (.unsent("refused"), .zero, .seconds(10)), (.unsent("no connection in time"), .seconds(5), .seconds(10)),
        (.lost("no answer in time"), nil, .seconds(30)),
    ]

    @Test("nobody waits longer for a dead server than for their patience and one answer, however many wait", arguments: 0..<3)
    mutating func manyForOneThatIsDead(_ index: Int) throws {
        let (failure, takes, patience) = Self.deaths[index]
        // Many at once, and then one every two milliseconds.
        let count = 20_000
        func asks(_ caller: Int) -> ContinuousClock.Instant { start + .milliseconds(2) * max(0, caller - count / 2) }
        var now = start, caller = 0, settled = 0, worst = Duration.zero
        while settled < count {
            while caller < count, asks(caller) <= now {
                try add(caller, at: asks(caller))
                caller += 1
            }
            guard var deadline = next(now)?.deadline else {
                now = asks(caller)
                continue
            }
            while true {
                now = takes.map { now + $0 } ?? deadline
                while caller < count, asks(caller) <= now {
                    try add(caller, at: asks(caller))
                    caller += 1
                }
                let told: [CommitLane<Int>.Settled], wait: Duration?
                switch lane.failed(failure, at: now, random: .max / 2) {
                case .again(let after, let some): (told, wait) = (some, after)
                case .settled(let all): (told, wait) = (all, nil)
                }
                for one in told { worst = max(worst, now - asks(one.ticket)) }
                settled += told.count
                guard let wait else { break }
                now += wait
                deadline = try #require(again(now)).deadline
            }
        }
        #expect(settled == count && lane.isIdle)
        #expect(worst <= patience + (takes ?? .seconds(15)) + Persistence.backoff.cap, "\(worst)")
    }

    @Test("those who wait behind a request whose answer is lost were not carried out, and are told so")
    mutating func behind() throws {
        try add(1)
        _ = next(start)
        try add(2, at: start + .seconds(1))
        try add(3, at: start + .seconds(20))
        guard case .settled(let settled) = lane.failed(.lost("cut"), at: start + .seconds(32), random: 1) else {
            throw TestTrouble("tried again")
        }
        #expect(settled.map(\.ticket) == [1, 2])
        #expect(settled.map { $0.error?.code } == [.outcomeUnknown, .unavailable])
        #expect(next(start + .seconds(32))?.transactions.count == 1)
    }

    @Test("whoever does not wait any more takes back what is not on its way, and nothing else")
    mutating func leaving() throws {
        try add(1)
        _ = next(start)
        for ticket in 2...4 { try add(ticket, transactions: ticket) }
        let early = lane.leave(1), left = lane.leave(3), again = lane.leave(3), late = lane.leave(9)
        #expect(early == nil && left == 3 && again == nil && late == nil)
        _ = answered(done(1), at: start)
        #expect(next(start)?.transactions.count == 6)
        #expect(answered(done(6), at: start)?.map(\.ticket) == [2, 4])
        #expect(lane.isIdle)
    }
}
