import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A folder of the file system.
///
/// One process has it at a time: `flock` on the file `lock`, which holds the pid of the last process that took it. The lock ends with the
/// process, however it ends, and no program that it starts inherits it.
package final class FileStorage: Storage {
    package let name: String
    /// Whether nothing is ever changed: not even the folder or its lock file is made.
    private let isReadOnly: Bool
    private let held = Mutex(Held())

    private struct Held {
        var lock: Descriptor?
        /// The folder itself, so that to sync its entries never takes a descriptor at a moment when the process has none left.
        var folder: Descriptor?
    }

    /// - Parameters:
    ///   - path: the folder, made by ``lock()`` when it is missing.
    ///   - isReadOnly: refuse every change, and only read what is there; the folder is still taken for this opener alone.
    package init(_ path: String, isReadOnly: Bool = false) {
        self.isReadOnly = isReadOnly
        var path = path[...]
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        name = String(path)
    }

    private func path(_ file: String) -> String { name + "/" + file }

    /// Does the call, and says what was done to which file when it fails.
    private func perform<Value>(
        _ call: StorageCall,
        _ file: String? = nil,
        _ body: () throws(SystemError) -> Value
    ) throws(JournalError) -> Value {
        do {
            return try body()
        } catch {
            throw .io(call: call, file: file.map(path) ?? name, errno: error.number)
        }
    }

    private func requireWritable(_ call: StorageCall, _ file: String? = nil) throws(JournalError) {
        if isReadOnly { throw .io(call: call, file: file.map(path) ?? name, errno: EROFS) }
    }

    package func lock() throws(JournalError) {
        if isReadOnly { return try lockReadOnly() }
        try perform(.lock) { () throws(SystemError) in try makeFolder(name) }
        let file = try perform(.lock, "lock") { () throws(SystemError) in try Descriptor(opening: path("lock"), O_RDWR | O_CREAT) }
        try take(file)
        try perform(.lock, "lock") { () throws(SystemError) in
            _ = try uninterrupted { ftruncate(file.number, 0) }
            let pid = Array("\(getpid())\n".utf8)
            _ = try uninterrupted { pwrite(file.number, pid, pid.count, 0) }
        }
        let folder = try perform(.lock) { () throws(SystemError) in try Descriptor(opening: name, O_RDONLY | O_DIRECTORY) }
        held.withLock { $0 = Held(lock: file, folder: folder) }
    }

    private func lockReadOnly() throws(JournalError) {
        let file: Descriptor
        do throws(SystemError) {
            file = try Descriptor(opening: path("lock"), O_RDONLY)
        } catch {
            // A folder without a lock file is open to nobody.
            guard error.number == ENOENT else { throw .io(call: .lock, file: path("lock"), errno: error.number) }
            _ = try list()
            return
        }
        try take(file)
        held.withLock { $0.lock = file }
    }

    private func take(_ file: Descriptor) throws(JournalError) {
        do {
            _ = try uninterrupted { flock(file.number, LOCK_EX | LOCK_NB) }
        } catch {
            guard error.number == EWOULDBLOCK else { throw .io(call: .lock, file: path("lock"), errno: error.number) }
            let pid = Self.pid(in: file)
            throw .locked(folder: name, holder: pid, isSelf: pid == getpid())
        }
    }

    /// The pid that a lock file holds, if it holds one.
    private static func pid(in file: Descriptor) -> Int32? {
        var digits = [UInt8](repeating: 0, count: 16)
        guard let count = try? uninterrupted({ pread(file.number, &digits, digits.count, 0) }) else { return nil }
        return Int32(String(decoding: digits.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    package func unlock() {
        // closing the file ends the lock
        held.withLock { $0 = Held() }
    }

    package func list() throws(JournalError) -> [String] {
        try perform(.list) { () throws(SystemError) in try namesInFolder(name) }
    }

    package func create(_ file: String, size: Int) throws(JournalError) -> any StorageFile {
        try requireWritable(.create, file)
        let descriptor = try perform(.create, file) { () throws(SystemError) in
            try Descriptor(opening: path(file), O_RDWR | O_CREAT | O_EXCL)
        }
        do {
            try descriptor.allocate(size)
        } catch {
            unlink(path(file))
            throw .io(call: .create, file: path(file), errno: error.number)
        }
        return OpenFile(name: path(file), descriptor: descriptor)
    }

    package func open(_ file: String) throws(JournalError) -> any StorageFile {
        let descriptor = try perform(.open, file) { () throws(SystemError) in
            try Descriptor(opening: path(file), isReadOnly ? O_RDONLY : O_RDWR)
        }
        return OpenFile(name: path(file), descriptor: descriptor)
    }

    package func rename(_ file: String, to new: String) throws(JournalError) {
        try requireWritable(.rename, file)
        _ = try perform(.rename, file) { () throws(SystemError) in try uninterrupted { renameFile(path(file), path(new)) } }
    }

    package func delete(_ file: String) throws(JournalError) {
        try requireWritable(.delete, file)
        _ = try perform(.delete, file) { () throws(SystemError) in try uninterrupted { unlink(path(file)) } }
    }

    package func syncDirectory() throws(JournalError) {
        let folder = held.withLock(\.folder)
        try perform(.syncDirectory) { () throws(SystemError) in
            if let folder { try folder.syncEntries() } else { try syncFolder(name) }
        }
    }
}

/// `rename`, which the storage's own method hides.
private func renameFile(_ old: String, _ new: String) -> Int32 { rename(old, new) }

private struct OpenFile: StorageFile {
    let name: String
    let descriptor: Descriptor

    private func perform<Value: SignedInteger>(_ call: StorageCall, _ body: () -> Value) throws(JournalError) -> Value {
        do {
            return try uninterrupted(body)
        } catch {
            throw .io(call: call, file: name, errno: error.number)
        }
    }

    func size() throws(JournalError) -> Int {
        var status = stat()
        _ = try perform(.size) { fstat(descriptor.number, &status) }
        return Int(status.st_size)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(JournalError) -> Int {
        let count = try perform(.write) { pwrite(descriptor.number, bytes.baseAddress, bytes.count, off_t(offset)) }
        // a disk that takes nothing would be asked for ever
        guard count > 0 || bytes.isEmpty else { throw .io(call: .write, file: name, errno: EIO) }
        return count
    }

    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(JournalError) -> Int {
        try perform(.read) { pread(descriptor.number, bytes.baseAddress, bytes.count, off_t(offset)) }
    }

    func syncData() throws(JournalError) {
        do {
            try descriptor.syncData()
        } catch {
            throw .io(call: .sync, file: name, errno: error.number)
        }
    }

    func resize(to size: Int) throws(JournalError) {
        let old = try self.size()
        do {
            if size > old {
                try descriptor.allocate(size)
            } else {
                _ = try uninterrupted { ftruncate(descriptor.number, off_t(size)) }
            }
        } catch {
            throw .io(call: .resize, file: name, errno: error.number)
        }
    }

    func willRead(_ range: Range<Int>) {
        #if !canImport(Darwin)
        // a hint: whether the system takes it makes no difference
        _ = posix_fadvise(descriptor.number, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_WILLNEED)
        #endif
    }
}
