import GodwitJournal
import Testing

@Suite("A full disk")
struct FullDiskTests {
    private let small = options(segment: 64 << 10, first: 64 << 10, reserve: 2)

    /// A store whose disk has no room for another file, with all that is kept ahead; and what was committed.
    private func fullStore(_ storage: MemoryStorage, _ options: JournalOptions? = nil) throws -> (OpenedJournal, Int) {
        let journal = try open(storage, options ?? small)
        for number in 0..<30 {
            try journal.commit([entry(number, bytes: 4000)])
            #expect(journal.maintainAll() == nil)
        }
        for round in 0..<2 as Range<UInt8> { try journal.checkpoint([Chunk(section: 1, bytes: [round])]) }
        #expect(journal.maintainAll() == nil)
        storage.capacity = storage.files.reduce(0) { $0 + (storage.contents(of: $1)?.count ?? 0) }
        return (journal, 30)
    }

    /// Adds transactions until they are refused; answers how many went in.
    private func fill(_ journal: OpenedJournal, from number: Int, for purpose: Journal.Purpose) throws -> Int {
        var count = 0
        while true {
            do {
                try journal.add([entry(number + count, bytes: 4000)], for: purpose)
            } catch {
                guard error == .noSpace else { throw error }
                #expect(journal.failure == nil)
                return count
            }
            try journal.write()
            try journal.sync()
            count += 1
            journal.maintainAll()
        }
    }

    @Test("publishes are refused first, then settles with a payload, then settles; moves last")
    func order() throws {
        let storage = MemoryStorage()
        let (journal, before) = try fullStore(storage)
        var number = before
        for purpose in [Journal.Purpose.publish, .settleWithPayload, .settle, .move] {
            let count = try fill(journal, from: number, for: purpose)
            #expect(count >= 5, "\(purpose): \(count)")
            number += count
            if purpose != .move { #expect(!journal.refuses(.move)) }
        }
        // nothing of it was lost, and nothing was confirmed that is not there
        try journal.close()
        #expect(try open(storage.crash(seed: 1), small).entries.count == number - before)
    }

    @Test("moves and checkpoints alone bring the store back")
    func compaction() throws {
        let storage = MemoryStorage()
        let (journal, before) = try fullStore(storage)
        var number = before
        for purpose in [Journal.Purpose.publish, .settleWithPayload, .settle] { number += try fill(journal, from: number, for: purpose) }
        #expect(journal.refuses(.publish))
        // one record of each old segment is still needed
        for round in 0..<3 as Range<UInt8> {
            let dead = journal.reclaimable
            for _ in dead { try journal.add([entry(1, bytes: 4000)], for: .move) }
            try journal.write()
            try journal.checkpoint([Chunk(section: 1, bytes: [10 + round])])
            journal.reclaim(dead)
            journal.maintainAll()
        }
        #expect(!journal.refuses(.publish) && journal.checkpointCount == 2)
        #expect(try fill(journal, from: number, for: .publish) > 10)
        try journal.close()
        #expect(try open(storage.crash(seed: 1), small).chunks == [Chunk(section: 1, bytes: [12])])
    }

    @Test("the room for a checkpoint is kept, however full the disk is, and grows with the checkpoints")
    func roomForACheckpoint() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        let chunks = (0..<10).map { Chunk(section: 1, bytes: [UInt8](repeating: $0, count: 60_000)) }
        for _ in 0..<4 { try journal.checkpoint(chunks) }
        #expect(journal.maintainAll() == nil)
        storage.capacity = storage.files.reduce(0) { $0 + (storage.contents(of: $1)?.count ?? 0) }
        for round in 0..<4 as Range<UInt8> {
            try journal.commit([entry(Int(round))])
            try journal.checkpoint(chunks + [Chunk(section: 2, bytes: [UInt8](repeating: round, count: 100_000))])
            journal.maintainAll()
            #expect(try open(storage.kill(), small).chunks.last?.bytes.first == round)
        }
    }

    @Test("killed on a full disk, it opens in what is set aside: publishes are refused at once, and settles go on")
    func killed() throws {
        // Large enough for what recovery copies.
        let larger = options(segment: 256 << 10, first: 64 << 10, reserve: 2)
        var storage = MemoryStorage()
        let (journal, before) = try fullStore(storage, larger)
        var number = before + (try fill(journal, from: before, for: .publish))
        for _ in 0..<2 {
            let capacity = storage.capacity
            storage = storage.kill()
            storage.capacity = capacity
            let again = try open(storage, larger)
            #expect(again.entries.count == number - before)
            #expect(again.refuses(.publish) && again.refuses(.settleWithPayload) && !again.refuses(.settle) && !again.refuses(.move))
            for _ in 0..<3 {
                try again.add([entry(number, bytes: 4000)], for: .settle)
                try again.write()
                try again.sync()
                number += 1
            }
            again.maintainAll()
            #expect(!again.refuses(.settle))
        }
    }

    @Test("when there is room again publishes are taken again")
    func roomAgain() throws {
        let storage = MemoryStorage()
        let (journal, before) = try fullStore(storage)
        let count = try fill(journal, from: before, for: .publish)
        #expect(journal.refuses(.publish))
        storage.capacity = nil
        #expect(journal.maintainAll() == nil)
        #expect(!journal.refuses(.publish))
        try journal.commit([entry(before + count, bytes: 4000)])
    }
}
