/// Ordered groups: who stands in which, in what order. Whether a member still lives is its job's matter: one that a purge ended, and that
/// nobody has met since, keeps its place.
struct GroupTable: ~Copyable {
    /// A group's name in its queue.
    struct Key: Hashable, Sendable {
        var queue: UInt32
        var name: [UInt8]
        fileprivate var hash: UInt64 {
            var hasher = Hasher()
            hash(into: &hasher)
            return UInt64(bitPattern: Int64(hasher.finalize()))
        }
    }

    /// The numbers of a group's first and last member; 0 when it has none, and is free.
    fileprivate struct Ends: BitwiseCopyable {
        private var packedHead: Packed48
        private var packedTail: Packed48

        init(head: UInt64, tail: UInt64) { (packedHead, packedTail) = (Packed48(head), Packed48(tail)) }

        var head: UInt64 {
            get { packedHead.number }
            set { packedHead = Packed48(newValue) }
        }
        var tail: UInt64 {
            get { packedTail.number }
            set { packedTail = Packed48(newValue) }
        }
    }

    /// 16 bytes, for jobs' numbers have 48 bits.
    struct Member: Sendable, TableEntry {
        /// Its group, plus one; 0 for a free place.
        private var place: UInt32
        private var packedNext: Packed48
        private var packedPrevious: Packed48

        fileprivate init(group: UInt32, previous: UInt64, next: UInt64) {
            place = group + 1
            (packedPrevious, packedNext) = (Packed48(previous), Packed48(next))
        }

        var isFree: Bool { place == 0 }
        mutating func free() { place = 0 }

        fileprivate var group: UInt32 { place - 1 }

        /// The next member's number; 0 for the last one.
        fileprivate var next: UInt64 {
            get { packedNext.number }
            set { packedNext = Packed48(newValue) }
        }

        /// The number of the member before; 0 for the first one.
        fileprivate var previous: UInt64 {
            get { packedPrevious.number }
            set { packedPrevious = Packed48(newValue) }
        }
    }

    /// Groups by their numbers. What changes with each member lies apart, so that a snapshot has little of it copied.
    private var keys = ChunkedArray<Key>()
    private var ends = ChunkedArray<Ends>()
    private var free: [UInt32] = []
    /// A place is a group's number, plus one.
    private var index = PlaceIndex()
    /// How many groups have members.
    private(set) var count = 0
    private var members = PagedTable<Member>(dense: false)

    init() {}

    var memberCount: Int { members.count }

    /// The group that a job stands in.
    func group(of sequence: UInt64) -> UInt32? { members.find(sequence)?.pointee.group }

    /// The first member of a group that has some.
    func head(of group: UInt32) -> UInt64? {
        let head = ends[Int(group)].head
        return head == 0 ? nil : head
    }

    private func group(_ key: Key) -> UInt32? {
        index.find(key.hash) { keys[Int($0 - 1)] == key }.map { UInt32($0 - 1) }
    }

    private mutating func withIndex(_ body: (inout PlaceIndex, (UInt64) -> UInt64) -> Void) {
        // Out of its place, for the keys are read meanwhile.
        var index = PlaceIndex()
        swap(&index, &self.index)
        body(&index) { keys[Int($0 - 1)].hash }
        swap(&index, &self.index)
    }

    private mutating func makeGroup(_ key: Key, _ ends: Ends) -> UInt32 {
        let group: UInt32
        if let reused = free.popLast() {
            group = reused
            keys[Int(group)] = key
            self.ends[Int(group)] = ends
        } else {
            group = UInt32(keys.count)
            keys.append(key)
            self.ends.append(ends)
        }
        withIndex { $0.insert(key.hash, UInt64(group) + 1, hashOf: $1) }
        count += 1
        return group
    }

    /// Puts a job at the back of a group, which is made for it if need be; it must be in none. Answers the group, or nil when its number
    /// is far from all others.
    @discardableResult
    mutating func append(_ sequence: UInt64, to key: Key) -> UInt32? {
        let known = group(key), tail = known.map { ends[Int($0)].tail } ?? 0
        let group = known ?? makeGroup(key, Ends(head: sequence, tail: sequence))
        guard members.insert(sequence, Member(group: group, previous: tail, next: 0)) != nil else {
            if known == nil { forget(group) }
            return nil
        }
        if tail != 0 {
            members.edit(tail)?.pointee.next = sequence
            ends[Int(group)].tail = sequence
        }
        return group
    }

    /// Takes a member out of its group, wherever it stands; a group that has none left is forgotten.
    mutating func remove(_ sequence: UInt64) {
        guard let member = members.find(sequence)?.pointee else { return }
        members.remove(sequence)
        let group = Int(member.group), (previous, next) = (member.previous, member.next)
        if previous != 0 { members.edit(previous)?.pointee.next = next } else { ends[group].head = next }
        if next != 0 { members.edit(next)?.pointee.previous = previous } else { ends[group].tail = previous }
        if previous == 0, next == 0 { forget(member.group) }
    }

    private mutating func forget(_ group: UInt32) {
        let hash = keys[Int(group)].hash
        withIndex { $0.remove(hash, UInt64(group) + 1, hashOf: $1) }
        keys[Int(group)] = Key(queue: 0, name: [])
        ends[Int(group)] = Ends(head: 0, tail: 0)
        free.append(group)
        count -= 1
    }

    /// Moves the first member of a group to its back.
    mutating func rotate(_ group: UInt32) {
        let (head, tail) = (ends[Int(group)].head, ends[Int(group)].tail)
        guard head != tail, let next = members.find(head)?.pointee.next else { return }
        ends[Int(group)] = Ends(head: next, tail: head)
        members.edit(next)?.pointee.previous = 0
        members.edit(tail)?.pointee.next = head
        members.edit(head)?.pointee = Member(group: group, previous: tail, next: 0)
    }

    /// Visits the members of all groups in the order of their numbers.
    func forEachMember(_ body: (UInt64) -> Void) {
        var at: UInt64 = 0
        while let sequence = members.first(from: at) {
            body(sequence)
            at = sequence + 1
        }
    }

    /// The members of a group in order.
    func members(of key: Key) -> [UInt64] {
        var found: [UInt64] = [], at = group(key).map { ends[Int($0)].head } ?? 0
        while at != 0 {
            found.append(at)
            at = members.find(at)?.pointee.next ?? 0
        }
        return found
    }

    /// Gives a part of the memory back that ended jobs have left.
    mutating func tidy(pages: Int) { if members.needsTidying { members.tidy(pages: pages) } }

    // MARK: Checkpoints

    mutating func snapshot() -> GroupSnapshot { GroupSnapshot(keys: keys, ends: ends, members: members.snapshot()) }
    mutating func endSnapshot() { members.endSnapshot() }

    /// Takes up a group, or more of one.
    mutating func restore(_ reader: inout RecordReader) throws(RecordError) {
        let key = Key(queue: try reader.get(), name: Array(try reader.slice()))
        for sequence in try reader.sequences() {
            guard members.find(sequence) == nil else { throw .malformed("a job in two groups") }
            guard append(sequence, to: key) != nil else { throw .malformed("a job far from all others") }
        }
    }
}

/// The groups of a ``GroupTable`` as they were; until the table's ``GroupTable/endSnapshot()``.
struct GroupSnapshot: Sendable {
    fileprivate let keys: ChunkedArray<GroupTable.Key>
    fileprivate let ends: ChunkedArray<GroupTable.Ends>
    fileprivate let members: TableSnapshot<GroupTable.Member>

    var memberCount: Int { members.count }

    /// So many members make an item.
    private static let itemMembers = 8_192

    /// Gives what writes each group: a large one as several items, for each goes in behind the one before.
    func forEachItem(_ body: ((inout RecordWriter) -> Void) throws -> Void) rethrows {
        for group in keys.indices {
            let key = keys[group]
            var at = ends[group].head
            while at != 0 {
                var some: [UInt64] = []
                while at != 0, some.count < Self.itemMembers {
                    some.append(at)
                    at = members.find(at)?.next ?? 0
                }
                try body { writer in
                    writer.put(key.queue)
                    writer.putBytes(key.name)
                    writer.putSequences(some)
                }
            }
        }
    }
}
