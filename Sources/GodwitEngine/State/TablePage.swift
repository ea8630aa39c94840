/// A page of a ``PagedTable``: its entries lie in one allocation, those of a compact page with their slots behind them.
struct TablePage<Entry: TableEntry>: BitwiseCopyable {
    /// Nil when there is no page.
    private(set) var base: UnsafeMutableRawPointer?
    /// The snapshot count when it was made or copied.
    var generation: UInt32 = 0
    private(set) var live: UInt16 = 0
    /// How many entries there are, free ones included; of a dense page, all its places.
    private(set) var count: UInt16 = 0
    private(set) var capacity: UInt16 = 0
    private(set) var isDense = false

    static var size: Int { 512 }
    static var leastCapacity: Int { 8 }

    init() {}

    /// - Parameter base: an allocation of a dense page whose entries are all free; nil to make one.
    static func dense(reusing base: UnsafeMutableRawPointer? = nil) -> TablePage {
        var page = TablePage()
        page.isDense = true
        page.capacity = UInt16(size)
        page.count = UInt16(size)
        page.base = base
        if base == nil {
            let bytes = page.bytes
            let fresh = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 8)
            fresh.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
            page.base = fresh
        }
        return page
    }

    static func compact(capacity: Int) -> TablePage {
        var page = TablePage()
        page.capacity = UInt16(min(capacity, size))
        page.base = .allocate(byteCount: page.bytes, alignment: 8)
        return page
    }

    /// A page of entries as they lay in another one; nil when they are none. The kind is the one that suits them.
    init?(slots: UnsafeRawBufferPointer, entries: UnsafeRawBufferPointer) {
        let count = slots.count / 2
        guard count > 0, count <= Self.size, entries.count == count * MemoryLayout<Entry>.stride else { return nil }
        func slot(_ index: Int) -> UInt16 { UInt16(littleEndian: slots.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)) }
        func entry(_ index: Int) -> Entry {
            entries.loadUnaligned(fromByteOffset: index * MemoryLayout<Entry>.stride, as: Entry.self)
        }
        var previous = -1
        for index in 0..<count {
            guard Int(slot(index)) > previous, Int(slot(index)) < Self.size, !entry(index).isFree else { return nil }
            previous = Int(slot(index))
        }
        let compactBytes = count * (MemoryLayout<Entry>.stride + MemoryLayout<UInt16>.stride)
        var page = compactBytes < Self.denseBytes ? Self.compact(capacity: count) : Self.dense()
        for index in 0..<count { _ = page.insert(slot(index), entry(index)) }
        self = page
    }

    /// The bytes of its allocation.
    var bytes: Int {
        Int(capacity) * (isDense ? MemoryLayout<Entry>.stride : MemoryLayout<Entry>.stride + MemoryLayout<UInt16>.stride)
    }

    /// The entries; only of a page that is there.
    var entries: UnsafeMutablePointer<Entry> {
        // Whoever asks has looked for the page.
        base.unsafelyUnwrapped.assumingMemoryBound(to: Entry.self)
    }

    /// The slots of a compact page's entries.
    private var slots: UnsafeMutablePointer<UInt16> {
        (base.unsafelyUnwrapped + Int(capacity) * MemoryLayout<Entry>.stride).assumingMemoryBound(to: UInt16.self)
    }

    /// Where the entry of a slot is; nil when there is none.
    @inline(__always)
    func index(of slot: UInt16) -> Int? {
        let index = isDense ? Int(slot) : lowerBound(slot)
        guard isDense || index < Int(count) && slots[index] == slot else { return nil }
        return entries[index].isFree ? nil : index
    }

    /// The slot of the entry at an index.
    func slot(at index: Int) -> UInt16 { isDense ? UInt16(index) : slots[index] }

    /// The highest slot with an entry, up to this one.
    func last(upTo slot: UInt16) -> UInt16? {
        var index = isDense ? Int(slot) : lowerBound(slot + 1) - 1
        while index >= 0 {
            if !entries[index].isFree { return self.slot(at: index) }
            index -= 1
        }
        return nil
    }

    /// The lowest slot with an entry, from this one on.
    func first(from slot: UInt16) -> UInt16? {
        var index = lowerBound(slot)
        while index < Int(count) {
            if !entries[index].isFree { return self.slot(at: index) }
            index += 1
        }
        return nil
    }

    /// The first index whose slot is not below `slot`.
    func lowerBound(_ slot: UInt16) -> Int {
        if isDense { return Int(slot) }
        // Most come and go at the ends.
        if count == 0 || slots[Int(count) - 1] < slot { return Int(count) }
        var low = 0, high = Int(count)
        while low < high {
            let middle = (low + high) / 2
            if slots[middle] < slot { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Adds an entry; nil when its slot is taken.
    mutating func insert(_ slot: UInt16, _ entry: Entry) -> UnsafeMutablePointer<Entry>? {
        var index = lowerBound(slot)
        if isDense || index < Int(count) && slots[index] == slot {
            guard entries[index].isFree else { return nil }
            entries[index] = entry
        } else {
            if count == capacity {
                grow()
                index = lowerBound(slot)
            }
            if index < Int(count) {
                (entries + index + 1).update(from: entries + index, count: Int(count) - index)
                (slots + index + 1).update(from: slots + index, count: Int(count) - index)
            }
            (entries + index).initialize(to: entry)
            (slots + index).initialize(to: slot)
            count += 1
        }
        live += 1
        return entries + index
    }

    mutating func remove(at index: Int) {
        entries[index].free()
        live -= 1
    }

    /// Makes room for 1/8 more, and gathers out what is free.
    private mutating func grow() {
        let needed = Int(live) + 1
        replace(with: compacted(capacity: max(needed + needed / 8, Int(live) + Self.leastCapacity)))
    }

    /// A compact page with what is live, which owns an allocation of its own.
    private func compacted(capacity: Int) -> TablePage {
        var page = TablePage.compact(capacity: capacity)
        page.generation = generation
        let to = page.entries, slotsTo = page.slots
        var at = 0
        for index in 0..<Int(count) where !entries[index].isFree {
            (to + at).initialize(to: entries[index])
            (slotsTo + at).initialize(to: slot(at: index))
            at += 1
        }
        page.count = UInt16(at)
        page.live = UInt16(at)
        return page
    }

    /// A page with what is live that takes as little memory as can be, and owns an allocation of its own.
    func tidied() -> TablePage {
        guard fewestBytes == TablePage.denseBytes else { return compacted(capacity: Int(live)) }
        var page = TablePage.dense()
        page.generation = generation
        for index in 0..<Int(count) where !entries[index].isFree { page.entries[Int(slot(at: index))] = entries[index] }
        page.live = live
        return page
    }

    /// The same entries in an allocation of its own.
    func copied() -> TablePage {
        var page = self
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 8)
        fresh.copyMemory(from: base.unsafelyUnwrapped, byteCount: bytes)
        page.base = fresh
        return page
    }

    /// Takes another page's place; its own allocation goes.
    private mutating func replace(with page: TablePage) {
        base?.deallocate()
        self = page
    }

    private static var denseBytes: Int { size * MemoryLayout<Entry>.stride }
    /// What its live entries need in the kind of page that suits them.
    private var fewestBytes: Int {
        min(Int(live) * (MemoryLayout<Entry>.stride + MemoryLayout<UInt16>.stride), Self.denseBytes)
    }

    /// Whether so much of it is free that it is worth rewriting: a part of what is needed, and a little.
    func isLoose(by part: Int) -> Bool { bytes > fewestBytes + fewestBytes / part + 32 }
}
