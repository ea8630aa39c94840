import GodwitCore
import Testing

@testable import Godwit

@Suite("Who runs which attempt")
struct CrewTests {
    private var crew = Crew(limit: 3)

    private func attempts(_ count: Int) throws -> [Attempt] { try (0..<count).map { try attempt("\($0)") } }

    private func number(_ call: Crew.Call?) -> Int? { if case .create(let number)? = call { number } else { nil } }

    @Test("tasks are called one at a time: the next one when the one before has taken an attempt")
    mutating func oneAtATime() throws {
        let all = try attempts(3)
        #expect(number(crew.add([all[0]])) == 0)
        #expect(crew.add([all[1], all[2]]) == nil)
        let (first, call) = crew.take(0, isCalled: true)
        #expect(first === all[0])
        #expect(number(call) == 1)
        // It has ended its attempt before the task that was called has come.
        let (second, none) = crew.take(0, isCalled: false)
        #expect(second === all[1])
        #expect(none == nil)
        let (third, last) = crew.take(1, isCalled: true)
        #expect(third === all[2])
        #expect(last == nil)
        #expect(crew.attempts.map(\.token) == [all[1].token, all[2].token])
    }

    @Test("there are no more tasks than the limit; attempts beyond it wait for one to end")
    mutating func limit() throws {
        let all = try attempts(5)
        _ = crew.add(all)
        for number in 0..<3 { #expect(crew.take(number, isCalled: true).0 === all[number]) }
        #expect(crew.attempts.count == 5)
        #expect(crew.add([]) == nil)
        #expect(crew.take(1, isCalled: false).0 === all[3])
        #expect(crew.take(0, isCalled: false).0 === all[4])
        #expect(crew.take(2, isCalled: false).0 == nil)
        #expect(crew.attempts.count == 2)
    }

    @Test("attempts that no task has taken can be withdrawn, the last ones first")
    mutating func withdrawing() throws {
        let all = try attempts(6)
        _ = crew.add(all)
        for number in 0..<3 { _ = crew.take(number, isCalled: true) }
        #expect(crew.withdraw(atMost: 2).map(\.token) == [all[4].token, all[5].token])
        #expect(crew.withdraw(atMost: .max).map(\.token) == [all[3].token])
        #expect(crew.withdraw(atMost: 1).isEmpty)
        #expect(crew.attempts.count == 3)
        #expect(crew.take(0, isCalled: false).0 == nil)
    }

    @Test("a task that ends is replaced when attempts wait")
    mutating func replacement() throws {
        let all = try attempts(4)
        _ = crew.add(all)
        for number in 0..<3 { _ = crew.take(number, isCalled: true) }
        #expect(number(crew.leave(1)) == 1)
        #expect(crew.take(1, isCalled: true).0 === all[3])
        #expect(crew.leave(1) == nil)
    }

    @Test("a task that waits is called rather than made; at the end it is sent away")
    func resting() async throws {
        let all = try attempts(2)
        var crew = Crew(limit: 2)
        _ = crew.add([all[0]])
        _ = crew.take(0, isCalled: true)
        #expect(crew.take(0, isCalled: false).0 == nil)
        for isCalled in [true, false] {
            let answer = await withCheckedContinuation { continuation in
                let mustWait = crew.rest(continuation)
                #expect(mustWait)
                if isCalled {
                    guard case .resume(let waiting)? = crew.add([all[1]]) else { return continuation.resume(returning: false) }
                    waiting.resume(returning: true)
                } else {
                    #expect(crew.attempts.isEmpty)
                    for waiting in crew.end() { waiting.resume(returning: false) }
                }
            }
            #expect(answer == isCalled)
            if isCalled {
                #expect(crew.take(0, isCalled: true).0 === all[1])
                #expect(crew.take(0, isCalled: false).0 == nil)
            }
        }
        #expect(crew.hasEnded)
    }
}
