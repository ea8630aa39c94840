import GodwitCore
import GodwitEngine

/// Steps that clients count, and what they say that follows ends.
extension World {
    func step() -> GodwitCore.Operation {
        if chance(10) { return .delete(pick(Self.counterKeys) ?? Self.counterKeys[0], expecting: .anything) }
        return .add(addition(depth: 0))
    }

    /// The counters' lifetimes are never put off: for ever, or to the next turn. Of several things that end in one turn it would not be said
    /// which is first.
    private func addition(depth: Int) -> Addition {
        let index = roll(Self.counterKeys.count)
        var addition = Addition(
            key: Self.counterKeys[index],
            step: "step-\(roll(8))",
            // One that counts nothing leaves no trace by which two states that a crash may have left could be told apart.
            amount: pick([1, 1, 1, 2]) ?? 1,
            target: 1 + roll(5),
            lifetime: index == 2 ? .milliseconds(1) : .seconds(3_650 * 86_400)
        )
        if depth < 2, chance(70) { addition.then = (0...roll(2)).map { _ in followUp(depth: depth + 1) } }
        return addition
    }

    /// One of what can follow.
    func followUp(depth: Int = 0) -> GodwitCore.Operation {
        switch roll(6) {
        case 0, 1, 2: return .enqueue(followingMessage())
        case 3:
            return .put(
                pick(Self.followKeys) ?? Self.followKeys[0],
                value: Bytes("follows \(nextTicket)-\(roll(1 << 30))"),
                expecting: .anything,
                lifetime: nil
            )
        case 4:
            guard let id = pick(reference.knowledge.ids.keys).flatMap({ reference.knowledge.ids[$0] }) else { fallthrough }
            return .cancel(id)
        default: return .add(addition(depth: depth))
        }
    }

    /// A message that follows has no number before it is enqueued.
    private func followingMessage() -> NewMessage {
        let queue = pick(Self.queueNames) ?? Self.queueNames[0]
        var message = NewMessage(queue: queue, payload: payload(roll(1_000)), name: "f\(nextTicket)-\(roll(1_000))")
        if chance(30) { message.priority = 7 }
        if chance(20) { message.start = .after(.milliseconds(pick([200, 60_000]) ?? 0)) }
        if chance(20) { message.group = "group-\(roll(3))" }
        if chance(50) { message.maxAttempts = 1 + roll(3) }
        return message
    }

    func states() -> FinalStates {
        chance(60) ? .all : pick([.succeeded, .failed, [.cancelled, .expired], [.succeeded, .failed]]) ?? .all
    }
}
