/// What a ``PagedTable`` holds.
protocol TableEntry: BitwiseCopyable {
    /// Whether its place is free. All bytes zero must mean that.
    var isFree: Bool { get }
    mutating func free()
}

/// Entries by sequence number in pages of 512 numbers.
///
/// A *dense* page has a place for each of its numbers, found by division. A *compact* page is a sorted array of those that are there,
/// found by binary search. New pages are of the kind that the table is made for, compact ones grow by 1/8; a page that has much more room
/// than it needs is rewritten in the kind that suits it when ``tidy(pages:)`` comes to it. So memory follows what is live, whatever order
/// things end in.
///
/// While a snapshot is out, a page is copied before its first change: see ``snapshot()``. Pointers for reading are immutable; who wants to
/// change an entry asks for ``edit(_:)``, which does the copying.
struct PagedTable<Entry: TableEntry>: ~Copyable {
    typealias Page = TablePage<Entry>

    static var pageBits: UInt64 { 9 }
    static var spanBits: UInt64 { 9 }
    static var spanSize: Int { 1 << Int(spanBits) }
    /// Numbers are given out one after the other: far from all others there is nothing. In spans of 2^18 numbers.
    private static var longestGap: UInt64 { 1 << 20 }

    /// Whether new pages are dense.
    private let isDense: Bool
    /// The pages of each stretch of numbers; nil where there is none.
    private var spans: [UnsafeMutablePointer<Page>?] = []
    /// How many pages of each span are there.
    private var used: [Int] = []
    /// The number of the first span in `spans`.
    private var firstSpan: UInt64 = 0
    private(set) var count = 0
    /// The bytes of all pages.
    private(set) var bytes = 0
    /// An empty dense page: without it one entry after the other would allocate and free one.
    private var spare: UnsafeMutableRawPointer?

    /// What part of what a page needs it may have in vain.
    private var looseness: Int { isDense ? 8 : 16 }

    /// Counts snapshots: a page of an earlier generation is shared with the one that is out.
    private var generation: UInt32 = 0
    private(set) var isShared = false
    /// Pages that only the snapshot that is out still needs.
    private var orphans: [UnsafeMutableRawPointer] = []
    /// The page at which ``tidy(pages:)`` goes on.
    private var tidyAt: UInt64 = 0

    init(dense: Bool) { isDense = dense }

    deinit {
        for pages in spans {
            guard let pages else { continue }
            for index in 0..<Self.spanSize { pages[index].base?.deallocate() }
            pages.deallocate()
        }
        for orphan in orphans { orphan.deallocate() }
        spare?.deallocate()
    }

    // MARK: Looking up

    @inline(__always)
    private static func slot(_ sequence: UInt64) -> UInt16 { UInt16(truncatingIfNeeded: sequence & (1 << pageBits - 1)) }

    /// The page with this number, if it is there.
    @inline(__always)
    private func page(_ number: UInt64) -> UnsafeMutablePointer<Page>? {
        // A number below the first span wraps around to beyond the last.
        let index = (number >> Self.spanBits) &- firstSpan
        guard index < UInt64(spans.count), let pages = spans[Int(index)] else { return nil }
        let page = pages + Int(number & (1 << Self.spanBits - 1))
        return page.pointee.base == nil ? nil : page
    }

    /// The entry with this number, to read, valid until the table is changed.
    @inline(__always)
    func find(_ sequence: UInt64) -> UnsafePointer<Entry>? {
        guard let page = page(sequence >> Self.pageBits), let index = page.pointee.index(of: Self.slot(sequence)) else { return nil }
        return UnsafePointer(page.pointee.entries + index)
    }

    /// The entry with this number, to change, valid until an entry is added or removed. A pointer for reading that was got before may show
    /// the entry as it was.
    @inline(__always)
    mutating func edit(_ sequence: UInt64) -> UnsafeMutablePointer<Entry>? {
        guard let page = page(sequence >> Self.pageBits), let index = page.pointee.index(of: Self.slot(sequence)) else { return nil }
        if isShared { unshare(page) }
        return page.pointee.entries + index
    }

    /// The highest number below `sequence` with an entry; nil when there is none.
    func last(before sequence: UInt64) -> UInt64? {
        guard sequence > 0, !spans.isEmpty else { return nil }
        let end = (firstSpan + UInt64(spans.count)) << (Self.spanBits + Self.pageBits) - 1
        let from = min(sequence - 1, end)
        var number = from >> Self.pageBits
        while number >> Self.spanBits >= firstSpan {
            if spans[Int(number >> Self.spanBits - firstSpan)] == nil {
                number &= ~(1 << Self.spanBits - 1)
            } else if let page = page(number) {
                let slot = number == from >> Self.pageBits ? Self.slot(from) : UInt16(Page.size - 1)
                if let found = page.pointee.last(upTo: slot) { return number << Self.pageBits + UInt64(found) }
            }
            if number == 0 { return nil }
            number -= 1
        }
        return nil
    }

    /// The lowest number from `sequence` on with an entry.
    func first(from sequence: UInt64) -> UInt64? {
        let start = max(sequence, firstSpan << (Self.spanBits + Self.pageBits))
        let end = (firstSpan + UInt64(spans.count)) << Self.spanBits
        var number = start >> Self.pageBits
        while number < end {
            if spans[Int(number >> Self.spanBits - firstSpan)] == nil {
                number = (number >> Self.spanBits + 1) << Self.spanBits
                continue
            }
            if let page = page(number) {
                let slot = number == start >> Self.pageBits ? Self.slot(start) : 0
                if let found = page.pointee.first(from: slot) { return number << Self.pageBits + UInt64(found) }
            }
            number += 1
        }
        return nil
    }

    // MARK: Adding and removing

    /// Adds an entry whose number must be free.
    /// - Returns: it, valid as that of ``edit(_:)``, or nil when the number is taken, or far from all others.
    @discardableResult
    mutating func insert(_ sequence: UInt64, _ entry: Entry) -> UnsafeMutablePointer<Entry>? {
        guard let (page, span) = place(sequence >> Self.pageBits) else { return nil }
        if page.pointee.base == nil {
            page.pointee = isDense ? .dense(reusing: spare) : .compact(capacity: Page.leastCapacity)
            if isDense { spare = nil }
            page.pointee.generation = generation
            used[span] += 1
            bytes += page.pointee.bytes
        } else if isShared {
            unshare(page)
        }
        let before = page.pointee.bytes
        let inserted = page.pointee.insert(Self.slot(sequence), entry)
        bytes += page.pointee.bytes - before
        if inserted != nil { count += 1 }
        return inserted
    }

    mutating func remove(_ sequence: UInt64) {
        let number = sequence >> Self.pageBits
        guard let page = page(number), let index = page.pointee.index(of: Self.slot(sequence)) else { return }
        count -= 1
        let isLast = page.pointee.live == 1
        // Of a page that goes, nothing must be written while a snapshot reads it.
        if isLast, isShared, page.pointee.generation != generation {
            orphan(page)
            return forget(page, number)
        }
        if isShared { unshare(page) }
        page.pointee.remove(at: index)
        guard isLast, let base = page.pointee.base else { return }
        if page.pointee.isDense, spare == nil { spare = base } else { base.deallocate() }
        forget(page, number)
    }

    /// The place of a page, in a span that is there.
    private mutating func place(_ number: UInt64) -> (page: UnsafeMutablePointer<Page>, span: Int)? {
        let span = number >> Self.spanBits
        if spans.isEmpty { firstSpan = span }
        if span < firstSpan {
            guard firstSpan - span < Self.longestGap else { return nil }
            spans.insert(contentsOf: repeatElement(nil, count: Int(firstSpan - span)), at: 0)
            used.insert(contentsOf: repeatElement(0, count: Int(firstSpan - span)), at: 0)
            firstSpan = span
        }
        guard span - firstSpan < UInt64(spans.count) + Self.longestGap else { return nil }
        if span - firstSpan >= UInt64(spans.count) {
            let former = spans.count - 1
            let missing = Int(span - firstSpan) - former
            spans.append(contentsOf: repeatElement(nil, count: missing))
            used.append(contentsOf: repeatElement(0, count: missing))
            // The newest span stays though it is empty, as long as it is the newest.
            if former >= 0, used[former] == 0 { freeSpan(former) }
        }
        let index = Int(span - firstSpan)
        let pages: UnsafeMutablePointer<Page>
        if let there = spans[index] {
            pages = there
        } else {
            pages = .allocate(capacity: Self.spanSize)
            pages.initialize(repeating: Page(), count: Self.spanSize)
            spans[index] = pages
        }
        return (pages + Int(number & (1 << Self.spanBits - 1)), index)
    }

    /// A page's allocation has gone elsewhere.
    private mutating func forget(_ page: UnsafeMutablePointer<Page>, _ number: UInt64) {
        bytes -= page.pointee.bytes
        page.pointee = Page()
        let span = Int(number >> Self.spanBits - firstSpan)
        used[span] -= 1
        if used[span] == 0, span < spans.count - 1 { freeSpan(span) }
    }

    private mutating func freeSpan(_ index: Int) {
        spans[index]?.deallocate()
        spans[index] = nil
        guard index == 0 else { return }
        let empty = spans.firstIndex { $0 != nil } ?? spans.count - 1
        spans.removeFirst(empty)
        used.removeFirst(empty)
        firstSpan += UInt64(empty)
    }

    /// Adds a page whose entries were taken from a ``TableSnapshot``.
    /// - Parameters:
    ///   - slots: numbers below 512 that grow, 16 bits each.
    ///   - entries: as many, none of them free.
    /// - Returns: whether it is one; false with nothing changed when the page is there already.
    mutating func insertPage(_ number: UInt64, slots: UnsafeRawBufferPointer, entries: UnsafeRawBufferPointer) -> Bool {
        guard let (page, span) = place(number), page.pointee.base == nil else { return false }
        guard let restored = Page(slots: slots, entries: entries) else { return false }
        page.pointee = restored
        page.pointee.generation = generation
        used[span] += 1
        bytes += restored.bytes
        count += Int(restored.live)
        return true
    }

    // MARK: Tidying

    /// Whether the pages take so much more than their entries need that it is time to ``tidy(pages:)``. Pages that fill and pages that empty
    /// take some more at any time.
    var needsTidying: Bool {
        let needed = count * (MemoryLayout<Entry>.stride + MemoryLayout<UInt16>.stride)
        return bytes > needed + needed / looseness + 64 << 10
    }

    /// Looks at so many pages, and rewrites those that are loose; the newest one is left alone, for it still fills.
    mutating func tidy(pages limit: Int) {
        let end = (firstSpan + UInt64(spans.count)) << Self.spanBits
        var rest = limit
        while rest > 0 {
            rest -= 1
            if tidyAt >= end || tidyAt >> Self.spanBits < firstSpan { tidyAt = firstSpan << Self.spanBits }
            guard tidyAt < end else { return }
            guard spans[Int(tidyAt >> Self.spanBits - firstSpan)] != nil else {
                tidyAt = (tidyAt >> Self.spanBits + 1) << Self.spanBits
                continue
            }
            defer { tidyAt += 1 }
            guard let page = page(tidyAt), page.pointee.isLoose(by: looseness), !isDense || tidyAt != newestPage else { continue }
            let rewritten = page.pointee.tidied()
            bytes += rewritten.bytes - page.pointee.bytes
            orphan(page)
            page.pointee = rewritten
            page.pointee.generation = generation
        }
    }

    /// The number of the page with the highest entry.
    private var newestPage: UInt64? { last(before: .max).map { $0 >> Self.pageBits } }

    /// How many pages take memory.
    var pagesInUse: Int { used.reduce(0, +) }

    // MARK: Snapshots

    /// All pages as they are now, for another thread to read until ``endSnapshot()``; one at a time. The pages themselves are not copied: from
    /// now on each is before its first change.
    mutating func snapshot() -> TableSnapshot<Entry> {
        precondition(!isShared, "one snapshot at a time")
        isShared = true
        generation += 1
        var pages: [TableSnapshot<Entry>.Page] = []
        pages.reserveCapacity(pagesInUse)
        for (index, span) in spans.enumerated() {
            guard let span, used[index] > 0 else { continue }
            for offset in 0..<Self.spanSize where span[offset].base != nil {
                let number = (firstSpan + UInt64(index)) << Self.spanBits + UInt64(offset)
                pages.append(TableSnapshot.Page(first: number << Self.pageBits, span[offset]))
            }
        }
        return TableSnapshot(pages: pages, count: count)
    }

    /// Nobody reads the snapshot any more.
    mutating func endSnapshot() {
        isShared = false
        for orphan in orphans { orphan.deallocate() }
        orphans = []
    }

    @inline(__always)
    private mutating func unshare(_ page: UnsafeMutablePointer<Page>) {
        if page.pointee.generation != generation { copy(page) }
    }

    private mutating func copy(_ page: UnsafeMutablePointer<Page>) {
        let copy = page.pointee.copied()
        orphan(page)
        page.pointee = copy
        page.pointee.generation = generation
    }

    /// Lets go of a page's allocation: the snapshot that is out may still read it.
    private mutating func orphan(_ page: UnsafeMutablePointer<Page>) {
        guard let base = page.pointee.base else { return }
        if isShared, page.pointee.generation != generation { orphans.append(base) } else { base.deallocate() }
    }
}

/// The entries of a ``PagedTable`` as they were when it was taken; for any thread, until the table's ``PagedTable/endSnapshot()``.
struct TableSnapshot<Entry: TableEntry>: Sendable {
    struct Page: Sendable {
        /// The number of its first slot.
        let first: UInt64
        /// Its address, for a pointer may not go to other threads; nobody writes to what is there.
        private let address: UInt
        private let count: Int
        private let capacity: Int
        private let isDense: Bool

        init(first: UInt64, _ page: TablePage<Entry>) {
            self.first = first
            address = UInt(bitPattern: page.base)
            count = Int(page.count)
            capacity = Int(page.capacity)
            isDense = page.isDense
        }

        /// The entry with this number.
        fileprivate func find(_ sequence: UInt64) -> Entry? {
            guard sequence - first < UInt64(TablePage<Entry>.size), let (entries, slots) = parts else { return nil }
            let slot = UInt16(sequence - first)
            var index = Int(slot)
            if !isDense {
                var high = count
                index = 0
                while index < high {
                    let middle = (index + high) / 2
                    if slots[middle] < slot { index = middle + 1 } else { high = middle }
                }
                guard index < count, slots[index] == slot else { return nil }
            }
            return entries[index].isFree ? nil : entries[index]
        }

        private var parts: (entries: UnsafePointer<Entry>, slots: UnsafePointer<UInt16>)? {
            // Only pages that are there are in a snapshot.
            guard let base = UnsafeRawPointer(bitPattern: address) else { return nil }
            let slots = (base + capacity * MemoryLayout<Entry>.stride).assumingMemoryBound(to: UInt16.self)
            return (base.assumingMemoryBound(to: Entry.self), slots)
        }

        /// Visits its entries in order.
        func forEach(_ body: (UInt64, UnsafePointer<Entry>) throws -> Void) rethrows {
            guard let (entries, slots) = parts else { return }
            for index in 0..<count where !entries[index].isFree {
                try body(first + (isDense ? UInt64(index) : UInt64(slots[index])), entries + index)
            }
        }
    }

    let pages: [Page]
    /// How many entries there are.
    let count: Int

    /// The entry with this number.
    func find(_ sequence: UInt64) -> Entry? {
        var low = 0, high = pages.count
        while low < high {
            let middle = (low + high) / 2
            if pages[middle].first <= sequence { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : pages[low - 1].find(sequence)
    }

    /// Visits all entries in the order of their numbers.
    func forEach(_ body: (UInt64, UnsafePointer<Entry>) throws -> Void) rethrows {
        for page in pages { try page.forEach(body) }
    }
}
