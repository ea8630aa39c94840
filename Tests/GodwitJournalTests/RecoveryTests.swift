import GodwitJournal
import Testing

@Suite("Recovery")
struct RecoveryTests {
    static let first = "segment-00000001"

    /// A store with two committed groups and a mark, and where its durable bytes end.
    private func marked() throws -> MemoryStorage {
        let storage = MemoryStorage()
        let journal = try open(storage)
        try journal.commit([entry(1), entry(2)])
        try journal.commit([entry(3, bytes: 5000)])
        try journal.writeMark()
        return storage.kill()
    }

    @Test("after SIGKILL groups that were only readable are copied and synced before the store opens", arguments: 0..<40 as Range<UInt64>)
    func copiesWhatWasReadable(seed: UInt64) throws {
        let storage = try marked()
        let journal = try open(storage)
        try journal.add([entry(4, bytes: 3000)])
        try journal.write()
        try journal.add([entry(5), entry(6)])
        try journal.write()
        let killed = storage.kill()
        let again = try open(killed)
        let expected = [entry(1), entry(2), entry(3, bytes: 5000), entry(4, bytes: 3000), entry(5), entry(6)]
        #expect(again.entries == expected)
        #expect(again.recovery.copiedGroups == 2)
        #expect(again.recovery.copiedTo == "segment-00000002")
        for record in again.replayed { #expect(try again.reader.body(at: record.location) == record.entry.body) }
        // it has just been shown, so it must not be lost any more
        #expect(try contents(of: killed.crash(seed: seed)) == expected)
        // and the journal goes on from there
        try again.commit([entry(7)])
        #expect(try contents(of: killed.crash(seed: seed)) == expected + [entry(7)])
    }

    @Test("a torn group is cut whole, whichever of its blocks reached the disk, and what was synced stays", arguments: [1, 2, 3, 4, 5])
    func tornTail(blocks: Int) throws {
        let storage = try marked()
        let journal = try open(storage)
        let location = try journal.add([entry(4, bytes: 4096 * blocks - 300), entry(5, bytes: 100)])[0]
        let start = Int(location.offset) - 64
        let before = try #require(storage.contents(of: Self.first))
        try journal.write()
        let after = try #require(storage.contents(of: Self.first))
        let confirmed = [entry(1), entry(2), entry(3, bytes: 5000)]
        var random = SplitMix64(seed: UInt64(blocks))
        let garbage = (0..<4096).map { _ in UInt8.random(in: 0...255, using: &random) }
        // each block is new, old or garbage
        var combination = [Int](repeating: 0, count: blocks)
        repeat {
            var bytes = before
            for (block, state) in combination.enumerated() {
                let range = start + block * 4096..<start + (block + 1) * 4096
                if state == 1 { bytes.replaceSubrange(range, with: after[range]) }
                if state == 2 { bytes.replaceSubrange(range, with: garbage) }
            }
            let torn = MemoryStorage(files: [Self.first: bytes])
            let recovered = try open(torn)
            let isWhole = combination.allSatisfy { $0 == 1 }
            #expect(recovered.entries == confirmed + (isWhole ? [entry(4, bytes: 4096 * blocks - 300), entry(5, bytes: 100)] : []))
            #expect(recovered.recovery.cuts.isEmpty == (isWhole || combination.allSatisfy { $0 == 0 }), "\(combination)")
            if let cut = recovered.recovery.cuts.first {
                let kept = try #require(torn.contents(of: cut.keptAs))
                #expect(kept == Array(bytes[Int(cut.offset)..<Int(cut.offset) + cut.bytes]))
                #expect(Int(cut.offset) >= start)
            }
            #expect(Array(torn.contents(of: Self.first)![..<start]) == Array(bytes[..<start]), "nothing is overwritten")
            try recovered.commit([entry(9)])
            let expected = recovered.entries + [entry(9)]
            #expect(try contents(of: torn.crash(seed: 1)) == expected)
        } while advance(&combination, base: 3)
    }

    /// Counts up in the base; false after the last.
    private func advance(_ digits: inout [Int], base: Int) -> Bool {
        for index in digits.indices {
            digits[index] += 1
            if digits[index] < base { return true }
            digits[index] = 0
        }
        return false
    }

    @Test("a damaged bit below the mark refuses, names file and offset, and touches nothing")
    func damageBelowMark() throws {
        let storage = try marked()
        let whole = storage.snapshot
        let size = try #require(whole[Self.first]).count
        // the segment's header, the first mark, a group of one block, a group of two, the last mark
        let marks = [4096..<8192, 5 * 4096..<size]
        let interesting = Array(0..<200) + Array(8192..<8192 + 500) + Array(3 * 4096..<3 * 4096 + 300)
        let others = stride(from: 0, to: 5 * 4096, by: 41)
        for offset in interesting + others where !marks.contains(where: { $0.contains(offset) }) {
            let damaged = MemoryStorage(files: whole)
            damaged.flip(1 << (offset % 8), of: Self.first, at: offset)
            let before = damaged.snapshot
            let error = #expect(throws: JournalError.self, "offset \(offset)") { try open(damaged) }
            guard case .corrupt(let file, let place, _)? = error else {
                Issue.record("offset \(offset): \(String(describing: error))")
                continue
            }
            #expect(file == "memory/" + Self.first)
            #expect(Int(place) / 4096 <= offset / 4096 && (offset < 4096 || Int(place) > 0), "\(place) for \(offset)")
            #expect(damaged.snapshot == before)
            #expect(damaged.calls[.write] == nil && damaged.calls[.create] == nil && damaged.calls[.delete] == nil)
        }
    }

    @Test("a damaged mark loses no record")
    func damagedMark() throws {
        let whole = try marked().snapshot
        for offset in [4096, 4096 + 20, 4096 + 63, 5 * 4096, 5 * 4096 + 33, 5 * 4096 + 60] {
            let damaged = MemoryStorage(files: whole)
            damaged.flip(0x10, of: Self.first, at: offset)
            #expect(try contents(of: damaged) == [entry(1), entry(2), entry(3, bytes: 5000)])
        }
    }

    @Test("a torn tail on a full disk keeps no store from opening, and is kept where it lies")
    func tornTailOnFullDisk() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        for _ in 0..<2 {
            if let maintenance = journal.beginMaintenance() { journal.endMaintenance(maintenance.run()) }
        }
        try journal.commit([entry(1)])
        let location = try journal.commit([entry(2, bytes: 200)])[0]
        let torn = storage.kill()
        torn.flip(1, of: Self.first, at: Int(location.offset) + 50)
        torn.capacity = 1
        let recovered = try open(torn)
        #expect(recovered.entries == [entry(1)])
        let cut = try #require(recovered.recovery.cuts.first)
        let kept = try #require(torn.contents(of: cut.keptAs))
        #expect(cut.keptAs == Self.first && cut.offset == UInt64(location.offset) / 4_096 * 4_096)
        #expect(kept[Int(location.offset) + 16 + 12 + 100] == entry(2, bytes: 200).body[100])
        try recovered.close()
        torn.capacity = nil
        #expect(try contents(of: torn.crash(seed: 1)) == [entry(1)])
    }

    @Test("on a full disk a segment that is replaced whole keeps what was cut under another name")
    func tornSegmentOnFullDisk() throws {
        let storage = try marked(), large = options(segment: 256 << 10)
        let journal = try open(storage, large)
        for _ in 0..<2 {
            if let maintenance = journal.beginMaintenance() { journal.endMaintenance(maintenance.run()) }
        }
        var written = [entry(1), entry(2), entry(3, bytes: 5000)]
        for number in 4..<12 {
            try journal.add([entry(number, bytes: 6000)])
            try journal.write()
            written.append(entry(number, bytes: 6000))
        }
        let location = try journal.add([entry(12)])[0]
        try journal.write()
        let last = "segment-0000000\(location.segment)"
        #expect(location.segment > 1)
        storage.flip(1, of: last, at: Int(location.offset) + 40)
        let killed = storage.kill()
        // Spares for the copy; room for nothing else.
        killed.replace("spare-00000077", with: [UInt8](repeating: 0, count: 256 << 10))
        killed.replace("spare-00000078", with: [UInt8](repeating: 0, count: 256 << 10))
        let bytes = try #require(killed.contents(of: last))
        killed.capacity = 1
        let recovered = try open(killed, large)
        #expect(recovered.entries == written)
        let cut = try #require(recovered.recovery.cuts.first { $0.file == last })
        #expect(cut.keptAs.hasPrefix("cut-") && killed.contents(of: cut.keptAs) == bytes)
        #expect(killed.contents(of: last) == nil)
        try recovered.close()
        #expect(try contents(of: killed.crash(seed: 1), large) == written)
    }

    @Test("a damaged bit above the mark cuts there, and keeps what was cut")
    func damageAboveMark() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        try journal.commit([entry(1)])
        let location = try journal.commit([entry(2, bytes: 200)])[0]
        let whole = storage.kill().snapshot
        for offset in stride(from: 0, to: 64 + 16 + 12 + 200, by: 3) {
            let damaged = MemoryStorage(files: whole)
            damaged.flip(4, of: Self.first, at: Int(location.offset) - 64 + offset)
            let recovered = try open(damaged)
            #expect(recovered.entries == [entry(1)])
            let cut = try #require(recovered.recovery.cuts.first)
            #expect(cut.file == Self.first && cut.offset == UInt64(location.offset) - 64 && cut.bytes == 4096)
            #expect(damaged.contents(of: cut.keptAs)?.count == 4096)
        }
    }

    @Test("a segment that is missing, cut short, or of another store refuses")
    func wrongFiles() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        for number in 0..<12 { try journal.commit([entry(number, bytes: 9000)]) }
        try journal.close()
        let whole = storage.snapshot
        #expect(whole.keys.filter { $0.hasPrefix("segment-") }.count >= 3)
        for (name, length) in [
            ("segment-00000001", 0), ("segment-00000002", 0), ("segment-00000002", 20_000), ("segment-00000001", 32_767),
        ] {
            let broken = MemoryStorage(files: whole)
            if length == 0 { broken.replace(name, with: nil) } else { broken.truncate(name, to: length) }
            let before = broken.snapshot
            #expect(throws: JournalError.self, "\(name) \(length)") { try open(broken) }
            #expect(broken.snapshot == before)
        }
        let stranger = MemoryStorage()
        try open(stranger, options(seed: 99)).close()
        let mixed = MemoryStorage(files: whole)
        mixed.replace("segment-00000001", with: stranger.contents(of: "segment-00000001"))
        #expect(throws: JournalError.self) { try open(mixed) }
    }

    @Test("a read error is never a torn tail: opening fails and changes nothing")
    func readErrors() throws {
        let storage = try marked()
        let journal = try open(storage)
        try journal.add([entry(4)])
        try journal.write()
        let killed = storage.kill()
        let before = killed.snapshot
        let probe = killed.kill()
        try open(probe).close()
        let reads = try #require(probe.calls[.read])
        var refused = 0
        for number in 1...reads {
            let failing = killed.kill()
            failing.fail(.read, at: number)
            do {
                try open(failing).close()
            } catch let error as JournalError {
                guard case .io(.read, _, _) = error else { throw error }
                refused += 1
                // what is not the copy is untouched
                for (name, bytes) in before { #expect(failing.contents(of: name) == bytes) }
            }
        }
        #expect(refused > 2)
    }

    @Test("an opening that ends at any call, by a crash or a kill, loses nothing and leaves a store that opens")
    func interruptedRecovery() throws {
        // readable groups in two segments, and a torn one behind them
        let storage = try marked()
        let journal = try open(storage)
        var written = [entry(1), entry(2), entry(3, bytes: 5000)]
        let committed = written.count
        for number in 4..<9 {
            try journal.add([entry(number, bytes: 6000)])
            try journal.write()
            written.append(entry(number, bytes: 6000))
        }
        let location = try journal.add([entry(10)])[0]
        try journal.write()
        storage.flip(1, of: "segment-0000000\(location.segment)", at: Int(location.offset) + 40)
        let killed = storage.kill()
        let probe = killed.kill()
        let recovered = try open(probe)
        #expect(recovered.entries == written)
        #expect(!recovered.recovery.cuts.isEmpty && recovered.recovery.copiedGroups == 5)
        for number in 1...probe.totalCalls {
            let stopped = killed.kill()
            stopped.stop(at: number)
            let finished = (try? open(stopped)) != nil
            #expect(!finished || number >= probe.totalCalls)
            // killed: all is readable, and opening again shows all of it, for good
            let afterKill = stopped.kill()
            #expect(try contents(of: afterKill) == written, "call \(number)")
            for seed in 0..<8 as Range<UInt64> { #expect(try contents(of: afterKill.crash(seed: seed)) == written, "call \(number)") }
            // power failure: what was synced is there, and what the first opening after it shows stays
            for seed in 0..<3 as Range<UInt64> {
                let afterCrash = stopped.crash(seed: seed)
                let found = try contents(of: afterCrash)
                #expect(found.count >= committed && found == Array(written.prefix(found.count)), "call \(number)")
                #expect(try contents(of: afterCrash.crash(seed: seed + 50)) == found)
            }
        }
    }

    @Test("any call that fails once while a store is opened makes an error or no difference", arguments: [Int32(28), 5])
    func failedCalls(errno: Int32) throws {
        let storage = try marked()
        let journal = try open(storage)
        try journal.add([entry(4, bytes: 6000)])
        try journal.write()
        let killed = storage.kill()
        let expected = [entry(1), entry(2), entry(3, bytes: 5000), entry(4, bytes: 6000)]
        let probe = killed.kill()
        try open(probe).close()
        for number in 1...probe.totalCalls {
            let failing = killed.kill()
            failing.failAnyCall(at: number, errno: errno)
            if let opened = try? open(failing) { #expect(opened.entries == expected) }
            failing.heal()
            #expect(try contents(of: failing.kill()) == expected, "call \(number)")
        }
    }

    @Test("a new store that is interrupted at any call is made again")
    func interruptedCreation() throws {
        let probe = MemoryStorage()
        let journal = try open(probe)
        try journal.commit([entry(1)])
        for number in 1...probe.totalCalls {
            let stopped = MemoryStorage()
            stopped.stop(at: number)
            let opened = try? open(stopped)
            let confirmed = (try? opened?.commit([entry(1)])) != nil
            for seed in 0..<6 as Range<UInt64> {
                for next in [stopped.kill(), stopped.crash(seed: seed)] {
                    let found = try contents(of: next)
                    #expect(found == [entry(1)] || (found == [] && !confirmed))
                    let again = try open(next)
                    try again.commit([entry(2)])
                    #expect(try contents(of: next.crash(seed: seed)) == found + [entry(2)])
                }
            }
        }
    }

    @Test("what lies in a file from an earlier life never counts", arguments: 0..<8)
    func earlierLife(shift: Int) throws {
        // an old segment, full of groups at the same places as those that will be written
        let old = MemoryStorage()
        let oldJournal = try open(old, options(first: 64 << 10, seed: 5))
        for number in 0..<12 { try oldJournal.commit([entry(number + 500)]) }
        try oldJournal.close()
        let stale = try #require(old.contents(of: "segment-00000001"))

        let storage = MemoryStorage()
        let journal = try open(storage, options(first: 16 << 10))
        try journal.commit([entry(0)])
        try journal.close()
        // the blocks behind its header, so that groups of both lives meet on every boundary
        storage.replace("spare-00000009", with: Array(stale[(shift * 4096)...] + stale[..<(shift * 4096)]))
        let again = try open(storage, options(first: 16 << 10))
        var expected = [entry(0)]
        for number in 1..<8 {
            try again.add([entry(number)], for: .settle)
            try again.write()
            try again.sync()
            expected.append(entry(number))
            #expect(try contents(of: storage.kill()) == expected)
            #expect(try contents(of: storage.crash(seed: UInt64(number))) == expected)
        }
        #expect(storage.files.contains("segment-00000002") && !storage.files.contains("spare-00000009"))
    }

    @Test("the file of this very store, renamed to a later segment, does not continue the chain")
    func replayedSegment() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        try journal.commit([entry(1)])
        try journal.close()
        storage.replace("segment-00000002", with: storage.contents(of: Self.first))
        // its header names another number, and its groups are sealed for that one
        #expect(try contents(of: storage) == [entry(1)])
    }

    @Test("a sound group that continues another history of the same file is not there")
    func otherHistory() throws {
        // the same seed gives both files the same generation, so only the chain tells them apart
        func history(_ first: Entry, _ second: Entry) throws -> [UInt8] {
            let storage = MemoryStorage()
            let journal = try open(storage)
            try journal.commit([first])
            try journal.add([second])
            try journal.write()
            return try #require(storage.contents(of: Self.first))
        }
        let one = try history(entry(1), entry(2))
        let other = try history(entry(3), entry(4))
        let place = 3 * 4096
        let mixed = MemoryStorage(files: [Self.first: Array(one[..<place] + other[place...])])
        let journal = try open(mixed)
        #expect(journal.entries == [entry(1)])
        #expect(journal.recovery.cuts.map(\.offset) == [UInt64(place)])
        #expect(try contents(of: MemoryStorage(files: [Self.first: one])) == [entry(1), entry(2)])
    }

    @Test("a record body that holds a whole valid group is only a body")
    func payloadPoses() throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        try journal.commit([entry(1)])
        let group = Array(try #require(storage.contents(of: Self.first))[2 * 4096..<3 * 4096])
        // so that the body's group lies on a boundary, wherever it starts
        let body = [UInt8](repeating: 0, count: 4096 - 64 - 16) + group + group
        try journal.add([Entry(kind: 1, header: [], body: body)])
        try journal.write()
        let location = RecordLocation(segment: 1, offset: 3 * 4096 + 64)
        #expect(try journal.reader.body(at: location) == body)
        // torn: the header is lost, the body is there
        let bytes = try #require(storage.contents(of: Self.first))
        let torn = MemoryStorage(files: [
            Self.first: Array(bytes[..<(3 * 4096)]) + [UInt8](repeating: 0, count: 4096) + bytes[(4 * 4096)...]
        ])
        #expect(try contents(of: torn) == [entry(1)])
    }

    @Test("a newer segment format, a newer group version and unknown critical flags are refused by name")
    func newerFormat() throws {
        // the checksums are redone, as a newer version would have them
        let storage = try marked()
        let bytes = try #require(storage.contents(of: Self.first))
        for (place, value) in [(8, UInt8(2)), (16, 1), (2 * 4096 + 4, 2), (2 * 4096 + 5, 0x10)] {
            var changed = bytes
            changed[place] = value
            resealHeader(&changed, at: place / 4096 * 4096)
            let newer = MemoryStorage(files: [Self.first: changed])
            let error = #expect(throws: JournalError.self) { try open(newer) }
            guard case .newerFormat("memory/segment-00000001", _)? = error else {
                Issue.record("\(place): \(String(describing: error))")
                continue
            }
            #expect(newer.contents(of: Self.first) == changed)
        }
    }

    /// Computes a segment's or group's header checksum anew, as docs/journal-format.md describes it.
    private func resealHeader(_ bytes: inout [UInt8], at offset: Int) {
        let generation = Array(bytes[48..<56])
        let covered = offset == 0 ? 124 : 60
        let place = withUnsafeBytes(of: UInt32(offset).littleEndian, Array.init)
        let sealed = generation + [1, 0, 0, 0, 0, 0, 0, 0] + place + bytes[offset..<offset + covered]
        let checksum = sealed.withUnsafeBytes { crc32c($0) }
        bytes.replaceSubrange(offset + covered..<offset + covered + 4, with: withUnsafeBytes(of: checksum.littleEndian, Array.init))
    }
}
