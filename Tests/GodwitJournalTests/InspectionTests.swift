import GodwitJournal
import Testing

@Suite("Inspecting and repairing closed stores")
struct InspectionTests {
    private let small = options(segment: 32 << 10, first: 16 << 10, reserve: 2)

    /// A store with two checkpoints, holes, reused files, and groups behind the cut; and what lies there.
    private func store() throws -> (files: [String: [UInt8]], behindCut: [Entry]) {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        var behind: [Entry] = []
        for number in 0..<60 {
            try journal.commit([entry(number, bytes: 1500), entry(number + 100, bytes: 40)])
            behind += [entry(number, bytes: 1500), entry(number + 100, bytes: 40)]
            if [15, 25, 40].contains(number) {
                try journal.checkpoint([Chunk(section: 3, bytes: [UInt8(number)])])
                behind = []
                // all but one
                journal.reclaim(Array(journal.reclaimable.dropFirst()))
            }
            #expect(journal.maintainAll() == nil)
        }
        try journal.close()
        return (storage.snapshot, behind)
    }

    private struct Walked {
        var report: StoreReport
        var replayed: [Entry] = []
        var others = 0
        var chunks: [Chunk] = []
    }

    private func walk(_ storage: MemoryStorage) throws -> Walked {
        let inspection = try StoreInspection(storage)
        var replayed: [Entry] = [], others = 0, chunks: [Chunk] = []
        let report = try inspection.walk(
            restore: { chunks.append(Chunk(section: $0, bytes: Array($1))) },
            record: { record, isReplayed in
                guard isReplayed else {
                    others += 1
                    return
                }
                replayed.append(
                    Entry(kind: record.kind, critical: record.critical, header: Array(record.header), body: Array(record.body))
                )
            }
        )
        return Walked(report: report, replayed: replayed, others: others, chunks: chunks)
    }

    @Test("a file whose number is higher than any segment's ever gets is not the store's, and is left alone")
    func numbersWithoutEnd() throws {
        for name in ["segment-ffffffff", "segment-80000000", "spare-ffffffff", "checkpoint-ffffffff", "draft-ffffffff"] {
            var files = try store().files
            let bytes = files.first { $0.key.hasPrefix("segment-") }?.value ?? []
            files[name] = bytes
            let storage = MemoryStorage(files: files)
            #expect(try StoreInspection(storage).walk(restore: { _, _ in }, record: { _, _ in }).damages.isEmpty)
            let journal = try open(storage, small)
            try journal.commit([entry(1)])
            try journal.close()
            #expect(storage.contents(of: name) == bytes)
        }
    }

    @Test("a sound store has no damage, all of it is read, and nothing is changed")
    func soundStore() throws {
        let (files, behind) = try store()
        let storage = MemoryStorage(files: files)
        let found = try walk(storage)
        #expect(found.report.damages.isEmpty && found.report.tails.isEmpty, "\(found.report.damages)")
        #expect(found.replayed == behind && found.chunks == [Chunk(section: 3, bytes: [40])])
        #expect(found.others > 10 && found.report.records == UInt64(found.others + behind.count))
        #expect(found.report.checkpoints.map(\.file) == ["checkpoint-00000002", "checkpoint-00000003"])
        #expect(found.report.segments.contains { $0.isBeforeCut } && found.report.spareFiles.count > 2)
        #expect(storage.snapshot == files)
        #expect(try !StoreRepair.run(storage, options: small).didRepair)
        #expect(try contents(of: storage, small) == behind)
    }

    @Test("a store that is open is not looked into, and one that is looked into is not opened")
    func locked() throws {
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        #expect(throws: JournalError.self) { _ = try StoreInspection(storage) }
        #expect(throws: JournalError.self) { try StoreRepair.run(storage) }
        try journal.close()
        do {
            let inspection = try StoreInspection(storage)
            #expect(throws: JournalError.self) { try open(storage, small) }
            #expect(try inspection.walk().damages.isEmpty)
        }
        try open(storage, small).close()
    }

    @Test("an empty folder, and a store that was killed, are sound")
    func otherStores() throws {
        let empty = try walk(MemoryStorage())
        #expect(empty.report.damages.isEmpty && empty.report.segments.isEmpty)
        #expect(try !StoreRepair.run(MemoryStorage()).didRepair)
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        try journal.commit([entry(1)])
        try journal.add([entry(2)])
        try journal.write()
        let found = try walk(storage.kill())
        #expect(found.report.damages.isEmpty && found.replayed == [entry(1), entry(2)])
    }

    @Test("every damaged byte that holds a record or a header is reported, and repairing loses no record beside it", arguments: 0..<4)
    func everyDamage(part: Int) throws {
        let (files, behind) = try store()
        let sound = try walk(MemoryStorage(files: files)).report
        let segments = sound.segments.filter { $0.usedBytes > 0 }
        var reported = 0
        for segment in segments {
            for offset in stride(from: part * 29, to: 24 << 10, by: 509) {
                let storage = MemoryStorage(files: files)
                storage.flip(1 << (offset % 8), of: segment.file, at: offset)
                let isRefused: Bool
                do {
                    try open(storage.kill(), small).close()
                    isRefused = false
                } catch { isRefused = true }
                let found = try walk(storage)
                if isRefused { #expect(!found.report.damages.isEmpty, "\(segment.file) \(offset)") }
                if !found.report.damages.isEmpty { reported += 1 }
                let report = try StoreRepair.run(storage, options: small)
                #expect(report.didRepair == isRefused, "\(segment.file) \(offset)")
                let repaired = try open(storage.crash(seed: 1), small)
                let kept = repaired.entries.filter { $0.kind != StoreRepair.lostKind }
                #expect(kept.count + Int(report.lostRecords) - Int(report.rescuedRecords) == behind.count, "\(segment.file) \(offset)")
                #expect(behind.count - kept.count <= 1)
                var rest = behind[...]
                for entry in kept {
                    while let next = rest.popFirst(), next != entry {}
                    #expect(rest.count < behind.count)
                }
                try repaired.commit([entry(77)])
                #expect(try open(storage.crash(seed: 1), small).entries.isEmpty == false)
            }
        }
        #expect(reported > 10)
    }

    @Test("a damaged body is told by its record's header")
    func damagedBody() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        try journal.commit([entry(1), entry(2)])
        let location = try journal.commit([entry(3), entry(4), entry(5)])[1]
        try journal.commit([entry(6)])
        try journal.close()
        storage.flip(1, of: "segment-00000001", at: Int(location.offset) + 16 + 12 + 50)
        let damage = try #require(try walk(storage).report.damages.first)
        #expect(damage.records == [StoreDamage.Record(location: location, kind: 4, header: entry(4).header)])
        #expect(damage.lostRecords == 3 && damage.firstLostRecord == 3)
        let report = try StoreRepair.run(storage, options: small)
        #expect(report.rescuedRecords == 2 && report.copiedTo == "segment-00000002")
        let found = try contents(of: storage.crash(seed: 3), small)
        let lost = Entry(kind: 255, critical: false, header: [3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0], body: [])
        #expect(found == [entry(1), entry(2), lost, entry(3), entry(5), entry(6)])
        #expect(try walk(storage).report.damages.isEmpty)
    }

    @Test("a repair that ends at any call can be done again")
    func interruptedRepair() throws {
        let (files, behind) = try store()
        let damaged = MemoryStorage(files: files)
        let last = try #require(try walk(MemoryStorage(files: files)).report.segments.last { $0.records > 4 })
        damaged.flip(1, of: last.file, at: 2 * 4096 + 300)
        let probe = damaged.kill()
        #expect(try StoreRepair.run(probe, options: small).copiedTo != nil)
        for number in 1...probe.totalCalls {
            let stopped = damaged.kill()
            stopped.stop(at: number)
            _ = try? StoreRepair.run(stopped, options: small)
            for next in [stopped.kill(), stopped.crash(seed: UInt64(number))] {
                _ = try StoreRepair.run(next, options: small)
                let kept = try contents(of: next.crash(seed: 2), small).filter { $0.kind != StoreRepair.lostKind }
                #expect(kept.count >= behind.count - 1, "call \(number)")
            }
        }
    }

    @Test("without checkpoint and beginning there is nothing to repair from, and nothing is touched")
    func beyondRepair() throws {
        var (files, _) = try store()
        for name in files.keys where name.hasPrefix("checkpoint-") || name == "segment-00000001" { files[name] = nil }
        let storage = MemoryStorage(files: files)
        #expect(throws: JournalError.self) { try StoreRepair.run(storage, options: small) }
        #expect(storage.snapshot == files)
        #expect(try !walk(storage).report.damages.isEmpty)
    }
}
