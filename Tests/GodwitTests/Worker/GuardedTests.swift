import Testing

@testable import Godwit

@Suite("Waiting for a state", .timeLimit(.minutes(1)))
struct GuardedTests {
    @Test("a wait ends when the state is as wanted, and at once when it is")
    func waits() async throws {
        let number = Guarded(0)
        let waiting = Task { await number.wait { $0 == 2 } }
        try await eventually { number.waiting == 1 }
        number.withLock { $0 = 1 }
        #expect(number.waiting == 1)
        number.withLock { $0 = 2 }
        #expect(await waiting.value)
        #expect(await number.wait { $0 == 2 })
    }

    @Test("cancelling ends a wait, also one that has not begun")
    func cancelled() async throws {
        let number = Guarded(0)
        let waiting = Task { await number.wait { $0 == 1 } }
        try await eventually { number.waiting == 1 }
        waiting.cancel()
        #expect(await !waiting.value)
        let early = Task {
            while !Task.isCancelled { await Task.yield() }
            return await number.wait { $0 == 1 }
        }
        early.cancel()
        #expect(await !early.value)
    }

    @Test("a bounded wait ends with its time")
    func bounded() async {
        let number = Guarded(0)
        #expect(await !number.wait(until: { $0 == 1 }, atMost: .milliseconds(10), clock: SystemJobClock()))
        number.withLock { $0 = 1 }
        #expect(await number.wait(until: { $0 == 1 }, atMost: .seconds(60), clock: SystemJobClock()))
    }
}
