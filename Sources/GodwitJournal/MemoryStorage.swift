import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A simulated folder: it knows which writes a power failure would lose, fails where a test wants it to, and counts calls.
///
/// The model is a page cache of 4 KiB blocks over a disk. ``kill()`` is what the next process finds after SIGKILL, ``crash(seed:)`` what it
/// finds after a power failure. A failed sync drops the blocks it should have written: they stay readable, and no later sync writes them.
package final class MemoryStorage: Storage {
    package let name: String
    let state: Mutex<MemoryDisk>

    package convenience init(name: String = "memory") {
        self.init(name: name, disk: MemoryDisk())
    }

    init(name: String, disk: MemoryDisk) {
        self.name = name
        state = Mutex(disk)
    }

    package func lock() throws(JournalError) {
        try perform(.lock, name) { disk, _ throws(JournalError) in
            if disk.isLocked { throw .locked(folder: name, holder: getpid(), isSelf: true) }
            disk.isLocked = true
        }
    }

    package func unlock() {
        state.withLock { $0.isLocked = false }
    }

    package func list() throws(JournalError) -> [String] {
        try perform(.list, name) { disk, _ throws(JournalError) in Array(disk.entries.keys) }
    }

    package func create(_ file: String, size: Int) throws(JournalError) -> any StorageFile {
        let inode = try perform(.create, file) { disk, _ throws(JournalError) in
            guard disk.entries[file] == nil else { throw .io(call: .create, file: file, errno: EEXIST) }
            if let capacity = disk.capacity, disk.allocated + size > capacity {
                disk.faults.note(.noSpace)
                throw .io(call: .create, file: file, errno: ENOSPC)
            }
            return disk.create(file, size: size)
        }
        return MemoryFile(name: file, inode: inode, storage: self)
    }

    package func open(_ file: String) throws(JournalError) -> any StorageFile {
        let inode = try perform(.open, file) { disk, _ throws(JournalError) in
            guard let inode = disk.entries[file] else { throw .io(call: .open, file: file, errno: ENOENT) }
            return inode
        }
        return MemoryFile(name: file, inode: inode, storage: self)
    }

    package func rename(_ file: String, to new: String) throws(JournalError) {
        // What a recovery makes a segment of becomes the copy of what was only readable.
        if new.hasPrefix("segment-") { state.withLock { $0.beginCopying() } }
        try perform(.rename, file) { disk, _ throws(JournalError) in
            guard disk.entries[file] != nil else { throw .io(call: .rename, file: file, errno: ENOENT) }
            disk.change(.rename(file, new))
        }
    }

    package func delete(_ file: String) throws(JournalError) {
        try perform(.delete, file) { disk, _ throws(JournalError) in
            guard disk.entries[file] != nil else { throw .io(call: .delete, file: file, errno: ENOENT) }
            disk.change(.delete(file))
        }
    }

    package func syncDirectory() throws(JournalError) {
        try perform(.syncDirectory, name) { disk, _ throws(JournalError) in
            if !disk.ignoresSyncs, !disk.ignoresFolderSyncs { disk.syncDirectory() }
        }
    }

    /// Counts the call, lets it fail if it is its turn, and does it. The body gets the number of bytes that a short transfer may move.
    func perform<Value>(
        _ call: StorageCall,
        _ file: String,
        _ body: (inout MemoryDisk, _ limit: Int) throws(JournalError) -> Value
    ) throws(JournalError) -> Value {
        do {
            return try state.withLock { disk throws(JournalError) in
                switch disk.faults.next(call) {
                case .none: try body(&disk, disk.faults.transferLimit ?? Int.max)
                case .short(let bytes): try body(&disk, bytes)
                case .error(let number): throw .io(call: call, file: file, errno: number)
                }
            }
        } catch {
            throw error.located(in: name)
        }
    }
}

private struct MemoryFile: StorageFile {
    let name: String
    let inode: Int
    let storage: MemoryStorage

    func size() throws(JournalError) -> Int {
        try storage.perform(.size, name) { disk, _ throws(JournalError) in disk.files[inode]?.size ?? 0 }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(JournalError) -> Int {
        try storage.perform(.write, name) { disk, limit throws(JournalError) in
            let count = min(bytes.count, max(limit, 1))
            let growth = offset + count - (disk.files[inode]?.size ?? 0)
            if let capacity = disk.capacity, growth > 0, disk.allocated + growth > capacity {
                disk.faults.note(.noSpace)
                throw .io(call: .write, file: name, errno: ENOSPC)
            }
            if count < bytes.count { disk.faults.note(.shortWrite) }
            disk.files[inode]?.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: offset)
            return count
        }
    }

    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(JournalError) -> Int {
        try storage.perform(.read, name) { disk, limit throws(JournalError) in
            let count = min(bytes.count, max(limit, 1))
            if count < bytes.count { disk.faults.note(.shortRead) }
            return disk.files[inode]?.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]), at: offset) ?? 0
        }
    }

    func resize(to size: Int) throws(JournalError) {
        try storage.perform(.resize, name) { disk, _ throws(JournalError) in
            guard let old = disk.files[inode]?.size else { return }
            if let capacity = disk.capacity, size > old, disk.allocated + size - old > capacity {
                throw .io(call: .resize, file: name, errno: ENOSPC)
            }
            disk.files[inode]?.resize(to: size)
        }
    }

    func syncData() throws(JournalError) {
        do {
            try storage.perform(.sync, name) { disk, _ throws(JournalError) in
                if !disk.ignoresSyncs { disk.files[inode]?.sync() }
            }
        } catch {
            storage.state.withLock { $0.files[inode]?.dropUnsynced() }
            throw error
        }
    }
}
