import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

let noSpaceErrno = ENOSPC

/// Which calls of a simulated folder fail, and how many there were.
struct MemoryFaults: Sendable {
    enum Outcome: Sendable {
        case none
        case error(Int32)
        /// The call moves at most so many bytes.
        case short(Int)
    }

    struct Planned: Sendable {
        /// nil is any call.
        var call: StorageCall?
        /// How many calls of the kind go well before.
        var remaining: Int
        var outcome: Outcome
        /// Whether all later calls of the kind meet it too.
        var stays: Bool
    }

    private var planned: [Planned] = []
    /// By the places of the calls among all; a dictionary of them would hash their names at each call.
    private var counters = [Int](repeating: 0, count: StorageCall.allCases.count)
    private(set) var total = 0
    /// The most bytes that any read or write moves.
    var transferLimit: Int?
    /// Whether what is planned waits.
    var isSuspended = false
    /// Whether all calls fail by now, as for a process that has ended.
    private(set) var isStopped = false
    var phase = StoragePhase.append
    private(set) var hits: [StorageHit: Int] = [:]

    var counts: [StorageCall: Int] {
        Dictionary(uniqueKeysWithValues: StorageCall.allCases.map { ($0, counters[$0.place]) }.filter { $0.1 > 0 })
    }

    mutating func note(_ fault: StorageFault) { hits[StorageHit(fault, phase), default: 0] += 1 }

    mutating func plan(_ call: StorageCall?, at number: Int, _ outcome: Outcome, stays: Bool) {
        planned.append(Planned(call: call, remaining: number - 1, outcome: outcome, stays: stays))
    }

    mutating func exchange(planned other: [Planned]) -> [Planned] {
        defer { planned = other }
        return planned
    }

    mutating func clear() {
        planned = []
        transferLimit = nil
        isStopped = false
    }

    /// Counts a call and says what becomes of it.
    mutating func next(_ call: StorageCall) -> Outcome {
        counters[call.place] += 1
        total += 1
        if isSuspended { return .none }
        var outcome = Outcome.none
        for index in planned.indices.reversed() where planned[index].call == nil || planned[index].call == call {
            if planned[index].remaining > 0 {
                planned[index].remaining -= 1
                continue
            }
            outcome = planned[index].outcome
            let stops = planned[index].stays && planned[index].call == nil
            if stops { isStopped = true }
            if case .error(let number) = outcome { note(StorageFault(call, errno: number, stays: stops)) }
            if !planned[index].stays { planned.remove(at: index) }
        }
        return outcome
    }
}

extension StorageCall {
    /// Its place among all.
    fileprivate var place: Int {
        switch self {
        case .lock: 0
        case .list: 1
        case .create: 2
        case .open: 3
        case .rename: 4
        case .delete: 5
        case .size: 6
        case .resize: 7
        case .write: 8
        case .read: 9
        case .sync: 10
        case .syncDirectory: 11
        }
    }
}

extension MemoryStorage {
    /// The `number`-th call of a kind from now on fails, once.
    package func fail(_ call: StorageCall, at number: Int = 1, errno: Int32 = EIO) {
        state.withLock { $0.faults.plan(call, at: number, .error(errno), stays: false) }
    }

    /// From the `number`-th call of a kind from now on all of them fail.
    package func failAll(_ call: StorageCall, from number: Int = 1, errno: Int32 = EIO) {
        state.withLock { $0.faults.plan(call, at: number, .error(errno), stays: true) }
    }

    /// The `number`-th call of any kind from now on fails, once.
    package func failAnyCall(at number: Int, errno: Int32 = EIO) {
        state.withLock { $0.faults.plan(nil, at: number, .error(errno), stays: false) }
    }

    /// From the `number`-th call on all fail, as for a process that has ended.
    package func stop(at number: Int) {
        state.withLock { $0.faults.plan(nil, at: number, .error(EIO), stays: true) }
    }

    /// The `number`-th read or write from now on moves only `bytes` bytes, once.
    package func shorten(_ call: StorageCall, at number: Int = 1, to bytes: Int) {
        state.withLock { $0.faults.plan(call, at: number, .short(bytes), stays: false) }
    }

    /// The most bytes that any read or write moves.
    package var transferLimit: Int? {
        get { state.withLock(\.faults.transferLimit) }
        set { state.withLock { $0.faults.transferLimit = newValue } }
    }

    /// From now on nothing fails.
    package func heal() {
        state.withLock { $0.faults.clear() }
    }

    /// Whether all calls fail by now, as ``stop(at:)`` planned.
    package var isStopped: Bool { state.withLock(\.faults.isStopped) }

    /// Does something while nothing fails; what is planned waits.
    package func withoutFaults<Value>(_ body: () throws -> Value) rethrows -> Value {
        state.withLock { $0.faults.isSuspended = true }
        defer { state.withLock { $0.faults.isSuspended = false } }
        return try body()
    }

    /// Does something while nothing fails but what `plan` says; what was planned before waits.
    package func withFault<Value>(_ plan: (MemoryStorage) -> Void, _ body: () throws -> Value) rethrows -> Value {
        let planned = state.withLock { $0.faults.exchange(planned: []) }
        defer { state.withLock { _ = $0.faults.exchange(planned: planned) } }
        plan(self)
        return try body()
    }

    /// Syncs succeed and do nothing: for showing that a test would notice.
    package var ignoresSyncs: Bool {
        get { state.withLock(\.ignoresSyncs) }
        set { state.withLock { $0.ignoresSyncs = newValue } }
    }

    /// Syncs of the folder succeed and do nothing.
    package var ignoresFolderSyncs: Bool {
        get { state.withLock(\.ignoresFolderSyncs) }
        set { state.withLock { $0.ignoresFolderSyncs = newValue } }
    }

    /// How many bytes all files together may have; then creating one fails with ENOSPC.
    package var capacity: Int? {
        get { state.withLock(\.capacity) }
        set { state.withLock { $0.capacity = newValue } }
    }

    /// How many bytes all files have together.
    package var allocatedBytes: Int { state.withLock(\.allocated) }

    /// The calls so far, by kind.
    package var calls: [StorageCall: Int] { state.withLock(\.faults.counts) }
    /// The calls so far.
    package var totalCalls: Int { state.withLock(\.faults.total) }

    /// What the next process finds after SIGKILL: all writes can be read, and a power failure would still lose what was not synced.
    package func kill() -> MemoryStorage {
        MemoryStorage(name: name, disk: state.withLock { $0.killed() })
    }

    /// What the next process finds after a power failure: of each block that was not synced the old, the new, a mixture or garbage; of each
    /// directory change that was not synced the state before or after it.
    package func crash(seed: UInt64) -> MemoryStorage {
        MemoryStorage(
            name: name,
            disk: state.withLock {
                var random = SplitMix64(seed: seed)
                return $0.crashed(&random)
            }
        )
    }

    /// The bytes of a file, or nil when there is none.
    package func contents(of file: String) -> [UInt8]? {
        state.withLock { disk in
            guard let inode = disk.entries[file].flatMap({ disk.files[$0] }) else { return nil }
            return [UInt8](unsafeUninitializedCapacity: inode.size) { buffer, count in
                count = inode.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
            }
        }
    }

    /// The length of a file; 0 when there is none.
    package func size(of file: String) -> Int { state.withLock { disk in disk.entries[file].flatMap { disk.files[$0]?.size } ?? 0 } }

    /// The names of all files.
    package var files: [String] { state.withLock { $0.entries.keys.sorted() } }

    /// Flips bits on the disk itself.
    package func flip(_ bits: UInt8, of file: String, at offset: Int) {
        state.withLock { disk in
            disk.faults.note(.flip)
            if let inode = disk.entries[file] { disk.files[inode]?.flip(bits, at: offset) }
        }
    }

    /// Puts another body in the place of one of a group's, with a checksum that is right for it: as if the two had come from another write.
    /// - Returns: whether there is a group with a body at the offset.
    package func replaceBody(of file: String, at offset: Int) -> Bool {
        guard var bytes = contents(of: file), offset % Block.size == 0, offset + Block.size <= bytes.count else { return false }
        let place: (start: Int, count: Int)? = bytes.withUnsafeBytes { bytes in
            let group = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            guard let base = group.baseAddress, base.number(UInt32.self, at: 0) == GroupHeader.magic else { return nil }
            var cursor = RecordCursor(group, records: base.number(UInt32.self, at: 12))
            while let (start, record) = try? cursor.next() {
                if record.bodyLength > 0 { return (offset + start, Int(record.recordBytes)) }
            }
            return nil
        }
        guard let place else { return false }
        bytes.withUnsafeMutableBytes { bytes in
            guard let record = bytes.baseAddress.map({ $0 + place.start }) else { return }
            let header = RecordHeader(reading: record), body = RecordHeader.size + Int(header.headerLength)
            record.store(UnsafeRawPointer(record).number(UInt8.self, at: body) ^ 1, at: body)
            record.store(crc32c(UnsafeRawBufferPointer(start: record + body, count: Int(header.bodyLength))), at: 8)
        }
        state.withLock { disk in
            disk.faults.note(.replacedBody)
            guard let inode = disk.entries[file] else { return }
            bytes[place.start..<place.start + place.count].withUnsafeBytes { disk.files[inode]?.rot($0, at: place.start) }
        }
        return true
    }

    /// Cuts a file short on the disk itself.
    package func truncate(_ file: String, to length: Int) {
        state.withLock { disk in
            if let inode = disk.entries[file] { disk.files[inode]?.truncate(to: length) }
        }
    }

    /// Deletes a file from the disk itself, or puts one there.
    package func replace(_ file: String, with bytes: [UInt8]?) {
        state.withLock { disk in
            disk.change(.delete(file))
            if let bytes {
                let inode = disk.create(file, size: bytes.count)
                bytes.withUnsafeBytes { disk.files[inode]?.write($0, at: 0) }
                disk.files[inode]?.sync()
            }
            disk.syncDirectory()
        }
    }
}
