import GodwitCore
import Testing

@testable import Godwit

@Suite("A worker's leases over time")
struct LeaseTableTests {
    private let start = ContinuousClock.now
    private var table: LeaseTable

    init() { table = LeaseTable(length: .seconds(10), isEmbedded: false, now: start) }

    private func at(_ seconds: Double) -> LeaseTable.Instant { start + .milliseconds(Int64((seconds * 1_000).rounded())) }

    @Test("all leases are renewed every 3 s of 10, in one batch")
    mutating func renews() throws {
        _ = table.hold(try attempt("a"), now: start)
        _ = table.hold(try attempt("b"), now: start)
        #expect(table.turn(now: at(1)).renewals.isEmpty)
        let turn = table.turn(now: at(3))
        #expect(Set(turn.renewals.map(\.token.description)) == ["a", "b"])
        #expect(
            table.answered(turn.renewals, with: [.good(remaining: .seconds(10)), .good(remaining: .seconds(10))], sentAt: at(3)).isEmpty
        )
        #expect(table.turn(now: at(4)).wakeAt == at(6))
        #expect(table.turn(now: at(6)).renewals.count == 2)
    }

    @Test("a lease that was not renewed within what remained is lost")
    mutating func expires() throws {
        _ = table.hold(try attempt("a"), now: start)
        _ = table.turn(now: at(3))
        // No answer comes, and nothing is sent beside the request in flight.
        for second in 4...9 { #expect(table.turn(now: at(Double(second))).renewals.isEmpty) }
        #expect(table.turn(now: at(9.5)).wakeAt == at(10))
        let turn = table.turn(now: at(10))
        #expect(turn.ended.map(\.ending) == [.leaseLost])
        #expect(table.isEmpty)
    }

    @Test("while a broker in this process owes an answer, no lease is given up: the answer decides")
    mutating func slowDisk() throws {
        table = LeaseTable(length: .seconds(10), isEmbedded: true, now: start)
        _ = table.hold(try attempt("a"), now: start)
        _ = table.hold(try attempt("b"), now: start)
        let sent = table.turn(now: at(3)).renewals
        for second in stride(from: 4.0, through: 30, by: 1) { #expect(table.turn(now: at(second)).ended.isEmpty) }
        let outcomes = sent.map { $0.token.description == "a" ? RenewalOutcome.good(remaining: .seconds(30)) : .stale }
        #expect(table.answered(sent, with: outcomes, sentAt: at(3)).map(\.1) == [.leaseLost])
        #expect(table.turn(now: at(30.5)).ended.isEmpty)
        // No answer is owed any more when a renewal has failed.
        let failed = table.turn(now: at(32)).renewals
        _ = table.answered(failed, with: nil, sentAt: at(32))
        #expect(table.turn(now: at(33)).ended.map(\.ending) == [.leaseLost])
    }

    @Test("an attempt's time begins when it does, and stands still while the process is stopped")
    mutating func timeStops() throws {
        let held = try attempt("a")
        _ = table.hold(held, now: start)
        _ = table.limit(held.token, to: .seconds(2), now: at(1))
        _ = table.turn(now: at(1))
        // Planned for 3 s, it comes at 63 s: no more than a second of that counts.
        let turn = table.turn(now: at(63))
        #expect(turn.ended.isEmpty)
        _ = table.answered(turn.renewals, with: [.good(remaining: .seconds(10))], sentAt: at(63))
        #expect(turn.wakeAt == at(64))
        #expect(table.turn(now: at(64)).ended.map(\.ending) == [.timeout])
    }

    @Test("renewals that failed are tried again before the lease is over")
    mutating func triesAgain() throws {
        _ = table.hold(try attempt("a"), now: start)
        var turn = table.turn(now: at(3))
        _ = table.answered(turn.renewals, with: nil, sentAt: at(3))
        #expect(table.turn(now: at(3.5)).wakeAt == at(4))
        turn = table.turn(now: at(4))
        #expect(turn.renewals.count == 1)
        _ = table.answered(turn.renewals, with: [.unreachable], sentAt: at(4))
        #expect(table.turn(now: at(5)).renewals.count == 1)
    }

    @Test("remaining time counts from when the renewal was sent")
    mutating func countsFromSending() throws {
        _ = table.hold(try attempt("a"), now: start)
        let turn = table.turn(now: at(3))
        _ = table.turn(now: at(8))
        _ = table.answered(turn.renewals, with: [.good(remaining: .seconds(6))], sentAt: at(3))
        _ = table.turn(now: at(8.5))
        #expect(table.turn(now: at(9)).ended.map(\.ending) == [.leaseLost])
    }

    @Test("after a stall a renewal is tried before the lease is given up")
    mutating func stall() throws {
        _ = table.hold(try attempt("a"), now: start)
        _ = table.turn(now: at(1))
        let turn = table.turn(now: at(60))
        #expect(turn.ended.isEmpty)
        #expect(turn.renewals.count == 1)
        #expect(turn.wakeAt <= at(61))
        _ = table.answered(turn.renewals, with: [.good(remaining: .seconds(10))], sentAt: at(60))
        #expect(table.turn(now: at(61)).ended.isEmpty)
    }

    @Test("after a stall without an answer the lease is lost within a second")
    mutating func stallWithoutAnswer() throws {
        _ = table.hold(try attempt("a"), now: start)
        _ = table.turn(now: at(1))
        _ = table.turn(now: at(60))
        #expect(table.turn(now: at(61)).ended.map(\.ending) == [.leaseLost])
    }

    @Test("a cancelled job and a stale lease end their attempts and are renewed no more")
    mutating func ends() throws {
        let held = [try attempt("a"), try attempt("b")]
        for attempt in held { _ = table.hold(attempt, now: start) }
        let turn = table.turn(now: at(3))
        let outcomes = turn.renewals.map { $0.token.description == "a" ? RenewalOutcome.cancelRequested : .stale }
        let ended = table.answered(turn.renewals, with: outcomes, sentAt: at(3))
        #expect(ended.first { $0.0 === held[0] }?.1 == .cancelled)
        #expect(ended.first { $0.0 === held[1] }?.1 == .leaseLost)
        #expect(table.isEmpty)
    }

    @Test("a time-out is noticed when it comes, once, and the lease goes on for one length more")
    mutating func timeout() throws {
        let held = try attempt("a")
        _ = table.hold(held, now: start)
        let isEarlier = table.limit(held.token, to: .milliseconds(1_500), now: start)
        #expect(isEarlier)
        #expect(table.turn(now: at(1)).wakeAt == at(1.5))
        #expect(table.turn(now: at(1.5)).ended.map(\.ending) == [.timeout])
        var now = 2.0, lastRenewal = 0.0
        var lost: Double?
        while now < 30, lost == nil {
            let turn = table.turn(now: at(now))
            if !turn.renewals.isEmpty {
                lastRenewal = now
                _ = table.answered(turn.renewals, with: turn.renewals.map { _ in .good(remaining: .seconds(10)) }, sentAt: at(now))
            }
            if let ending = turn.ended.first?.ending {
                #expect(ending == .leaseLost)
                lost = now
            }
            now += 0.5
        }
        #expect((8.5...11.5).contains(lastRenewal))
        #expect(lost == lastRenewal + 10)
    }

    @Test("progress is sent soon, and at most ten times a second")
    mutating func progress() async throws {
        let held = try attempt("a")
        _ = table.hold(held, now: start)
        _ = table.hold(try attempt("b"), now: start)
        _ = table.turn(now: at(1))
        try await held.report(JobProgress(fraction: 0.1))
        try await held.report(JobProgress(fraction: 0.2))
        let isEarlier = table.noteProgress(of: held.token)
        #expect(isEarlier)
        let turn = table.turn(now: at(1.001))
        #expect(turn.renewals.map(\.progress?.fraction) == [0.2])
        _ = table.answered(turn.renewals, with: [.good(remaining: .seconds(10))], sentAt: at(1.001))
        try await held.report(JobProgress(fraction: 0.3))
        _ = table.noteProgress(of: held.token)
        let early = table.turn(now: at(1.05))
        #expect(early.renewals.isEmpty)
        #expect(early.wakeAt == at(1.101))
        #expect(table.turn(now: at(1.101)).renewals.map(\.progress?.fraction) == [0.3])
    }

    @Test("progress of a batch that failed is sent with the next one, unless there is newer")
    mutating func progressOfFailure() async throws {
        let held = [try attempt("a"), try attempt("b")]
        for attempt in held {
            _ = table.hold(attempt, now: start)
            try await attempt.report(JobProgress(fraction: 0.1))
            _ = table.noteProgress(of: attempt.token)
        }
        let sent = table.turn(now: at(1)).renewals
        #expect(sent.count == 2)
        try await held[1].report(JobProgress(fraction: 0.2))
        _ = table.noteProgress(of: held[1].token)
        _ = table.answered(sent, with: nil, sentAt: at(1))
        let again = table.turn(now: at(3)).renewals
        #expect(again.first { $0.token == held[0].token }?.progress?.fraction == 0.1)
        #expect(again.first { $0.token == held[1].token }?.progress?.fraction == 0.2)
    }

    @Test("the last progress is sent after what is on its way, at once, and waited for, once")
    mutating func flush() async throws {
        let held = try attempt("a")
        _ = table.hold(held, now: start)
        let isSomething = table.flushProgress(of: held.token)
        #expect(!isSomething)
        try await held.report(JobProgress(fraction: 0.93))
        _ = table.noteProgress(of: held.token)
        let first = table.turn(now: at(1)).renewals
        try await held.report(JobProgress(fraction: 1))
        _ = table.noteProgress(of: held.token)
        let mustWait = table.flushProgress(of: held.token)
        #expect(mustWait)
        // Nothing overtakes the batch in flight.
        #expect(table.turn(now: at(1.01)).renewals.isEmpty)
        _ = table.answered(first, with: [.good(remaining: .seconds(10))], sentAt: at(1))
        #expect(!table.isFlushed(held.token))
        let last = table.turn(now: at(1.02)).renewals
        #expect(last.map(\.progress?.fraction) == [1])
        #expect(!table.isFlushed(held.token))
        // A broker that cannot be reached holds no completion up.
        _ = table.answered(last, with: nil, sentAt: at(1.02))
        #expect(table.isFlushed(held.token))
    }
}
