import Synchronization
import Testing

@testable import GodwitHTTP

@Suite("What routes know of a connection")
struct ConnectionStateTests {
    /// What callbacks were told.
    private final class Log: Sendable {
        private let entries = Mutex<[String]>([])
        func add(_ entry: String) { entries.withLock { $0.append(entry) } }
        var all: [String] { entries.withLock { $0 } }
    }

    @Test("each answer's fate is told to the one who asked for it, also when another request began meanwhile")
    func pipelined() {
        let connection = Connection(), log = Log()
        for number in 1...3 {
            connection.requestBegan(by: .everybody)
            connection.onResponseWritten { log.add("\(number) \($0)") }
        }
        connection.responseWritten(1, succeeded: true)
        connection.responseWritten(1, succeeded: true)
        connection.responseWritten(2, succeeded: false)
        #expect(log.all == ["1 true", "2 false"])
        connection.end()
        #expect(log.all == ["1 true", "2 false", "3 false"])
        #expect(connection.closed.isSet)
        connection.onResponseWritten { log.add("late \($0)") }
        #expect(log.all.last == "late false")
    }

    @Test("an answer that nobody asked about passes")
    func unasked() {
        let connection = Connection(), log = Log()
        connection.requestBegan(by: .everybody)
        connection.responseWritten(1, succeeded: true)
        connection.requestBegan(by: .everybody)
        connection.onResponseWritten { log.add("2 \($0)") }
        connection.responseWritten(1, succeeded: false)
        #expect(log.all.isEmpty)
        connection.responseWritten(2, succeeded: true)
        #expect(log.all == ["2 true"])
    }

    @Test("the word to go on is given only while there is a connection")
    func goOn() {
        let connection = Connection(), log = Log()
        connection.sendContinue()
        connection.onContinue { log.add("100") }
        connection.sendContinue()
        connection.end()
        connection.sendContinue()
        #expect(log.all == ["100"])
    }

    @Test("a latch calls each of those who wait once, and the late ones at once")
    func latch() {
        let latch = Latch(), log = Log()
        _ = latch.onSet { log.add("a") }
        let removed = latch.onSet { log.add("b") }
        latch.remove(removed)
        #expect(!latch.isSet)
        latch.set()
        latch.set()
        #expect(latch.isSet)
        _ = latch.onSet { log.add("c") }
        #expect(log.all == ["a", "c"])
    }

    @Test("what one request takes of the memory for bodies is given back with it")
    func budget() throws {
        let budget = BodyBudget(limit: 100)
        var first: BodyBudget.Share? = budget.share(isWork: false)
        try first?.take(60)
        try first?.take(40)
        let second = budget.share(isWork: false)
        let problem = #expect(throws: Problem.self) { try second.take(1) }
        #expect(problem?.code == "overloaded")
        first = nil
        try second.take(100)
        #expect(throws: Problem.self) { try second.take(1) }
    }
}
