import GodwitJournal
import Testing

@Suite("Segments made ahead of need")
struct PreparationTests {
    private func files(_ storage: MemoryStorage, _ prefix: String) -> [String] { storage.files.filter { $0.hasPrefix(prefix) } }

    @Test("a segment ahead of need is complete but for its first group: going on in it touches no disk")
    func rollingWithoutStall() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, options(first: 32 << 10))
        #expect(journal.maintainAll() == nil)
        #expect(files(storage, "segment-") == ["segment-00000001", "segment-00000002", "segment-00000003"])
        try journal.add([entry(1, bytes: 20_000)])
        try journal.write()
        let before = storage.totalCalls
        #expect(try journal.add([entry(2, bytes: 20_000)])[0].segment == 2)
        #expect(storage.totalCalls == before)
        try journal.write()
        #expect(storage.totalCalls == before + 2, "the group, and zeroes behind it")
        try journal.sync()
        #expect(try contents(of: storage.crash(seed: 1)) == [entry(1, bytes: 20_000), entry(2, bytes: 20_000)])
    }

    @Test("prepared segments are kept over a stop, a kill and a power failure, and are used then")
    func keptOverRestart() throws {
        for way in 0..<3 {
            var storage = MemoryStorage()
            let journal = try open(storage, options(first: 32 << 10))
            #expect(journal.maintainAll() == nil)
            try journal.commit([entry(0)])
            switch way {
            case 0:
                try journal.close()
                #expect(files(storage, "segment-") == ["segment-00000001"], "the next opening need not look into it")
            case 1: storage = storage.kill()
            default: storage = storage.crash(seed: 7)
            }
            let again = try open(storage, options(first: 32 << 10))
            #expect(files(storage, "spare-").count == 2, "\(way)")
            #expect(again.maintainAll() == nil)
            let creations = storage.calls[.create] ?? 0
            try again.add([entry(1, bytes: 28_000)])
            #expect(try again.add([entry(2, bytes: 28_000)])[0].segment > 1)
            try again.write()
            try again.sync()
            #expect(storage.calls[.create] ?? 0 == creations)
            #expect(try contents(of: storage.crash(seed: 2)) == [entry(0), entry(1, bytes: 28_000), entry(2, bytes: 28_000)])
        }
    }

    @Test("a preparation that fails leaves nothing behind that matters, and can be tried again", arguments: [Int32(28), 5])
    func failing(errno: Int32) throws {
        let probe = MemoryStorage()
        let whole = try open(probe, options(first: 32 << 10))
        let opening = probe.totalCalls
        #expect(whole.maintainAll() == nil)
        for number in 1...probe.totalCalls - opening {
            let storage = MemoryStorage()
            let journal = try open(storage, options(first: 32 << 10))
            storage.failAnyCall(at: number, errno: errno)
            #expect(journal.maintainAll() == (errno == 28 ? .noSpace : nil) || errno == 5, "call \(number)")
            #expect(journal.maintainAll() == nil)
            var written: [Entry] = []
            for value in 0..<8 {
                try journal.commit([entry(value, bytes: 15_000)])
                written.append(entry(value, bytes: 15_000))
                #expect(journal.maintainAll() == nil)
            }
            #expect(try contents(of: storage.crash(seed: UInt64(number))) == written, "call \(number)")
            #expect(try contents(of: storage.kill()) == written, "call \(number)")
        }
    }

    @Test("small groups are written into blocks that were written before: zeroes go ahead of them, rarely, as far as the segment reaches")
    func writingAhead() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, options(segment: 1 << 20, first: 1 << 20))
        var written = storage.calls[.write] ?? 0
        func writes(_ body: () throws -> Void) rethrows -> Int {
            try body()
            defer { written = storage.calls[.write] ?? 0 }
            return (storage.calls[.write] ?? 0) - written
        }
        // The mark that the opening wrote had 256 KiB of zeroes behind it.
        for number in 0..<64 { #expect(try writes { try journal.commit([entry(number)]) } == 1, "\(number)") }
        #expect(try writes { try journal.commit([entry(64)]) } == 2)
        #expect(try writes { try journal.commit([entry(65, bytes: 300_000)]) } == 1, "a large group needs none")
        #expect(try writes { try journal.commit([entry(66)]) } == 2)
        let entries = (0..<65).map { entry($0) } + [entry(65, bytes: 300_000), entry(66)]
        #expect(try contents(of: storage.crash(seed: 3)) == entries)
        #expect(try contents(of: storage.kill()) == entries)
    }

    @Test("zeroes ahead that cannot be written harm nothing")
    func writingAheadFails() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, options(segment: 1 << 20, first: 1 << 20))
        for number in 0..<64 { try journal.commit([entry(number)]) }
        // The group is the next call, the zeroes behind it the one after that.
        storage.failAnyCall(at: storage.totalCalls + 2, errno: 28)
        for number in 64..<70 { try journal.commit([entry(number)]) }
        #expect(try contents(of: storage.crash(seed: 4)) == (0..<70).map { entry($0) })
    }
}
