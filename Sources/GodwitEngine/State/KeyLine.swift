import DequeModule

/// An idempotency key in its queue, as 96 bits under the store's secret: nobody can find two keys of one mark, and among a million chance does
/// with a probability of 10^-17.
struct KeyMark: Hashable, Sendable, BitwiseCopyable {
    // 4 bytes each, so that an entry wants no alignment to 8.
    let high: UInt32
    let middle: UInt32
    let low: UInt32

    init(high: UInt64, low: UInt32) {
        self.high = UInt32(truncatingIfNeeded: high >> 32)
        middle = UInt32(truncatingIfNeeded: high)
        self.low = low
    }

    init(_ key: [UInt8], in queue: UInt32, _ identity: StoreIdentity) {
        self.init(
            high: identity.secret.mac(UInt64(queue) << 8 | 5, bytes: key),
            low: UInt32(truncatingIfNeeded: identity.secret.mac(UInt64(queue) << 8 | 6, bytes: key))
        )
    }

    var hash: UInt64 { UInt64(high) << 32 | UInt64(middle) }
}

/// What a key was used for, as 32 bits under the store's secret; another one is another request.
struct FingerprintMark: Equatable, Sendable, BitwiseCopyable {
    /// 0 for none.
    let bits: UInt32

    init(bits: UInt32) { self.bits = bits }

    init(_ fingerprint: UInt64?, _ identity: StoreIdentity) {
        bits = fingerprint.map { max(1, UInt32(truncatingIfNeeded: identity.secret.mac(7, $0, 0))) } ?? 0
    }

    /// Whether both are there and differ.
    func contradicts(_ other: FingerprintMark) -> Bool { bits != 0 && other.bits != 0 && bits != other.bits }
}

/// The keys of a queue in the order in which they were recorded: 24 bytes each, in pages, so that a snapshot shares all but the last. Each has
/// a place, a number that grows and stays its own.
struct KeyLine: Sendable {
    struct Entry: Sendable {
        var mark: KeyMark
        var fingerprint: FingerprintMark
        /// The job that it made.
        var sequence: UInt64
        /// Engine time at which it was recorded.
        var at: Int64
    }

    /// An entry, with differences to its page.
    private struct Stored: BitwiseCopyable {
        var mark: KeyMark
        var fingerprint: FingerprintMark
        var sequence: Int32
        /// ``gone`` for one that does not count any more.
        var at: UInt32

        static let gone = UInt32.max
    }

    private struct Page {
        let sequence: UInt64
        let at: Int64
        var keys: [Stored] = []

        func entry(_ index: Int) -> Entry? {
            let key = keys[index]
            guard key.at != Stored.gone else { return nil }
            let sequence = sequence &+ UInt64(bitPattern: Int64(key.sequence))
            return Entry(mark: key.mark, fingerprint: key.fingerprint, sequence: sequence, at: at + Int64(key.at))
        }

        /// Adds an entry; answers whether it is near enough, and there was room.
        mutating func append(_ entry: Entry) -> Bool {
            guard keys.count < KeyLine.pageSize, let sequence = Int32(exactly: Int64(bitPattern: entry.sequence &- sequence)),
                let at = UInt32(exactly: entry.at - at), at != Stored.gone
            else { return false }
            // Doubling would make room for twice as many as there may be.
            if keys.count == keys.capacity, keys.count >= 48 { keys.reserveCapacity(KeyLine.pageSize) }
            keys.append(Stored(mark: entry.mark, fingerprint: entry.fingerprint, sequence: sequence, at: at))
            return true
        }
    }

    private static let pageSize = 512
    private var pages = Deque<Page>()
    /// The number of the first page. Places are never 0.
    private var firstPage: UInt64 = 1
    /// How many of the first page are gone.
    private var taken = 0
    private(set) var count = 0

    init() {}

    /// The place of the next one that is appended, if that fits the last page.
    private var end: UInt64 {
        guard let last = pages.last else { return firstPage * UInt64(Self.pageSize) }
        return (firstPage + UInt64(pages.count - 1)) * UInt64(Self.pageSize) + UInt64(last.keys.count)
    }

    private func locate(_ place: UInt64) -> (page: Int, index: Int)? {
        let page = Int(place / UInt64(Self.pageSize)) - Int(firstPage), index = Int(place % UInt64(Self.pageSize))
        guard page >= 0, page < pages.count, index < pages[page].keys.count, page > 0 || index >= taken else { return nil }
        return (page, index)
    }

    /// What is at a place; nil when it has gone.
    subscript(place: UInt64) -> Entry? { locate(place).flatMap { pages[$0.page].entry($0.index) } }

    /// The mark of what is at a place; nil when it has gone.
    @inline(__always)
    func mark(at place: UInt64) -> KeyMark? {
        guard let (page, index) = locate(place), pages[page].keys[index].at != Stored.gone else { return nil }
        return pages[page].keys[index].mark
    }

    /// Adds a key at the end; answers its place.
    mutating func append(_ entry: Entry) -> UInt64 {
        count += 1
        let place = end
        if !pages.isEmpty, pages[pages.count - 1].append(entry) { return place }
        pages.append(Page(sequence: entry.sequence, at: entry.at))
        let first = end
        _ = pages[pages.count - 1].append(entry)
        return first
    }

    /// The oldest.
    var first: Entry? { count == 0 ? nil : pages[0].entry(taken) }
    var firstPlace: UInt64 { firstPage * UInt64(Self.pageSize) + UInt64(taken) }

    mutating func removeFirst() {
        precondition(count > 0, "the line is empty")
        count -= 1
        take()
        dropGone()
    }

    /// One counts no more, wherever it stands; its place is given back when it is the oldest.
    mutating func forget(_ place: UInt64) {
        guard let (page, index) = locate(place), pages[page].keys[index].at != Stored.gone else { return }
        pages[page].keys[index].at = Stored.gone
        count -= 1
        dropGone()
    }

    private mutating func take() {
        taken += 1
        guard taken == pages[0].keys.count else { return }
        taken = 0
        firstPage += 1
        pages.removeFirst()
    }

    private mutating func dropGone() {
        while let page = pages.first, page.entry(taken) == nil { take() }
    }

    /// Visits all, oldest first, until `body` says that it is enough.
    func forEach(_ body: (Entry) throws -> Bool) rethrows {
        var skip = taken
        for page in pages {
            for index in skip..<page.keys.count {
                if let entry = page.entry(index), try !body(entry) { return }
            }
            skip = 0
        }
    }

    /// The bytes that its entries take.
    var bytes: Int { pages.reduce(0) { $0 + MemoryLayout<Page>.stride + $1.keys.capacity * MemoryLayout<Stored>.stride } }
}
