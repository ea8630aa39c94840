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
        #expect(storage.totalCalls == before + 1)
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

    @Test("a preparation that is told to stop stops between two pieces")
    func stopping() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, options(segment: 8 << 20, first: 16 << 10))
        let creation = try #require(journal.beginMaintenance())
        #expect(journal.beginMaintenance() == nil, "one at a time")
        journal.endMaintenance(creation.run())
        let preparation = try #require(journal.beginMaintenance())
        var pieces = 0
        let result = preparation.run(unless: {
            pieces += 1
            return pieces > 3
        })
        #expect(result.failure == nil && pieces == 4)
        #expect(files(storage, "segment-").count == 1)
        journal.endMaintenance(result)
        #expect(journal.maintainAll() == nil)
        #expect(files(storage, "segment-").count == 3)
        try journal.close()
        #expect(files(storage, "segment-").count == 1)
    }
}
