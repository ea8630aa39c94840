/// Ordered groups: who stands in which, in what order. Whether a member still lives is its job's matter: one that a purge ended, and that
/// nobody has met since, keeps its place.
struct GroupTable: Sendable {
    /// A group's name in its queue.
    struct Key: Hashable, Sendable, ShardedKey {
        var queue: UInt32
        var name: [UInt8]
        var shard: Int { name.shard &+ Int(queue) }
    }

    private struct Group: Sendable {
        var key: Key
        /// Members' numbers; 0 in a place that is free.
        var head: UInt64
        var tail: UInt64
    }

    /// 16 bytes, for jobs' numbers have 48 bits.
    private struct Member: Sendable {
        var group: UInt32
        private var nextLow: UInt32
        private var previousLow: UInt32
        private var nextHigh: UInt16
        private var previousHigh: UInt16

        init(group: UInt32, previous: UInt64, next: UInt64) {
            self.group = group
            (nextLow, nextHigh) = (UInt32(truncatingIfNeeded: next), UInt16(truncatingIfNeeded: next >> 32))
            (previousLow, previousHigh) = (UInt32(truncatingIfNeeded: previous), UInt16(truncatingIfNeeded: previous >> 32))
        }

        /// The next member's number; 0 for the last one.
        var next: UInt64 {
            get { UInt64(nextHigh) << 32 | UInt64(nextLow) }
            set { (nextLow, nextHigh) = (UInt32(truncatingIfNeeded: newValue), UInt16(truncatingIfNeeded: newValue >> 32)) }
        }

        /// The number of the member before; 0 for the first one.
        var previous: UInt64 {
            get { UInt64(previousHigh) << 32 | UInt64(previousLow) }
            set { (previousLow, previousHigh) = (UInt32(truncatingIfNeeded: newValue), UInt16(truncatingIfNeeded: newValue >> 32)) }
        }
    }

    private var numbers = ShardedDictionary<Key, UInt32>()
    private var groups = ChunkedArray<Group>()
    private var free: [UInt32] = []
    private var members = ShardedDictionary<UInt64, Member>()

    init() {}

    /// How many groups have members.
    var count: Int { numbers.count }
    var memberCount: Int { members.count }

    /// The group that a job stands in.
    func group(of sequence: UInt64) -> UInt32? { members[sequence]?.group }

    /// The first member of a group that has some.
    func head(of group: UInt32) -> UInt64? {
        let head = groups[Int(group)].head
        return head == 0 ? nil : head
    }

    /// Puts a job at the back of a group; answers the group.
    @discardableResult
    mutating func append(_ sequence: UInt64, to key: Key) -> UInt32 {
        guard let group = numbers[key] else {
            let fresh = Group(key: key, head: sequence, tail: sequence)
            let group: UInt32
            if let reused = free.popLast() {
                group = reused
                groups[Int(group)] = fresh
            } else {
                group = UInt32(groups.count)
                groups.append(fresh)
            }
            numbers[key] = group
            members[sequence] = Member(group: group, previous: 0, next: 0)
            return group
        }
        let tail = groups[Int(group)].tail
        members[tail]?.next = sequence
        groups[Int(group)].tail = sequence
        members[sequence] = Member(group: group, previous: tail, next: 0)
        return group
    }

    /// Takes a member out of its group, wherever it stands; a group that has none left is forgotten.
    mutating func remove(_ sequence: UInt64) {
        guard let member = members.removeValue(forKey: sequence) else { return }
        let group = Int(member.group), (previous, next) = (member.previous, member.next)
        if previous != 0 { members[previous]?.next = next } else { groups[group].head = next }
        if next != 0 { members[next]?.previous = previous } else { groups[group].tail = previous }
        guard previous == 0, next == 0 else { return }
        numbers[groups[group].key] = nil
        groups[group] = Group(key: Key(queue: 0, name: []), head: 0, tail: 0)
        free.append(member.group)
    }

    /// Moves the first member of a group to its back.
    mutating func rotate(_ group: UInt32) {
        let (head, tail) = (groups[Int(group)].head, groups[Int(group)].tail)
        guard head != tail, let next = members[head]?.next else { return }
        groups[Int(group)].head = next
        groups[Int(group)].tail = head
        members[next]?.previous = 0
        members[tail]?.next = head
        members[head] = Member(group: group, previous: tail, next: 0)
    }

    /// Visits the members of all groups, in no particular order.
    func forEachMember(_ body: (UInt64) -> Void) { members.forEach { sequence, _ in body(sequence) } }

    /// The members of a group in order.
    func members(of key: Key) -> [UInt64] {
        guard let group = numbers[key] else { return [] }
        return members(of: group)
    }

    private func members(of group: UInt32) -> [UInt64] {
        var at = groups[Int(group)].head
        return takeMembers(from: &at, limit: .max)
    }

    /// The next members, and which one comes behind them; 0 for none.
    private func takeMembers(from at: inout UInt64, limit: Int) -> [UInt64] {
        var found: [UInt64] = []
        while at != 0, found.count < limit {
            found.append(at)
            at = members[at]?.next ?? 0
        }
        return found
    }

    // MARK: Checkpoints

    /// So many members make an item.
    private static let itemMembers = 8_192

    /// Gives what writes each group: a large one as several items, for each goes in behind the one before.
    func forEachItem(_ body: ((inout RecordWriter) -> Void) throws -> Void) rethrows {
        try numbers.forEach { key, group in
            var at = groups[Int(group)].head
            while at != 0 {
                let members = takeMembers(from: &at, limit: Self.itemMembers)
                try body { writer in
                    writer.put(key.queue)
                    writer.putBytes(key.name)
                    writer.putSequences(members)
                }
            }
        }
    }

    /// Takes up a group, or more of one.
    mutating func restore(_ reader: inout RecordReader) throws(RecordError) {
        let key = Key(queue: try reader.get(), name: Array(try reader.slice()))
        for sequence in try reader.sequences() {
            guard members[sequence] == nil else { throw .malformed("a job in two groups") }
            append(sequence, to: key)
        }
    }
}
