import GodwitJournal
import Testing

@Suite("Simulated storage")
struct MemoryStorageTests {
    private func write(_ value: UInt8, count: Int = 4096, to file: any StorageFile, at offset: Int) throws {
        try [UInt8](repeating: value, count: count).withUnsafeBytes { try file.writeAll($0, at: offset) }
    }

    @Test("a kill keeps every write, a power failure keeps what was synced, and of the rest anything")
    func crash() throws {
        let storage = MemoryStorage()
        let file = try storage.create("a", size: 3 * 4096)
        try write(1, to: file, at: 0)
        try file.syncData()
        try storage.syncDirectory()
        try write(2, to: file, at: 4096)
        try write(3, to: file, at: 0)
        let killed = try #require(storage.kill().contents(of: "a"))
        #expect(killed[0] == 3 && killed[4096] == 2 && killed[8192] == 0)
        var firsts: Set<UInt8> = []
        var seconds: Set<UInt8> = []
        for seed in 0..<200 as Range<UInt64> {
            let bytes = try #require(storage.crash(seed: seed).contents(of: "a"))
            #expect(bytes.count == 3 * 4096)
            firsts.insert(bytes[4095])
            seconds.insert(bytes[4096])
            #expect(bytes[8192...].allSatisfy { $0 == 0 }, "what was not being written stays")
            #expect(storage.crash(seed: seed).contents(of: "a") == bytes, "the same seed, the same crash")
        }
        #expect(firsts.isSuperset(of: [1, 3]) && firsts.count > 2, "the old, the new, and garbage")
        #expect(seconds.isSuperset(of: [0, 2]))
        try file.syncData()
        for seed in 0..<50 as Range<UInt64> { #expect(storage.crash(seed: seed).contents(of: "a") == killed) }
    }

    @Test("creations, renames and deletions are lost or not until the folder is synced")
    func directory() throws {
        let storage = MemoryStorage()
        for name in ["a", "b"] { try storage.create(name, size: 1).syncData() }
        try storage.syncDirectory()
        try storage.rename("a", to: "c")
        try storage.delete("b")
        try storage.create("d", size: 1).syncData()
        #expect(storage.kill().files == ["c", "d"])
        let outcomes = Set((0..<200 as Range<UInt64>).map { storage.crash(seed: $0).files })
        #expect(outcomes.contains(["a", "b"]) && outcomes.contains(["c", "d"]))
        #expect(outcomes.allSatisfy { $0.contains("a") != $0.contains("c") }, "a rename is whole or not at all")
        try storage.syncDirectory()
        for seed in 0..<50 as Range<UInt64> { #expect(storage.crash(seed: seed).files == ["c", "d"]) }
    }

    @Test("a failed sync drops what it should have written: readable, and never written by a later sync")
    func droppedPages() throws {
        let storage = MemoryStorage()
        let file = try storage.create("a", size: 4096)
        try file.syncData()
        try storage.syncDirectory()
        try write(7, to: file, at: 0)
        storage.fail(.sync)
        #expect(throws: JournalError.io(call: .sync, file: "memory/a", errno: 5)) { try file.syncData() }
        try file.syncData()
        #expect(storage.contents(of: "a")?[0] == 7)
        let firsts = (0..<50 as Range<UInt64>).compactMap { storage.crash(seed: $0).contents(of: "a")?[0] }
        #expect(firsts.contains(0))
        try write(8, to: file, at: 0)
        try file.syncData()
        #expect(storage.crash(seed: 1).contents(of: "a")?[0] == 8)
    }

    @Test("faults come when they were planned, and calls are counted")
    func faults() throws {
        let storage = MemoryStorage()
        let file = try storage.create("a", size: 4096)
        storage.fail(.write, at: 2, errno: 28)
        try write(1, count: 10, to: file, at: 0)
        #expect(throws: JournalError.io(call: .write, file: "memory/a", errno: 28)) { try write(1, count: 10, to: file, at: 0) }
        try write(1, count: 10, to: file, at: 0)
        #expect(storage.calls[.write] == 3 && storage.calls[.create] == 1)
        storage.shorten(.write, to: 4)
        #expect(try [UInt8](repeating: 2, count: 10).withUnsafeBytes { try file.write($0, at: 0) } == 4)
        storage.stop(at: 2)
        _ = try storage.list()
        for _ in 0..<3 { #expect(throws: JournalError.self) { try storage.list() } }
        storage.heal()
        _ = try storage.list()
        storage.capacity = 5000
        #expect(throws: JournalError.io(call: .create, file: "memory/b", errno: 28)) { try storage.create("b", size: 1000) }
        _ = try storage.create("c", size: 900)
    }

    @Test("a folder is locked once")
    func lock() throws {
        let storage = MemoryStorage()
        try storage.lock()
        #expect(throws: JournalError.self) { try storage.lock() }
        storage.unlock()
        try storage.lock()
        try storage.kill().lock()
    }
}
