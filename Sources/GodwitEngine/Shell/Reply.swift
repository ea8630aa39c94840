/// Where an answer goes: to a task that waits for it, or to a function, which must return at once: it runs on the engine's thread.
struct Reply: Sendable {
    private enum Way {
        // Not a checked one: it is resumed exactly once, by the code around the inbox, and its check would cost as much as the rest of the
        // hand-over.
        case task(UnsafeContinuation<Answer, Never>)
        case function(@Sendable (Answer) -> Void)
    }

    private let way: Way
    /// The clock's ticks at which a publish came; 0 for a call that is not timed.
    let asked: Int64

    static func task(_ continuation: UnsafeContinuation<Answer, Never>, asked: Int64 = 0) -> Reply {
        Reply(way: .task(continuation), asked: asked)
    }

    static func function(_ function: @escaping @Sendable (Answer) -> Void, asked: Int64 = 0) -> Reply {
        Reply(way: .function(function), asked: asked)
    }

    func give(_ answer: Answer) {
        switch way {
        case .task(let continuation): continuation.resume(returning: answer)
        case .function(let function): function(answer)
        }
    }
}

/// The calls that wait for their answers, by ticket.
///
/// Tickets of the engine's own are places in an array, given out again as soon as they are answered: no call costs a hash table's insertion.
/// Those of callers, who may have to name their calls again, are numbers from 1 on.
struct OpenCalls: ~Copyable {
    private static let own: Ticket = 1 << 63

    private var slots: [Reply?] = []
    private var free: [Int] = []
    private var named: [Ticket: Reply] = [:]

    /// - Parameter ticket: the caller's; 0 for one of the engine's own.
    /// - Returns: the ticket under which the reply is found again.
    mutating func insert(_ reply: Reply, _ ticket: Ticket) -> Ticket {
        guard ticket == 0 else {
            named[ticket] = reply
            return ticket
        }
        if let slot = free.popLast() {
            slots[slot] = reply
            return Self.own | Ticket(slot)
        }
        slots.append(reply)
        return Self.own | Ticket(slots.count - 1)
    }

    mutating func remove(_ ticket: Ticket) -> Reply? {
        guard ticket & Self.own != 0 else { return named.removeValue(forKey: ticket) }
        let slot = Int(ticket & ~Self.own)
        guard let reply = slots[slot] else { return nil }
        slots[slot] = nil
        free.append(slot)
        return reply
    }

    /// Takes all that are left.
    mutating func removeAll() -> [Reply] {
        defer { (slots, free, named) = ([], [], [:]) }
        return slots.compactMap { $0 } + named.values
    }
}
