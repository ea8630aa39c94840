/// Which job owns which claim, while it is unfinished.
struct ClaimTable: ~Copyable {
    /// A claim in its queue, as 128 bits under the store's secret: nobody can find two claims of one key.
    struct Key: Hashable, Sendable, TableEntry {
        var high: UInt64
        var low: UInt64

        // Chance does not make it.
        var isFree: Bool { high == 0 && low == 0 }
        mutating func free() { (high, low) = (0, 0) }

        init(high: UInt64, low: UInt64) {
            self.high = high
            self.low = low
        }

        init(_ claim: [UInt8], in queue: UInt32, _ identity: StoreIdentity) {
            high = identity.secret.mac(UInt64(queue) << 8 | 1, bytes: claim)
            low = identity.secret.mac(UInt64(queue) << 8 | 2, bytes: claim)
        }
    }

    /// By the number of the owner.
    private var keys = PagedTable<Key>(dense: false)
    /// A place is an owner's number.
    private var index = PlaceIndex()

    init() {}

    var count: Int { keys.count }

    subscript(key: Key) -> UInt64? { index.find(key.high) { keys.find($0)?.pointee == key } }

    /// The claim is this job's from now on, whoever had it.
    /// - Returns: whether its number is near to others.
    @discardableResult
    mutating func insert(_ key: Key, _ sequence: UInt64) -> Bool {
        if let former = self[key] { remove(former) }
        remove(sequence)
        guard keys.insert(sequence, key) != nil else { return false }
        withIndex { $0.insert(key.high, sequence, hashOf: $1) }
        return true
    }

    /// A job gives up its claim, if it has one.
    mutating func remove(_ sequence: UInt64) {
        guard let key = keys.find(sequence)?.pointee else { return }
        withIndex { $0.remove(key.high, sequence, hashOf: $1) }
        keys.remove(sequence)
    }

    private mutating func withIndex(_ body: (inout PlaceIndex, (UInt64) -> UInt64) -> Void) {
        // Out of its place, for the keys are read meanwhile.
        var index = PlaceIndex()
        swap(&index, &self.index)
        body(&index) { keys.find($0)?.pointee.high ?? 0 }
        swap(&index, &self.index)
    }

    /// Takes away what some jobs have.
    mutating func removeAll(where hasEnded: (UInt64) -> Bool) {
        var at: UInt64 = 0
        while let sequence = keys.first(from: at) {
            at = sequence + 1
            if hasEnded(sequence) { remove(sequence) }
        }
    }

    /// Gives a part of the memory back that ended jobs have left.
    mutating func tidy(pages: Int) { if keys.needsTidying { keys.tidy(pages: pages) } }

    // MARK: Checkpoints

    mutating func snapshot() -> TableSnapshot<Key> { keys.snapshot() }
    mutating func endSnapshot() { keys.endSnapshot() }

    /// Takes up a claim.
    mutating func restore(_ reader: inout RecordReader) throws(RecordError) {
        let key = Key(high: try reader.get(), low: try reader.get()), sequence = try reader.sequence()
        guard !key.isFree, keys.find(sequence) == nil, self[key] == nil, insert(key, sequence) else {
            throw .malformed("a claim that is none")
        }
    }
}
