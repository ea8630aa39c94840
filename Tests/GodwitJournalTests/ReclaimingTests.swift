import GodwitJournal
import Testing

@Suite("Reclaiming")
struct ReclaimingTests {
    private let small = options(segment: 16 << 10, first: 16 << 10, reserve: 2)

    /// A store of several segments with two checkpoints.
    private func store(_ storage: MemoryStorage, rounds: Int = 2) throws -> OpenedJournal {
        let journal = try open(storage, small)
        for round in 0..<rounds {
            for number in 0..<6 { try journal.commit([entry(round * 6 + number, bytes: 5000)]) }
            try journal.checkpoint([Chunk(section: 1, bytes: [UInt8(round)])])
            #expect(journal.maintainAll() == nil)
        }
        return journal
    }

    @Test("segments come back when the older checkpoint covers all of them, and not before")
    func olderCovers() throws {
        let storage = MemoryStorage()
        let journal = try store(storage, rounds: 1)
        #expect(journal.reclaimable.isEmpty && journal.segments.count > 2)
        let covered = journal.segments.dropLast()
        for number in 6..<12 { try journal.commit([entry(number, bytes: 5000)]) }
        try journal.checkpoint([])
        #expect(journal.reclaimable == Array(covered))
        #expect(!journal.reclaimable.contains(journal.segments.last ?? 0))
    }

    @Test("reclaimed segments are used again without being written out, and what lay in them never rises again")
    func reuse() throws {
        let storage = MemoryStorage()
        let journal = try store(storage)
        let dead = Array(journal.reclaimable.prefix(2))
        journal.reclaim(dead)
        #expect(journal.maintainAll() == nil)
        for number in dead { #expect(!storage.files.contains("segment-0000000\(number)")) }
        var expected: [Entry] = []
        for number in 100..<160 {
            try journal.commit([entry(number, bytes: 3000)])
            expected.append(entry(number, bytes: 3000))
            if number % 10 == 9 {
                journal.reclaim(journal.reclaimable)
                try journal.checkpoint([])
                expected = []
            }
            let creations = storage.calls[.create] ?? 0
            #expect(journal.maintainAll() == nil)
            if number > 130 { #expect(storage.calls[.create] ?? 0 <= creations + 1) }
            #expect(try contents(of: storage.kill(), small) == expected)
            #expect(try contents(of: storage.crash(seed: UInt64(number)), small) == expected)
        }
        #expect(journal.segments.count <= 12)
        #expect(journal.diskBytes < 500_000)
    }

    @Test("a pinned segment stays as it is until the pin is gone; later pins do not hold it")
    func pins() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        let location = try journal.commit([entry(0, bytes: 2000)])[0]
        for round in 0..<2 {
            for number in 0..<6 { try journal.commit([entry(round * 6 + number, bytes: 5000)]) }
            try journal.checkpoint([])
        }
        #expect(journal.maintainAll() == nil)
        let first = try #require(journal.reclaimable.first)
        #expect(location.segment == first)
        let name = "segment-0000000\(first)"
        let before = storage.contents(of: name)
        var pin: JournalPin? = journal.pin()
        journal.reclaim([first])
        let later = journal.pin()
        #expect(journal.maintainAll() == nil)
        #expect(storage.contents(of: name) == before && pin != nil)
        #expect(try journal.reader.body(at: location) == entry(0, bytes: 2000).body)
        pin = nil
        #expect(journal.maintainAll() == nil)
        #expect(storage.contents(of: name) == nil)
        #expect(throws: JournalError.self) { try journal.reader.body(at: location) }
        withExtendedLifetime(later) {}
    }

    @Test("a pin that is kept for long holds what was there when it was made, and none of the segments that came after")
    func longPin() throws {
        /// The segments that are left of those that came after a pin, and whether one is left that it holds.
        func work(isPinned: Bool) throws -> (later: [String], isHeld: Bool) {
            let storage = MemoryStorage()
            let journal = try store(storage)
            let held = try #require(journal.segments.first), newest = try #require(journal.segments.last)
            let pin = isPinned ? journal.pin() : nil
            journal.reclaim([held])
            for round in 0..<6 {
                for number in 0..<6 { try journal.commit([entry(100 + round * 6 + number, bytes: 5000)]) }
                try journal.checkpoint([])
                journal.reclaim(journal.reclaimable.filter { $0 > newest })
                #expect(journal.maintainAll() == nil)
            }
            #expect(journal.segments.last ?? 0 > newest + 20)
            let name = "segment-" + String(repeating: "0", count: 7)
            let later = storage.files.filter { $0.hasPrefix("segment-") && $0 > name + "\(newest)" }
            return withExtendedLifetime(pin) { (later, storage.files.contains(name + "\(held)")) }
        }
        let pinned = try work(isPinned: true), free = try work(isPinned: false)
        #expect(pinned.isHeld && !free.isHeld)
        #expect(pinned.later.count == free.later.count, "\(pinned.later), not \(free.later)")
    }

    @Test("a segment waits for the sync of what made it dispensable")
    func waitsForTheSync() throws {
        let storage = MemoryStorage()
        let journal = try store(storage)
        let first = try #require(journal.reclaimable.first)
        // a move out of it, say
        try journal.add([entry(50)], for: .move)
        journal.reclaim([first])
        #expect(journal.maintainAll() == nil)
        #expect(storage.files.contains("segment-0000000\(first)"))
        try journal.write()
        #expect(journal.maintainAll() == nil)
        #expect(storage.files.contains("segment-0000000\(first)"))
        try journal.sync()
        #expect(journal.maintainAll() == nil)
        #expect(!storage.files.contains("segment-0000000\(first)"))
    }

    @Test("a clean stop deletes what was reclaimed beyond what is kept ahead")
    func cleanStop() throws {
        let storage = MemoryStorage()
        let journal = try store(storage, rounds: 4)
        try journal.checkpoint([])
        try journal.checkpoint([])
        journal.reclaim(journal.reclaimable)
        try journal.close()
        let segments = storage.files.filter { $0.hasPrefix("segment-") }
        #expect(segments.count == 1)
        #expect(storage.files.filter { $0.hasPrefix("spare-") }.count == 3)
        #expect(try contents(of: storage, small).isEmpty)
    }

    @Test("reclaiming and reusing that fails or ends in the middle loses nothing", arguments: [Int32(0), 5, 28])
    func everyCall(errno: Int32) throws {
        func work(_ storage: MemoryStorage) -> (restored: [UInt8], expected: [Entry], isDone: Bool) {
            var expected: [Entry] = []
            var state: [UInt8] = []
            do {
                let journal = try open(storage, small)
                for round in 0..<5 as Range<UInt8> {
                    for number in 0..<4 {
                        let next = entry(Int(round) * 4 + number, bytes: 5000)
                        try journal.commit([next])
                        expected.append(next)
                        if let maintenance = journal.beginMaintenance() { journal.endMaintenance(maintenance.run()) }
                    }
                    let writer = try journal.beginCheckpoint()
                    guard let writer else { continue }
                    do throws(JournalError) {
                        try Chunk(section: 1, bytes: [round]).write(to: writer)
                        try writer.finish()
                        journal.endCheckpoint(writer)
                    } catch {
                        journal.endCheckpoint(writer, failure: error)
                    }
                    while let maintenance = journal.beginMaintenance() {
                        let result = maintenance.run()
                        journal.endMaintenance(result)
                        if result.failure != nil { break }
                    }
                    state.append(round)
                    journal.reclaim(journal.reclaimable)
                }
                try journal.close()
                return (state, expected, true)
            } catch {
                return (state, expected, false)
            }
        }
        let probe = MemoryStorage()
        let whole = work(probe)
        #expect(whole.isDone)
        // a part of all calls: the simulation meets the others
        for number in stride(from: 1 + Int(errno) % 3, through: probe.totalCalls, by: errno == 0 ? 3 : 11) {
            let storage = MemoryStorage()
            if errno == 0 { storage.stop(at: number) } else { storage.failAnyCall(at: number, errno: errno) }
            let outcome = work(storage)
            storage.heal()
            for next in [storage.kill(), storage.crash(seed: UInt64(number))] {
                let found = try open(next, small)
                // what the checkpoint stands for, and what was replayed behind it
                let covered = found.chunks.first.map { (Int($0.bytes[0]) + 1) * 4 } ?? 0
                let all = (0..<20).map { entry($0, bytes: 5000) }
                #expect(covered + found.entries.count >= outcome.expected.count, "call \(number)")
                #expect(found.entries == Array(all[covered...].prefix(found.entries.count)), "call \(number)")
                try found.close()
                let again = try open(next.crash(seed: 5), small)
                #expect(again.chunks == found.chunks && again.entries == found.entries, "call \(number)")
            }
        }
    }
}
