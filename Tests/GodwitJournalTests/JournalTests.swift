import GodwitJournal
import Testing

@Suite("Journal")
struct JournalTests {
    @Test("what was committed is replayed in order, with its numbers, and can be read where it lies")
    func roundTrip() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        #expect(journal.recovery.isNew)
        var written: [Entry] = []
        var locations: [RecordLocation] = []
        for group in 0..<5 {
            let entries = (0..<3).map { entry(group * 3 + $0, bytes: [0, 1, 7, 100, 5000][group], header: group) }
            locations += try journal.commit(entries)
            written += entries
        }
        for (location, entry) in zip(locations, written) { #expect(try journal.reader.body(at: location) == entry.body) }
        try journal.close()

        let again = try open(storage)
        let replayed = again.replayed
        #expect(!again.recovery.isNew)
        #expect(replayed.map(\.entry) == written)
        #expect(replayed.map(\.number) == Array(1...15))
        #expect(replayed.map(\.location) == locations)
        #expect(again.recovery.cuts.isEmpty && again.recovery.copiedTo == nil, "a clean stop needs no repair")
        let record = try again.reader.record(at: locations[4])
        #expect(Entry(kind: record.kind, critical: record.critical, header: record.header, body: record.body) == written[4])
        try again.close()
    }

    @Test("a record is readable as soon as its group is written, and not before")
    func readAfterWrite() throws {
        let journal = try open(MemoryStorage())
        let location = try journal.add([entry(1)])[0]
        #expect(throws: JournalError.self) { try journal.reader.body(at: location) }
        try journal.write()
        #expect(try journal.reader.body(at: location) == entry(1).body)
        #expect(journal.syncedGroup == 0)
    }

    @Test("a group is written before it grows beyond its bound, and a transaction that is larger has one of its own")
    func groupBound() throws {
        let storage = MemoryStorage()
        let options = options(group: 16 << 10)
        let journal = try open(storage, options)
        let sizes = [5_000, 5_000, 5_000, 5_000, 30_000, 100]
        let written = sizes.enumerated().map { entry($0, bytes: $1) }
        var groups: [UInt64] = []
        for entry in written {
            try journal.add([entry])
            groups.append(journal.currentGroup)
        }
        #expect(groups == [1, 1, 1, 2, 3, 4])
        #expect(journal.writtenGroup == 3)
        try journal.sync()
        #expect(journal.syncedGroup == 3, "what is still in memory is not synced")
        try journal.close()
        let again = try open(storage, options)
        #expect(again.entries == written)
        try again.close()
    }

    @Test("a group counts as synced after its sync, and a later group not yet")
    func syncing() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        try journal.add([entry(1)])
        #expect(journal.currentGroup == 1)
        #expect(try journal.write() == 1)
        let sync = try #require(journal.beginSync())
        try journal.add([entry(2)])
        #expect(try journal.write() == 2)
        #expect(journal.beginSync() == nil, "one sync at a time")
        #expect(journal.syncedGroup == 0)
        let syncsBefore = storage.calls[.sync] ?? 0
        try sync.run()
        #expect(storage.calls[.sync] == syncsBefore + 1)
        journal.endSync(sync)
        #expect(journal.syncedGroup == 1 && !journal.isSynced)
        try journal.sync()
        #expect(journal.syncedGroup == 2 && journal.isSynced)
        #expect(journal.beginSync() == nil, "nothing is left to sync")
    }

    @Test("each group is one write, on a 4 KiB boundary, in whole blocks")
    func oneWriteAGroup() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        for group in 0..<3 {
            let before = storage.calls[.write] ?? 0
            let locations = try journal.add((0..<30).map { entry($0, bytes: 50) })
            try journal.write()
            #expect(storage.calls[.write] == before + 1)
            // the header of the group stands in front of its first record
            #expect(locations[0].offset == UInt32(2 * 4096 + group * 4096 + 64))
        }
    }

    @Test("nothing to write makes no group")
    func emptyWrite() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        let before = storage.totalCalls
        #expect(try journal.write() == 0)
        #expect(journal.beginSync() == nil)
        #expect(storage.totalCalls == before)
    }

    @Test("a transaction that does not fit the segment goes whole into the next, and all segments are replayed")
    func rolling() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        var written: [Entry] = []
        for number in 0..<40 {
            let entries = [entry(number, bytes: 4000), entry(number + 1000, bytes: 3000)]
            let locations = try journal.commit(entries)
            #expect(locations[0].segment == locations[1].segment)
            written += entries
        }
        #expect(storage.files.filter { $0.hasPrefix("segment-") }.count > 4)
        try journal.close()
        #expect(try contents(of: storage) == written)
    }

    @Test("rolling in the middle of a group keeps the transactions before it, in their own group")
    func rollingWithPending() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        try journal.add([entry(1, bytes: 30_000)])
        let location = try journal.add([entry(2, bytes: 30_000)])[0]
        #expect(journal.writtenGroup == 1, "the reservation wrote the first group")
        #expect(location.segment == 2)
        try journal.write()
        try journal.sync()
        #expect(journal.syncedGroup == 2)
        #expect(try contents(of: storage.crash(seed: 1)) == [entry(1, bytes: 30_000), entry(2, bytes: 30_000)])
    }

    @Test("a transaction that fits no segment is refused with nothing changed")
    func tooLarge() throws {
        let journal = try open(MemoryStorage())
        #expect(throws: JournalError.tooLarge(bytes: 70_000, limit: journal.maximumReservation)) {
            try journal.reserve(70_000, for: .publish)
        }
        try journal.reserve(journal.maximumReservation, for: .publish)
        let body = [UInt8](repeating: 1, count: journal.maximumReservation - 16)
        _ = journal.append(Entry(kind: 1, header: [], body: body))
        try journal.write()
        try journal.sync()
        try journal.close()
    }

    @Test("a full disk refuses publishes while the reserve takes settles")
    func reserve() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, options(first: 32 << 10))
        #expect(journal.maintainAll() == nil)
        storage.capacity = (32 << 10) + 2 * (64 << 10)
        var published = 0
        var refusal: JournalError?
        while refusal == nil {
            do {
                try journal.add([entry(published, bytes: 4000)])
                try journal.write()
                published += 1
            } catch {
                refusal = error
            }
        }
        #expect(refusal == .noSpace)
        #expect(journal.failure == nil)
        // one spare went to publishes, the other is the reserve
        var settled = 0
        try journal.add([entry(published, bytes: 4000)], for: .settle)
        settled += 1
        try journal.write()
        try journal.sync()
        #expect(throws: JournalError.noSpace) {
            while true {
                try journal.add([entry(published + settled, bytes: 4000)], for: .settle)
                settled += 1
            }
        }
        try journal.close()
        #expect(try contents(of: storage, options(first: 32 << 10)) == (0..<published + settled).map { entry($0, bytes: 4000) })
    }

    @Test("an idle journal writes one mark, syncs it, and no more until something new is synced")
    func marks() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        #expect(!journal.needsMark)
        try journal.add([entry(1)])
        try journal.write()
        #expect(!journal.needsMark, "a mark vouches for what is synced")
        try journal.sync()
        #expect(journal.needsMark)
        let (writes, syncs) = (storage.calls[.write] ?? 0, storage.calls[.sync] ?? 0)
        try journal.writeMark()
        try journal.writeMark()
        #expect(storage.calls[.write] == writes + 1 && storage.calls[.sync] == syncs + 1)
        try journal.commit([entry(2)])
        try journal.writeMark()
        #expect(try contents(of: storage.crash(seed: 3)) == [entry(1), entry(2)])
    }

    @Test("marks always find room, however full the segment is")
    func marksAtTheEnd() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        for number in 0..<60 {
            try journal.commit([entry(number, bytes: number * 50)])
            try journal.writeMark()
        }
        try journal.close()
        #expect(try contents(of: storage).count == 60)
    }

    @Test("opening and stopping again and again adds nothing but marks, in the same segment while there is room")
    func manyOpenings() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, options(first: 32 << 10))
        try journal.commit([entry(1)])
        try journal.close()
        for _ in 0..<3 { #expect(try contents(of: storage, options(first: 32 << 10)) == [entry(1)]) }
        #expect(storage.files == ["segment-00000001"])
        for _ in 0..<30 { #expect(try contents(of: storage, options(first: 32 << 10)) == [entry(1)]) }
        #expect(storage.files.allSatisfy { $0.hasPrefix("segment-") })
    }

    @Test(
        "a failure of a write or a sync is final: nothing is confirmed any more, and opening again recovers",
        arguments: [StorageCall.write, .sync]
    )
    func poison(call: StorageCall) throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        try journal.commit([entry(1)])
        storage.fail(call)
        try journal.add([entry(2)])
        #expect(throws: JournalError.self) {
            try journal.write()
            try journal.sync()
        }
        let failure = try #require(journal.failure)
        #expect(String(describing: failure).contains("open the folder again"))
        #expect(throws: failure) { try journal.reserve(1, for: .settle) }
        #expect(throws: failure) { try journal.write() }
        #expect(throws: failure) { try journal.sync() }
        #expect(throws: failure) { try journal.writeMark() }
        #expect(journal.beginSync() == nil && journal.beginMaintenance() == nil)
        #expect(journal.syncedGroup == 1)
        try journal.close()
        let found = try contents(of: storage)
        #expect(found == (call == .write ? [entry(1)] : [entry(1), entry(2)]))
    }

    @Test("a failed sync may have dropped its pages: what reopening then shows survives a power failure")
    func droppedPages() throws {
        for seed in 0..<50 as Range<UInt64> {
            let storage = MemoryStorage()
            let journal = try open(storage)
            try journal.commit([entry(1)])
            try journal.add([entry(2)])
            try journal.write()
            storage.fail(.sync)
            #expect(throws: JournalError.self) { try journal.sync() }
            try journal.close()
            let again = try open(storage)
            let replayed = again.replayed
            #expect(replayed.map(\.entry) == [entry(1), entry(2)])
            #expect(again.recovery.copiedGroups == 1)
            #expect(try contents(of: storage.crash(seed: seed)) == [entry(1), entry(2)])
        }
    }

    @Test("a failed sync of two-phase syncing poisons through endSync")
    func failedSyncHandedBack() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        try journal.add([entry(1)])
        try journal.write()
        let sync = try #require(journal.beginSync())
        storage.fail(.sync)
        do {
            try sync.run()
            Issue.record("the sync should fail")
        } catch {
            journal.endSync(sync, failure: error)
        }
        #expect(journal.syncedGroup == 0)
        #expect(journal.failure != nil)
    }

    @Test("short writes and short reads move everything all the same", arguments: [1, 100, 4095, 5000])
    func shortTransfers(limit: Int) throws {
        let storage = MemoryStorage()
        let options = options(segment: 16 << 10, first: 16 << 10)
        storage.transferLimit = limit == 1 ? 13 : limit
        let journal = try open(storage, options)
        let locations = try journal.commit([entry(1, bytes: 3000), entry(2, bytes: 2000)])
        #expect(try journal.reader.body(at: locations[1]) == entry(2, bytes: 2000).body)
        try journal.close()
        #expect(try contents(of: storage, options) == [entry(1, bytes: 3000), entry(2, bytes: 2000)])
    }

    @Test("what replay throws ends the opening, and gives the folder back")
    func replayThrows() throws {
        struct Refusal: Error {}
        let storage = MemoryStorage()
        let journal = try open(storage)
        try journal.commit([entry(1)])
        try journal.close()
        #expect(throws: Refusal.self) {
            _ = try Journal.open(storage, options: options(), restore: { _, _ in }, replay: { _ in throw Refusal() })
        }
        #expect(try contents(of: storage) == [entry(1)])
    }

    @Test("reading a damaged body names the file and the offset")
    func damagedBody() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        let location = try journal.commit([entry(1, bytes: 3000)])[0]
        storage.flip(1, of: "segment-00000001", at: Int(location.offset) + 2000)
        let error = #expect(throws: JournalError.self) { try journal.reader.body(at: location) }
        #expect(
            error
                == .corrupt(
                    file: "memory/segment-00000001",
                    offset: UInt64(location.offset),
                    what: "a record's body is not what was written"
                )
        )
    }

    @Test("many records are read in few calls, in the order asked for, across segments and past the end of a run")
    func batchedReads() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        var locations: [RecordLocation] = []
        var written: [Entry] = []
        for group in 0..<20 {
            let entries = (0..<10).map { entry(group * 10 + $0, bytes: [0, 30, 900, 1500, 5000][$0 % 5]) }
            locations += try journal.commit(entries)
            written += entries
        }
        #expect(Set(locations.map(\.segment)).count > 2)
        let before = storage.calls[.read] ?? 0
        #expect(try journal.reader.records(at: locations).map(\.body) == written.map(\.body))
        #expect((storage.calls[.read] ?? 0) - before < 40, "not one by one")
        let some = [3, 150, 149, 20, 20, 199, 0]
        #expect(try journal.reader.records(at: some.map { locations[$0] }).map(\.header) == some.map { written[$0].header })
        #expect(try journal.reader.records(at: []).isEmpty)
        // Bodies alone are read in the order in which they lie, whatever the order in which they are asked for.
        let mixed = (0..<200).map { $0 * 77 % 200 }, reads = storage.calls[.read] ?? 0
        let bodies = try journal.reader.bodies(at: mixed.map { locations[$0] })
        #expect(mixed.indices.map { bodies.withBody($0) { Array($0) } } == mixed.map { written[$0].body })
        #expect((storage.calls[.read] ?? 0) - reads < 40, "not one by one")
        let repeated = try journal.reader.bodies(at: some.map { locations[$0] })
        #expect(some.indices.map { repeated.withBody($0) { Array($0) } } == some.map { written[$0].body })
        storage.flip(1, of: "segment-00000001", at: Int(locations[4].offset) + 3000)
        #expect(throws: JournalError.self) { try journal.reader.records(at: Array(locations[..<10])) }
        // Headers need no bodies.
        let headers = try journal.reader.headers(at: Array(locations[..<10]))
        #expect(headers.map(\.header) == written[..<10].map(\.header) && headers.allSatisfy(\.body.isEmpty))
        #expect(try journal.reader.header(at: locations[4]).header == written[4].header)
        storage.flip(1, of: "segment-00000001", at: Int(locations[4].offset) + 20)
        #expect(throws: JournalError.self) { try journal.reader.header(at: locations[4]) }
        storage.fail(.read)
        #expect(throws: JournalError.io(call: .read, file: "memory/segment-00000001", errno: 5)) {
            try journal.reader.body(at: locations[0])
        }
        let nowhere = RecordLocation(segment: 99, offset: 4096)
        #expect(throws: JournalError.corrupt(file: "memory/segment-00000063", offset: 4096, what: "the segment is missing")) {
            try journal.reader.body(at: nowhere)
        }
    }
}
