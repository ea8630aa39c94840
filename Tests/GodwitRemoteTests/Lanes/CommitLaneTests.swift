import GodwitCore
import Testing

@testable import GodwitRemote

@Suite("The lane of commits")
struct CommitLaneTests {
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

    private mutating func add(_ ticket: Int, transactions: Int = 1, bytes: Int = 1) throws -> Bool {
        switch lane.add(try load(ticket, transactions: transactions, bytes: bytes), at: start) {
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

    @Test("the first goes at once, what comes while it is in flight goes together, in order")
    mutating func gathering() throws {
        #expect(try add(1))
        let first = try #require(next(start))
        #expect(first.session == SessionCommit(id: "s1", number: 1))
        #expect(try !add(2))
        #expect(try !add(3, transactions: 3))
        #expect(try !add(4))
        #expect(next(start) == nil)
        let settled = try #require(answered(done(1), at: start))
        #expect(settled.map(\.ticket) == [1])
        let second = try #require(next(start))
        #expect(second.session == SessionCommit(id: "s1", number: 2, acknowledged: 1))
        #expect(second.transactions.count == 5)
        let refusal = BrokerError.busy(retryAfter: .seconds(1))
        let outcomes = done(2) + [.aborted(operation: 0, refusal)] + done(2)
        let all = try #require(answered(outcomes, at: start))
        #expect(all.map(\.ticket) == [2, 3, 4])
        #expect(try all.map { try $0.outcome.get().count } == [1, 3, 1])
        #expect(try all[1].outcome.get().map { if case .committed = $0 { true } else { false } } == [true, false, true])
        #expect(lane.isIdle)
        #expect(next(start) == nil)
    }

    @Test("a request takes so many transactions and bytes, and one that is larger goes alone")
    mutating func bounds() throws {
        _ = try add(0)
        _ = next(start)
        _ = try add(1, transactions: 999)
        _ = try add(2)
        _ = try add(3)
        _ = try add(4, bytes: 5 << 20)
        _ = try add(5)
        var sizes: [Int] = []
        repeat {
            _ = answered(done(sizes.last ?? 1), at: start)
            if let next = next(start) { sizes.append(next.transactions.count) }
        } while !lane.isIdle
        #expect(sizes == [1_000, 1, 1, 1])
    }

    @Test("what waits is bounded: one more is told to come back")
    mutating func backPressure() throws {
        for ticket in 0..<100 { _ = try add(ticket, transactions: 1_000) }
        let error = #expect(throws: BrokerError.self) { try add(100) }
        #expect(error?.code == .busy && error?.retryAfter != nil)
        // What is in flight makes room.
        _ = next(start)
        _ = try add(100)
    }

    @Test("a lost answer is asked for again with the same numbers, as a repetition once the session is known")
    mutating func repetition() throws {
        _ = try add(1, transactions: 2)
        _ = next(start)
        // Nobody knows the session yet: the server would have to refuse a repetition if the first try did not arrive.
        guard case .again = lane.failed(.lost("cut"), at: start, random: 1) else { throw TestTrouble("no second try") }
        #expect(next(start) == nil)
        let second = try #require(again(start))
        #expect(second.session == SessionCommit(id: "s1", number: 1))
        #expect(answered(done(2), at: start)?.count == 1)

        _ = try add(2)
        _ = next(start)
        _ = try add(3)
        guard case .again = lane.failed(.lost("cut"), at: start, random: 1) else { throw TestTrouble("no second try") }
        let repeated = try #require(again(start))
        #expect(repeated.session == SessionCommit(id: "s1", number: 3, acknowledged: 2, isRepeat: true))
        // What came meanwhile is another request.
        #expect(repeated.transactions.count == 1)
        // While it is in doubt, a busy server says nothing about it.
        guard case .again(let wait, _) = lane.failed(.busy(.busy(retryAfter: .seconds(3))), at: start, random: 1) else {
            throw TestTrouble("no third try")
        }
        #expect(wait >= .seconds(3))
        #expect(try #require(again(start)).session.isRepeat)
        #expect(answered(done(1), at: start)?.map(\.ticket) == [2])
        #expect(try #require(next(start)).session == SessionCommit(id: "s1", number: 4, acknowledged: 3))
    }

    @Test("a session that only saw refusals is not known to the server")
    mutating func refusals() throws {
        _ = try add(1)
        _ = next(start)
        _ = answered([.aborted(operation: 0, .busy(retryAfter: .seconds(1)))], at: start)
        _ = try add(2)
        _ = next(start)
        _ = lane.failed(.lost("cut"), at: start, random: 1)
        #expect(again(start)?.session.isRepeat == false)
        // After so long that it may have come and gone, nobody can tell.
        #expect(again(start + .seconds(301))?.session.isRepeat == true)
    }

    @Test("when patience is at its end the outcome is unknown, and a new session begins")
    mutating func givingUp() throws {
        _ = try add(1)
        _ = next(start)
        _ = answered(done(1), at: start)
        _ = try add(2)
        _ = next(start)
        guard case .again = lane.failed(.lost("cut"), at: start, random: 1) else { throw TestTrouble("no second try") }
        _ = again(start)
        // A refused connection after a lost answer makes nothing certain.
        guard case .settled(let settled) = lane.failed(.unsent("refused"), at: start + .seconds(31), random: 1) else {
            throw TestTrouble("still trying")
        }
        #expect(settled.map(\.ticket) == [2])
        #expect(settled[0].error?.code == .outcomeUnknown)
        _ = try add(3)
        #expect(next(start)?.session == SessionCommit(id: "s2", number: 1))
    }

    @Test("a connection that never came about is tried again, then the server is unavailable, and the session goes on")
    mutating func unreachable() throws {
        _ = try add(1)
        _ = next(start)
        guard case .again = lane.failed(.unsent("refused"), at: start + .seconds(5), random: 1) else { throw TestTrouble("no second try") }
        #expect(again(start)?.session.isRepeat == false)
        guard case .settled(let settled) = lane.failed(.unsent("refused"), at: start + .seconds(11), random: 1) else {
            throw TestTrouble("still trying")
        }
        #expect(settled[0].error?.code == .unavailable)
        _ = try add(2)
        // The number of what was never sent is passed over.
        #expect(next(start)?.session == SessionCommit(id: "s1", number: 2))
    }

    @Test("a first try that the server is too busy for is the callers' matter; nobody is kept waiting")
    mutating func busy() throws {
        _ = try add(1)
        _ = try add(2)
        _ = next(start)
        guard case .settled(let settled) = lane.failed(.busy(.busy("full", retryAfter: .seconds(7))), at: start, random: 1) else {
            throw TestTrouble("tried again")
        }
        #expect(settled.map(\.ticket) == [1, 2])
        #expect(settled.allSatisfy { $0.error?.code == .busy && $0.error?.retryAfter == .seconds(7) })
    }

    @Test("what another try cannot change ends at once")
    mutating func hopeless() throws {
        for failure in [
            ExchangeFailure.untrusted("it is not for this host"), .refused(BrokerError(.unauthorized, "no token")), .unreadable("damaged"),
        ] {
            _ = try add(1)
            _ = next(start)
            guard case .settled(let settled) = lane.failed(failure, at: start, random: 1) else { throw TestTrouble("tried again") }
            switch failure {
            case .untrusted: #expect(settled[0].error?.code == .untrusted)
            case .refused: #expect(settled[0].error?.code == .unauthorized)
            default: #expect(settled[0].error?.code == .outcomeUnknown)
            }
        }
    }

    @Test("an answer with too few outcomes is none")
    mutating func tooFew() throws {
        _ = try add(1, transactions: 2)
        _ = next(start)
        #expect(answered(done(1), at: start) == nil)
        #expect(answered(done(2), at: start)?.count == 1)
    }

    @Test("a session that may be near its end is not gone on with")
    mutating func idleSession() throws {
        _ = try add(1)
        _ = next(start)
        _ = answered(done(1), at: start)
        _ = try add(2)
        #expect(next(start + .seconds(301))?.session == SessionCommit(id: "s2", number: 1))
    }

    @Test("closing ends those who wait; what is on its way is waited for, but not sent again")
    mutating func closing() throws {
        _ = try add(1)
        _ = next(start)
        _ = try add(2)
        let closed = lane.close()
        #expect(closed.map(\.ticket) == [2])
        #expect(closed[0].error?.code == .closed)
        #expect(!lane.isIdle)
        let late = #expect(throws: BrokerError.self) { try add(3) }
        #expect(late?.code == .closed)
        guard case .settled(let settled) = lane.failed(.lost("cut"), at: start, random: 1) else { throw TestTrouble("tried again") }
        #expect(settled.map(\.ticket) == [1])
        #expect(settled[0].error?.code == .outcomeUnknown)
        #expect(lane.isIdle)
    }

    @Test("closing ends what is to be sent again")
    mutating func closingBetweenTries() throws {
        _ = try add(1)
        _ = next(start)
        _ = lane.failed(.unsent("refused"), at: start, random: 1)
        let closed = lane.close()
        #expect(closed.map(\.ticket) == [1])
        #expect(closed[0].error?.code == .closed)
        #expect(again(start) == nil)
        #expect(lane.isIdle)
    }

    @Test("a request goes on with a trace that all its jobs are of, and with none where something else in it would make jobs")
    func traces() throws {
        let trace = [Header(name: TraceContext.parentName, value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
        func parts(_ operations: [GodwitCore.Operation]) -> CommitParts {
            CommitParts(session: SessionCommit(id: "s", number: 1), transactions: operations.map { Transaction($0) }, deadline: start)
        }
        var traced = NewMessage(queue: try QueueName("q"), payload: Content("1")), plain = traced
        traced.headers = trace
        plain.headers = []
        let step = Addition(key: .counter("c"), step: "s", target: 2, then: [.enqueue(plain)])
        #expect(parts([.enqueue(traced), .enqueue(traced), .forget(JobID("j"))]).trace?.headers == trace)
        #expect(parts([.enqueue(traced), .enqueue(plain)]).trace == nil)
        #expect(parts([.enqueue(traced), .add(step)]).trace == nil)
    }
}

extension CommitLane.Settled {
    var error: BrokerError? { if case .failure(let error) = outcome { error } else { nil } }
}

/// Something else happened than a test is about.
struct TestTrouble: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
