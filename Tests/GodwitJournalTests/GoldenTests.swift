import GodwitJournal
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A store that was written once and is kept under `Golden`: with segments, reused ones among them, checkpoints, and a copy. Every version
/// must read it, and as long as the format is the same, write it bit for bit.
@Suite("Golden store")
struct GoldenTests {
    private let settings = options(segment: 16 << 10, first: 16 << 10, reserve: 1, seed: 2026)
    private let folder = #filePath.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/Golden"

    /// Writes the store from fixed seeds.
    private func write() throws -> MemoryStorage {
        let storage = MemoryStorage()
        let journal = try open(storage, settings)
        for number in 0..<12 {
            try journal.commit([entry(number, bytes: 700), entry(number + 100, bytes: 0, header: 3)])
            if number == 4 || number == 8 {
                try journal.checkpoint([Chunk(section: 1, bytes: [UInt8(number)]), Chunk(section: 2, bytes: entry(number).body)])
                journal.reclaim(journal.reclaimable)
            }
            #expect(journal.maintainAll() == nil)
        }
        // a group that is readable and not known to be synced
        try journal.add([entry(50, bytes: 33)])
        try journal.write()
        let killed = storage.kill()
        try open(killed, settings).close()
        return killed
    }

    private func golden() throws -> [String: [UInt8]] {
        let storage = FileStorage(folder)
        var files: [String: [UInt8]] = [:]
        for name in try storage.list() {
            let file = try storage.open(name)
            var bytes = [UInt8](repeating: 0, count: try file.size())
            let count = try bytes.withUnsafeMutableBytes { try file.readAll(into: UnsafeMutableRawBufferPointer($0), at: 0) }
            #expect(count == bytes.count)
            files[name] = bytes
        }
        return files
    }

    @Test("the store of fixed seeds is the golden one, bit for bit")
    func written() throws {
        let files = try write().snapshot
        if getenv("GODWIT_WRITE_GOLDEN") != nil {
            let storage = FileStorage(folder)
            for name in try storage.list() { try storage.delete(name) }
            for (name, bytes) in files {
                let file = try storage.create(name, size: bytes.count)
                try bytes.withUnsafeBytes { try file.writeAll($0, at: 0) }
            }
        }
        let golden = try golden()
        #expect(golden.keys.sorted() == files.keys.sorted())
        for (name, bytes) in files {
            #expect(golden[name] == bytes, "the format of \(name) has changed: raise its version, and keep reading the old one")
        }
    }

    @Test("the golden store opens, and holds what it held")
    func read() throws {
        let storage = MemoryStorage(files: try golden())
        #expect(try StoreInspection(storage).walk().damages.isEmpty)
        let journal = try open(storage, settings)
        #expect(journal.recovery.checkpoint == "checkpoint-00000002" && journal.recovery.damagedCheckpoints.isEmpty)
        #expect(journal.chunks == [Chunk(section: 1, bytes: [8]), Chunk(section: 2, bytes: entry(8).body)])
        let expected = (9..<12).flatMap { [entry($0, bytes: 700), entry($0 + 100, bytes: 0, header: 3)] } + [entry(50, bytes: 33)]
        #expect(journal.entries == expected)
        #expect(journal.replayed.map(\.number) == Array(19...25))
        for record in journal.replayed { #expect(try journal.reader.body(at: record.location) == record.entry.body) }
    }
}
