import Testing

@testable import GodwitEngine

@Suite("Turns of a holder's queues")
struct TurnsTests {
    /// The queues whose turn it was, one after the other, with as many jobs in each as said.
    private func order(_ turns: inout Turns, _ weights: [Int], _ jobs: [Int], most: Int = .max) -> [Int] {
        var left = jobs, order: [Int] = []
        turns.give(weights, hasJob: { left[$0] > 0 }) { index in
            guard order.count < most else { return nil }
            left[index] -= 1
            order.append(index)
            return left[index] > 0
        }
        return order
    }

    @Test("queues of one weight come in turn, and each call goes on where the last one ended")
    func even() {
        var turns = Turns(queues: 3)
        #expect(order(&turns, [2, 2, 2], [9, 9, 9], most: 4) == [0, 1, 2, 0])
        #expect(order(&turns, [2, 2, 2], [9, 9, 9], most: 4) == [1, 2, 0, 1])
    }

    @Test("each comes as often as its weight says, and not all at once")
    func weighted() {
        var turns = Turns(queues: 3)
        let order = order(&turns, [5, 1, 2], [1_000, 1_000, 1_000], most: 800)
        #expect((0..<3).map { index in order.count { $0 == index } } == [500, 100, 200])
        // Nobody waits for longer than twice its share.
        #expect(zip(order.indices, order.indices.dropFirst(16)).allSatisfy { order[$0..<$1].contains(1) })
    }

    @Test("one that had nothing gets no time back, and one that is emptied makes room")
    func idle() {
        var turns = Turns(queues: 2)
        #expect(order(&turns, [1, 1], [100, 0], most: 100) == Array(repeating: 0, count: 100))
        #expect(order(&turns, [1, 1], [9, 9], most: 6) == [1, 0, 1, 0, 1, 0])
        #expect(order(&turns, [1, 1], [1, 3]) == [1, 0, 1, 1])
    }

    @Test("a turn that is not taken comes again")
    func untaken() {
        var turns = Turns(queues: 2)
        #expect(order(&turns, [1, 3], [5, 5], most: 0) == [])
        #expect(order(&turns, [1, 3], [5, 5], most: 2) == [0, 1])
    }
}
