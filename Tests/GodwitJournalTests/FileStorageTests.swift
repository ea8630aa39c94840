import GodwitJournal
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

@Suite("Files")
struct FileStorageTests {
    /// A folder that is gone afterwards.
    final class TemporaryFolder {
        let path: String

        init() throws {
            var template = Array("/tmp/godwit-journal-XXXXXX".utf8CString)
            guard let made = mkdtemp(&template) else { throw JournalError.io(call: .create, file: "/tmp", errno: errno) }
            path = String(cString: made)
        }

        deinit { Self.remove(path) }

        static func remove(_ path: String) {
            if let folder = opendir(path) {
                var names: [String] = []
                while let entry = readdir(folder) {
                    names.append(
                        withUnsafePointer(to: &entry.pointee.d_name) {
                            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                        }
                    )
                }
                closedir(folder)
                for name in names where name != "." && name != ".." { remove(path + "/" + name) }
                rmdir(path)
            } else {
                unlink(path)
            }
        }

        func mode(_ name: String = "") -> mode_t {
            var status = stat()
            return stat(path + "/" + name, &status) == 0 ? status.st_mode & 0o777 : 0
        }
    }

    @Test("entries of the folder are synced without another descriptor: a process may have none left at that moment")
    func entriesWithoutDescriptor() throws {
        let folder = try TemporaryFolder()
        let storage = FileStorage(folder.path + "/store")
        try storage.lock()
        // where the folder cannot be opened by its name, only one that is open already can be synced
        #expect(rename(folder.path + "/store", folder.path + "/elsewhere") == 0)
        try storage.syncDirectory()
        storage.unlock()
        #expect(throws: JournalError.self) { try storage.syncDirectory() }
    }

    @Test("a store on files is there again after it was closed, and after it was left without closing")
    func roundTrip() throws {
        let folder = try TemporaryFolder()
        let small = options(segment: 256 << 10)
        var expected: [Entry] = []
        for round in 0..<4 {
            let journal = try open(FileStorage(folder.path), small)
            #expect(journal.entries == expected)
            for number in 0..<20 {
                let entries = [entry(round * 100 + number, bytes: 9000), entry(number, bytes: 0)]
                let locations = try journal.add(entries)
                try journal.write()
                #expect(try journal.reader.body(at: locations[0]) == entries[0].body)
                expected += entries
            }
            if let maintenance = journal.beginMaintenance() { journal.endMaintenance(maintenance.run()) }
            if round % 2 == 0 { try journal.close() }
        }
        #expect(try contents(of: FileStorage(folder.path), small) == expected)
    }

    @Test("on files, too, checkpoints give segments back, which are used again: the folder stays small")
    func reuse() throws {
        let folder = try TemporaryFolder()
        let small = options(segment: 256 << 10, first: 64 << 10, openFiles: 2)
        for round in 0..<3 {
            let journal = try open(FileStorage(folder.path), small)
            if round > 0 { #expect(journal.chunks == [Chunk(section: 1, bytes: [UInt8(round * 40 - 1)])] && journal.entries.count == 1) }
            for number in round * 40..<round * 40 + 40 {
                try journal.commit((0..<5).map { entry(number * 5 + $0, bytes: 9000) })
                if number % 10 == 9 {
                    try journal.checkpoint([Chunk(section: 1, bytes: [UInt8(number)])])
                    journal.reclaim(journal.reclaimable)
                }
                #expect(journal.maintainAll() == nil)
                #expect(journal.diskBytes < 2 << 20, "after \(number)")
            }
            try journal.commit([entry(1)])
            try journal.close()
            #expect(try FileStorage(folder.path).list().count < 14)
            #expect(try StoreInspection(FileStorage(folder.path)).walk().damages.isEmpty)
        }
    }

    @Test("missing folders are made, for their owner only, and other files in a folder stay")
    func folders() throws {
        let folder = try TemporaryFolder()
        let storage = FileStorage(folder.path + "/a/b/")
        try open(storage).close()
        #expect(folder.mode("a") == 0o700 && folder.mode("a/b") == 0o700)
        #expect(folder.mode("a/b/segment-00000001") == 0o600)

        let other = try open(FileStorage(folder.path))
        try other.commit([entry(1)])
        try other.close()
        let names = try FileStorage(folder.path).list()
        #expect(names.sorted() == ["a", "lock", "segment-00000001"])
        for name in ["notes.txt", "segment-1", "segment-0000000G", "spare-", "cut-00000001-00001000"] {
            _ = try FileStorage(folder.path).create(name, size: 3)
        }
        #expect(try contents(of: FileStorage(folder.path)) == [entry(1)])
        #expect(try FileStorage(folder.path).list().count == 8)
    }

    @Test("a folder that is a file, or cannot be made, is an error that names it")
    func badFolders() throws {
        let folder = try TemporaryFolder()
        _ = try FileStorage(folder.path).create("file", size: 0)
        for path in [folder.path + "/file", folder.path + "/file/below", "/proc/none/here"] {
            let error = #expect(throws: JournalError.self) { try open(FileStorage(path)) }
            #expect(String(describing: error).contains(path))
        }
    }

    @Test("a folder is open once: a second opening in the same process is refused until the first is closed")
    func lockInProcess() throws {
        let folder = try TemporaryFolder()
        let first = try open(FileStorage(folder.path))
        let error = #expect(throws: JournalError.self) { try open(FileStorage(folder.path)) }
        #expect(error == .locked(folder: folder.path, holder: getpid(), isSelf: true))
        #expect(String(describing: error).contains("already open in this process"))
        // the refusal does not end the first one's lock
        #expect(throws: JournalError.self) { try open(FileStorage(folder.path)) }
        try first.close()
        try open(FileStorage(folder.path)).close()
        do { _ = try open(FileStorage(folder.path)) }
        // an opened journal that was dropped gives the folder back too
        try open(FileStorage(folder.path)).close()
    }

    @Test("the error of a folder that another process has open names its pid and the way out; a pid without a lock means nothing")
    func lockElsewhere() throws {
        let folder = try TemporaryFolder()
        try open(FileStorage(folder.path)).close()
        // another opening of the file stands for the other process: the lock belongs to the opening
        let holder = openDescriptor(folder.path + "/lock")
        defer { close(holder) }
        let pid = Array("424242\n".utf8)
        #expect(ftruncate(holder, 0) == 0 && pwrite(holder, pid, pid.count, 0) == pid.count)
        try open(FileStorage(folder.path)).close()
        #expect(flock(holder, LOCK_EX | LOCK_NB) == 0)
        #expect(ftruncate(holder, 0) == 0 && pwrite(holder, pid, pid.count, 0) == pid.count)
        let error = #expect(throws: JournalError.self) { try open(FileStorage(folder.path)) }
        #expect(error == .locked(folder: folder.path, holder: 424242, isSelf: false))
        let text = String(describing: error)
        #expect(text.contains("is open in process 424242") && text.contains("`godwit serve`") && text.contains(folder.path))
    }

    @Test("a refused opening of a damaged store leaves every byte and gives the folder back")
    func damage() throws {
        let folder = try TemporaryFolder()
        let journal = try open(FileStorage(folder.path))
        try journal.commit([entry(1, bytes: 500)])
        try journal.close()
        let file = try FileStorage(folder.path).open("segment-00000001")
        try withUnsafeBytes(of: UInt8(0xee)) { try file.writeAll($0, at: 2 * 4096 + 300) }
        for _ in 0..<2 {
            let error = #expect(throws: JournalError.self) { try open(FileStorage(folder.path)) }
            guard case .corrupt(let place, let offset, _)? = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(place == folder.path + "/segment-00000001" && offset == 2 * 4096 + 64)
        }
        #expect(try FileStorage(folder.path).list().sorted() == ["lock", "segment-00000001"])
    }

    @Test("files are created once, whole, and errors name the path")
    func files() throws {
        let folder = try TemporaryFolder()
        let storage = FileStorage(folder.path)
        let file = try storage.create("spare-00000001", size: 100_000)
        #expect(try file.size() == 100_000)
        #expect(throws: JournalError.io(call: .create, file: folder.path + "/spare-00000001", errno: EEXIST)) {
            try storage.create("spare-00000001", size: 1)
        }
        #expect(throws: JournalError.io(call: .open, file: folder.path + "/none", errno: ENOENT)) { try storage.open("none") }
        #expect(throws: JournalError.io(call: .delete, file: folder.path + "/none", errno: ENOENT)) { try storage.delete("none") }
        #expect(throws: JournalError.io(call: .rename, file: folder.path + "/none", errno: ENOENT)) { try storage.rename("none", to: "x") }
        var bytes = [UInt8](repeating: 9, count: 10)
        #expect(try bytes.withUnsafeMutableBytes { try file.readAll(into: $0, at: 99_995) } == 5, "up to the end of the file")
        #expect(bytes == [0, 0, 0, 0, 0, 9, 9, 9, 9, 9])
        try storage.syncDirectory()
    }

    @Test("programs that the process starts do not inherit the store's files")
    func closeOnExec() throws {
        let folder = try TemporaryFolder()
        let journal = try open(FileStorage(folder.path))
        try journal.commit([entry(1)])
        var inherited = 0
        for descriptor in 3..<256 as Range<Int32> {
            var path = [UInt8](repeating: 0, count: 1024)
            let length = readlink("/proc/self/fd/\(descriptor)", &path, path.count)
            guard length > 0, String(decoding: path[..<length], as: UTF8.self).hasPrefix(folder.path) else { continue }
            if fcntl(descriptor, F_GETFD) & FD_CLOEXEC == 0 { inherited += 1 }
        }
        #expect(inherited == 0)
        try journal.close()
    }
}

/// `open`, which the tests' own function hides.
private func openDescriptor(_ path: String) -> Int32 {
    #if canImport(Darwin)
    Darwin.open(path, O_RDWR)
    #elseif canImport(Musl)
    Musl.open(path, O_RDWR)
    #else
    Glibc.open(path, O_RDWR)
    #endif
}
