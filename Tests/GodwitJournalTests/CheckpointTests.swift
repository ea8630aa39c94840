import GodwitJournal
import Testing

@Suite("Checkpoints")
struct CheckpointTests {
    private let small = options(segment: 16 << 10, first: 16 << 10)

    private func chunk(_ number: Int, bytes: Int = 100) -> Chunk {
        Chunk(section: UInt8(number % 7), bytes: (0..<bytes).map { UInt8(truncatingIfNeeded: number &* 13 &+ $0) })
    }

    @Test("opening restores the newest checkpoint and replays only what lies behind its cut")
    func restores() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        for number in 0..<10 { try journal.commit([entry(number, bytes: 3000)]) }
        try journal.checkpoint([chunk(1), chunk(2, bytes: 0), chunk(3, bytes: 5001)])
        #expect(storage.files.contains("checkpoint-00000001"))
        #expect(journal.lastCheckpointBytes == 3 * 4096)
        let location = try journal.commit([entry(10)])[0]
        try journal.writeMark()
        let again = try open(storage.crash(seed: 1), small)
        #expect(again.chunks == [chunk(1), chunk(2, bytes: 0), chunk(3, bytes: 5001)])
        #expect(again.replayed == [Replayed(entry: entry(10), number: 11, location: location)])
        #expect(again.recovery.checkpoint == "checkpoint-00000001" && again.recovery.damagedCheckpoints.isEmpty)
    }

    @Test("a checkpoint of nothing, and one without chunks, are checkpoints")
    func empty() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        try journal.checkpoint([])
        try journal.close()
        let again = try open(storage, small)
        #expect(again.recovery.checkpoint != nil && again.chunks.isEmpty && again.replayed.isEmpty)
        try again.commit([entry(1)])
        #expect(try contents(of: storage.crash(seed: 1), small) == [entry(1)])
    }

    @Test("a checkpoint has its name only when everything before its cut is synced")
    func waitsForTheSync() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        #expect(journal.maintainAll() == nil)
        try journal.add([entry(1)])
        let writer = try #require(try journal.beginCheckpoint())
        #expect(try journal.beginCheckpoint() == nil, "one at a time")
        try writer.finish()
        journal.endCheckpoint(writer)
        #expect(journal.beginMaintenance() == nil && journal.checkpointCount == 0)
        #expect(!storage.files.contains { $0.hasPrefix("checkpoint-") })
        try journal.sync()
        #expect(journal.maintainAll() == nil)
        #expect(journal.checkpointCount == 1 && !journal.isCheckpointing)
        #expect(storage.files.contains("checkpoint-00000001"))
    }

    @Test("two are kept, and the file of a third becomes room for the next")
    func rotation() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        for round in 1...5 {
            try journal.commit([entry(round)])
            try journal.checkpoint([chunk(round, bytes: 9000 - round * 1000)])
            #expect(journal.maintainAll() == nil)
            let names = storage.files.filter { $0.hasPrefix("checkpoint-") }
            #expect(names == [round - 1, round].filter { $0 > 0 }.map { "checkpoint-0000000\($0)" })
            #expect(storage.files.filter { $0.hasPrefix("draft-") }.count == 1)
            let again = try open(storage.crash(seed: UInt64(round)), small)
            #expect(again.chunks == [chunk(round, bytes: 9000 - round * 1000)] && again.replayed.isEmpty)
        }
    }

    @Test("when the newest is damaged anywhere, the older one is used and the damage is told")
    func newestDamaged() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        try journal.commit([entry(1)])
        try journal.checkpoint([chunk(1, bytes: 300)])
        try journal.commit([entry(2)])
        try journal.checkpoint([chunk(2, bytes: 300), chunk(3, bytes: 200)])
        try journal.commit([entry(3)])
        try journal.close()
        let whole = storage.snapshot
        let name = "checkpoint-00000002"
        // the header, both chunks and the end
        let places = Array(stride(from: 0, to: 128, by: 3)) + [2000] + Array(stride(from: 4096, to: 4096 + 16 + 304 + 16 + 200 + 32, by: 5))
        for place in places {
            let damaged = MemoryStorage(files: whole)
            damaged.flip(1 << (place % 8), of: name, at: place)
            let again = try open(damaged, small)
            #expect(again.chunks == [chunk(1, bytes: 300)], "\(place)")
            #expect(again.entries == [entry(2), entry(3)])
            let told = try #require(again.recovery.damagedCheckpoints.first)
            #expect(told.file == name && told.keptAs == "damaged-" + name)
            #expect(damaged.files.contains(told.keptAs) && !damaged.files.contains(name))
            #expect(again.checkpointCount == 1 && again.reclaimable.isEmpty)
        }
        let shorter = MemoryStorage(files: whole)
        shorter.truncate(name, to: 4200)
        #expect(try open(shorter, small).chunks == [chunk(1, bytes: 300)])
        var unread = 0
        for number in 1...8 {
            let unreadable = MemoryStorage(files: whole)
            unreadable.fail(.read, at: number)
            guard let again = try? open(unreadable, small), again.recovery.checkpoint != name else { continue }
            unread += 1
            #expect(again.chunks.isEmpty || again.chunks == [chunk(1, bytes: 300)])
            #expect(!unreadable.files.contains(name) && unreadable.files.contains("damaged-" + name))
        }
        #expect(unread > 0)
    }

    @Test("one that could not be read once does not count when it can be read again: the store has gone on without it")
    func unreadableOnce() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        try journal.commit([entry(1)])
        try journal.checkpoint([chunk(1)])
        try journal.commit([entry(2)])
        // only its name says that what lies before its cut is synced
        try journal.checkpoint([chunk(2)])
        var unread = 0
        for number in 1...12 {
            let unreadable = storage.crash(seed: 1)
            unreadable.fail(.read, at: number)
            guard let again = try? open(unreadable, small), again.recovery.checkpoint == "checkpoint-00000001" else { continue }
            unread += 1
            unreadable.heal()
            try again.commit([entry(3)])
            try again.close()
            let next = try open(unreadable.crash(seed: 2), small)
            #expect(next.chunks == [chunk(1)] && next.entries == [entry(2), entry(3)])
        }
        #expect(unread > 0)
    }

    @Test("one that cannot be read is what keeps a store from opening, though segments are missing that it stands for: they are no damage")
    func onlyOneUnreadable() throws {
        let storage = MemoryStorage()
        let segments = options(segment: 16 << 10, first: 16 << 10, reserve: 2)
        let journal = try open(storage, segments)
        for round in 1...2 {
            for number in 1...6 { try journal.commit([entry(number, bytes: 5000)]) }
            try journal.checkpoint([chunk(round)])
            #expect(journal.maintainAll() == nil)
        }
        // The first segment is needed yet; behind it there is a gap.
        let dead = journal.reclaimable.dropFirst()
        #expect(!dead.isEmpty)
        journal.reclaim(Array(dead))
        #expect(journal.maintainAll() == nil)
        try journal.close()
        try storage.delete("checkpoint-00000002")
        #expect(try open(storage.kill(), segments).chunks == [chunk(1)])
        var unread = 0
        for number in 1...20 {
            let unreadable = storage.kill()
            unreadable.fail(.read, at: number)
            do { _ = try open(unreadable, segments) } catch let error as JournalError {
                guard case .io = error else {
                    Issue.record("\(number): \(error)")
                    continue
                }
                if error.description.contains("checkpoint-00000001") { unread += 1 }
            }
        }
        #expect(unread > 0)
    }

    @Test("when both are damaged everything is replayed if it is there, else the store refuses and nothing is touched")
    func bothDamaged() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        var written: [Entry] = []
        for number in 0..<12 {
            try journal.commit([entry(number, bytes: 5000)])
            written.append(entry(number, bytes: 5000))
            if number % 6 == 5 { try journal.checkpoint([chunk(number)]) }
        }
        func damaged(_ files: [String: [UInt8]]) -> MemoryStorage {
            let storage = MemoryStorage(files: files)
            storage.flip(1, of: "checkpoint-00000001", at: 4100)
            storage.flip(1, of: "checkpoint-00000002", at: 60)
            return storage
        }
        let complete = try open(damaged(storage.kill().snapshot), small)
        #expect(complete.entries == written && complete.chunks.isEmpty)
        #expect(complete.recovery.damagedCheckpoints.count == 2 && complete.recovery.checkpoint == nil)
        journal.reclaim(journal.reclaimable)
        journal.maintain()
        #expect(!storage.files.contains("segment-00000001"))
        let holed = damaged(storage.kill().snapshot)
        let before = holed.snapshot
        let error = #expect(throws: JournalError.self) { try open(holed, small) }
        guard case .corrupt(let file, _, _)? = error else { throw error ?? JournalError.noSpace }
        #expect(file.contains("checkpoint-") && holed.snapshot == before)
    }

    @Test(
        "a checkpoint whose sync fails is deleted, never tried again, and harms nothing",
        arguments: [StorageCall.write, .sync, .create]
    )
    func failedCheckpoint(call: StorageCall) throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        try journal.commit([entry(1)])
        for round in 1...2 { try journal.checkpoint([chunk(round, bytes: 20_000)]) }
        if call != .create { #expect(journal.maintainAll() == nil) }
        try journal.commit([entry(2)])
        storage.fail(call)
        let writer = try #require(try journal.beginCheckpoint())
        do throws(JournalError) {
            try chunk(3).write(to: writer)
            try writer.finish()
            Issue.record("the call should fail")
        } catch {
            journal.endCheckpoint(writer, failure: error)
        }
        #expect(throws: JournalError.self) { try writer.finish() }
        #expect(journal.failure == nil && journal.maintainAll() == nil)
        #expect(storage.files.filter { $0.hasPrefix("checkpoint-") } == ["checkpoint-00000001", "checkpoint-00000002"])
        try journal.checkpoint([chunk(4)])
        #expect(try open(storage.crash(seed: 1), small).chunks == [chunk(4)])
    }

    @Test("large checkpoints are written and read in pieces")
    func large() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        let chunks = (0..<40).map { chunk($0, bytes: 100_003) }
        try journal.checkpoint(chunks)
        try journal.checkpoint(chunks)
        try journal.checkpoint([chunk(1, bytes: CheckpointWriter.maximumChunkBytes)])
        #expect(try open(storage.kill(), small).chunks == [chunk(1, bytes: CheckpointWriter.maximumChunkBytes)])
        try journal.checkpoint(chunks)
        #expect(try open(storage.kill(), small).chunks == chunks)
        #expect(journal.lastCheckpointBytes < 4_100_000)
        for _ in 0..<4 {
            try journal.checkpoint([])
            #expect(journal.maintainAll() == nil)
        }
        #expect(storage.files.allSatisfy { storage.contents(of: $0)?.count ?? 0 < 200_000 }, "files that are much too large are cut")
    }

    @Test("the bytes since the last checkpoint are those of the groups behind its cut, also after a restart")
    func bytesSince() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        #expect(journal.bytesSinceCheckpoint <= 4096)
        for number in 0..<5 { try journal.commit([entry(number, bytes: 3000)]) }
        #expect(journal.bytesSinceCheckpoint >= 5 * 4096)
        let writer = try #require(try journal.beginCheckpoint())
        try journal.commit([entry(6, bytes: 6000)])
        try writer.finish()
        journal.endCheckpoint(writer)
        #expect(journal.maintainAll() == nil)
        #expect(journal.bytesSinceCheckpoint == 2 * 4096)
        #expect(try open(storage.kill(), small).bytesSinceCheckpoint >= 2 * 4096)
    }
}
