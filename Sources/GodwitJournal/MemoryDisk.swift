/// The state of a simulated folder: files by inode, and which directory entries are durable.
struct MemoryDisk: Sendable {
    /// A change of the folder that is not durable yet.
    enum Change: Sendable {
        case create(String, Int)
        case rename(String, String)
        case delete(String)
    }

    var files: [Int: MemoryInode] = [:]
    var entries: [String: Int] = [:]
    private var durableEntries: [String: Int] = [:]
    private var changes: [Change] = []
    private var nextInode = 1

    var isLocked = false
    var ignoresSyncs = false
    var ignoresFolderSyncs = false
    /// How many bytes all files together may have.
    var capacity: Int?
    var faults = MemoryFaults()

    var allocated: Int { entries.values.reduce(0) { $0 + (files[$1]?.size ?? 0) } }

    mutating func create(_ file: String, size: Int) -> Int {
        defer { nextInode += 1 }
        files[nextInode] = MemoryInode(size: size)
        change(.create(file, nextInode))
        return nextInode
    }

    mutating func change(_ change: Change) {
        Self.apply(change, to: &entries)
        changes.append(change)
    }

    private static func apply(_ change: Change, to entries: inout [String: Int]) {
        switch change {
        case .create(let name, let inode): entries[name] = inode
        case .rename(let old, let new):
            // a rename whose creation was lost has nothing to rename
            if let inode = entries.removeValue(forKey: old) { entries[new] = inode }
        case .delete(let name): entries[name] = nil
        }
    }

    /// A file becomes a segment: in the recovery of a store, to copy into it.
    mutating func beginCopying() {
        if faults.phase == .recovery, entries.keys.contains(where: { $0.hasPrefix("segment-") }) { faults.phase = .copying }
    }

    mutating func syncDirectory() {
        durableEntries = entries
        changes = []
    }

    /// What the next process finds: everything readable is, what was not durable still is not.
    func killed() -> MemoryDisk {
        var next = self
        next.isLocked = false
        next.faults = MemoryFaults()
        next.faults.phase = faults.phase
        next.faults.note(.kill)
        return next
    }

    /// What a power failure leaves.
    func crashed(_ random: inout some RandomNumberGenerator) -> MemoryDisk {
        // how much got to the disk differs from crash to crash: nothing, everything, and all between
        let survival = [0, 100, 50, Int.random(in: 1..<100, using: &random)].randomElement(using: &random) ?? 50
        var next = MemoryDisk()
        next.ignoresSyncs = ignoresSyncs
        next.ignoresFolderSyncs = ignoresFolderSyncs
        next.capacity = capacity
        next.nextInode = nextInode
        next.faults.phase = faults.phase
        next.faults.note(.powerFailure)
        next.entries = durableEntries
        for change in changes {
            if Int.random(in: 0..<100, using: &random) < survival {
                Self.apply(change, to: &next.entries)
            } else {
                next.faults.note(.lostEntry)
            }
        }
        next.durableEntries = next.entries
        for inode in next.entries.values.sorted() {
            next.files[inode] = files[inode]?.crashed(survival: survival, &next.faults, &random)
        }
        return next
    }
}

/// A simulated file: sparse blocks, and what the disk has of those that were written since the last sync.
struct MemoryInode: Sendable {
    private struct Unsynced {
        /// The block on disk; nil is zeros.
        var durable: [UInt8]?
        /// A failed sync dropped it: no later sync writes it.
        var isDropped = false
    }

    var size: Int
    private var durableSize = 0
    private var blocks: [Int: [UInt8]] = [:]
    private var unsynced: [Int: Unsynced] = [:]

    init(size: Int) { self.size = size }

    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        size = max(size, offset + bytes.count)
        var done = 0
        while done < bytes.count {
            let (block, start) = (offset + done).quotientAndRemainder(dividingBy: Block.size)
            let count = min(Block.size - start, bytes.count - done)
            defer { done += count }
            // zeros over zeros need no memory: prepared segments are full of them
            if blocks[block] == nil, isZero(UnsafeRawBufferPointer(rebasing: bytes[done..<done + count])) { continue }
            let source = UnsafeRawBufferPointer(rebasing: bytes[done..<done + count])
            if unsynced[block] == nil { unsynced[block] = Unsynced(durable: blocks[block]) }
            unsynced[block]?.isDropped = false
            if count == Block.size {
                blocks[block] = [UInt8](source)
            } else {
                // in place: only what the disk holds is to stay as it is
                blocks[block, default: Self.zeros].withUnsafeMutableBytes {
                    UnsafeMutableRawBufferPointer(rebasing: $0[start..<start + count]).copyMemory(from: source)
                }
            }
        }
    }

    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        let available = max(0, min(bytes.count, size - offset))
        var done = 0
        while done < available {
            let (block, start) = (offset + done).quotientAndRemainder(dividingBy: Block.size)
            let count = min(Block.size - start, available - done)
            let target = UnsafeMutableRawBufferPointer(rebasing: bytes[done..<done + count])
            if let content = blocks[block] {
                content.withUnsafeBytes { target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + count])) }
            } else {
                target.initializeMemory(as: UInt8.self, repeating: 0)
            }
            done += count
        }
        return available
    }

    mutating func sync() {
        unsynced = unsynced.filter(\.value.isDropped)
        durableSize = size
    }

    mutating func dropUnsynced() {
        for block in unsynced.keys { unsynced[block]?.isDropped = true }
    }

    func crashed(survival: Int, _ faults: inout MemoryFaults, _ random: inout some RandomNumberGenerator) -> MemoryInode {
        var next = self
        next.unsynced = [:]
        var isAnyLost = false
        for (block, old) in unsynced.sorted(by: { $0.key < $1.key }) {
            switch Fate(survival: survival, &random) {
            case .new:
                if isAnyLost { faults.note(.reordered) }
            case .old:
                isAnyLost = true
                faults.note(.lostBlock)
                next.blocks[block] = old.durable
            case .garbage:
                faults.note(.tornBlock)
                next.blocks[block] = Self.garbage(&random)
            case .sectors(let count):
                faults.note(.tornBlock)
                let zeros = [UInt8](repeating: 0, count: Block.size), cut = count * Self.sector
                next.blocks[block] = Array((blocks[block] ?? zeros)[..<cut] + (old.durable ?? zeros)[cut...])
            }
        }
        next.size = Int.random(in: 0..<100, using: &random) < survival ? size : durableSize
        next.durableSize = next.size
        return next
    }

    private static let zeros = [UInt8](repeating: 0, count: Block.size)
    private static let sector = 512

    /// What becomes of a block that was being written when the power failed.
    private enum Fate {
        case new, old, garbage
        /// So many sectors of the new one, then the old one's.
        case sectors(Int)

        init(survival: Int, _ random: inout some RandomNumberGenerator) {
            switch Int.random(in: 0..<10, using: &random) {
            case 0: self = .garbage
            case 1: self = .sectors(Int.random(in: 1..<Block.size / sector, using: &random))
            default: self = Int.random(in: 0..<100, using: &random) < survival ? .new : .old
            }
        }
    }

    private static func garbage(_ random: inout some RandomNumberGenerator) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Block.size) { buffer, count in
            for offset in stride(from: 0, to: Block.size, by: 8) {
                UnsafeMutableRawBufferPointer(buffer).storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
            }
            count = Block.size
        }
    }

    /// Changes a byte on the disk itself, as rot does.
    mutating func flip(_ bits: UInt8, at offset: Int) {
        let (block, start) = offset.quotientAndRemainder(dividingBy: Block.size)
        var content = blocks[block] ?? [UInt8](repeating: 0, count: Block.size)
        content[start] ^= bits
        blocks[block] = content
        unsynced[block] = nil
    }

    /// Changes bytes on the disk itself.
    mutating func rot(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        write(bytes, at: offset)
        for block in offset / Block.size...(offset + bytes.count - 1) / Block.size { unsynced[block] = nil }
    }

    /// Changes the length; what a longer file gains is zeros.
    mutating func resize(to length: Int) {
        for block in blocks.keys where block * Block.size >= length {
            if unsynced[block] == nil { unsynced[block] = Unsynced(durable: blocks[block]) }
            blocks[block] = nil
        }
        size = length
    }

    mutating func truncate(to length: Int) {
        size = length
        durableSize = length
        blocks = blocks.filter { $0.key * Block.size < length }
    }
}
