import DequeModule

/// The numbers of callers in the order in which they came; one that left is passed over. A number comes once.
struct WaitingLine {
    /// The first one has not left.
    private var line = Deque<UInt64>()
    private var members: Set<UInt64> = []

    var count: Int { members.count }
    var first: UInt64? { line.first }

    mutating func append(_ ticket: UInt64) {
        line.append(ticket)
        members.insert(ticket)
    }

    mutating func remove(_ ticket: UInt64) {
        guard members.remove(ticket) != nil else { return }
        while let first = line.first, !members.contains(first) { line.removeFirst() }
        if line.count > 64, line.count > 2 * members.count { line = Deque(line.filter(members.contains)) }
    }

    /// Empties the line; answers who stood in it, in order.
    mutating func takeAll() -> [UInt64] {
        defer { self = WaitingLine() }
        return line.filter(members.contains)
    }
}
