import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Tables by sequence number")
struct TableTests {
    private static func entry(_ size: Int = 0) -> JobEntry {
        JobEntry(
            message: RecordLocation(segment: 1, offset: 0),
            change: 0,
            queue: 0,
            size: size,
            maxAttempts: 1,
            priority: 0,
            state: .queued
        )
    }

    private static func finishedEntry(_ queue: UInt32 = 0) -> FinishedEntry {
        FinishedEntry(
            message: RecordLocation(segment: 1, offset: 0),
            final: RecordLocation(segment: 1, offset: 0),
            change: 0,
            queue: queue,
            state: .succeeded,
            messageClass: SizeClass(of: 0),
            finalClass: SizeClass(of: 0),
            hasExtra: false
        )
    }

    @Test("an entry takes 40 bytes, that of a finished job 28")
    func sizes() {
        #expect(MemoryLayout<JobEntry>.stride == 40 && MemoryLayout<FinishedEntry>.stride == 28)
    }

    @Test("what entries pack into bits reads back, and stops at the ends")
    func packing() {
        var entry = Self.entry()
        (entry.attempt, entry.maxAttempts, entry.deliveries) = (1_000, 999, 4_000)
        (entry.change, entry.time) = (1 << 47 + 3, 253_402_300_799_999)
        #expect(entry.attempt == 1_000 && entry.maxAttempts == 999 && entry.deliveries == 4_000)
        #expect(entry.change == 1 << 47 + 3 && entry.time == 253_402_300_799_999)
        (entry.attempt, entry.maxAttempts, entry.deliveries) = (.max, .max, .max)
        #expect(entry.attempt == 1_023 && entry.maxAttempts == 1_023 && entry.deliveries == 4_095)
        entry.time = -5
        #expect(entry.time == -5)
        (entry.time, entry.change) = (.min, .max)
        #expect(entry.time == -1 << 40 && entry.change == 1 << 48 - 1)
        entry.time = .max
        #expect(entry.time > 253_402_300_799_999)

        for state in [JobEntry.State.succeeded, .failed, .cancelled, .expired] {
            var finished = FinishedEntry(
                message: RecordLocation(segment: 1, offset: 2),
                final: RecordLocation(segment: 3, offset: 4),
                change: 5,
                queue: 6,
                state: state,
                messageClass: SizeClass(index: 31),
                finalClass: SizeClass(index: 17),
                hasExtra: true
            )
            finished.isBelated = true
            #expect(finished.state == state && finished.hasExtra && finished.isBelated && !finished.isFree)
            finished.hasExtra = false
            #expect(finished.state == state && !finished.hasExtra && finished.isBelated)
            #expect(finished.messageClass.index == 31 && finished.finalClass.index == 17)
        }
    }

    @Test("a size class is near to every size in it")
    func sizeClasses() {
        for size in [0, 1, 63, 64, 100, 1_000, 1_024, 5_000, 100_000, 1 << 20] {
            let bytes = Double(SizeClass(of: size).bytes), whole = Double(size + 64)
            #expect(bytes > whole * 0.74 && bytes < whole * 1.27, "\(size)")
        }
        #expect(SizeClass(of: .max).index == 31 && SizeClass(of: -1) == SizeClass(of: 0))
    }

    @Test("the table takes no more memory than its jobs need, however many there were")
    func pages() {
        var table = PagedTable<JobEntry>(dense: true)
        for sequence in 1...100_000 as ClosedRange<UInt64> {
            #expect(table.insert(sequence, Self.entry()) != nil)
            if sequence > 3 { table.remove(sequence - 3) }
        }
        let used = table.pagesInUse
        #expect(used <= 2)
        // One job at a time, so that the newest page is empty again and again.
        for sequence in 600_000...700_000 as ClosedRange<UInt64> {
            table.insert(sequence, Self.entry())
            table.remove(sequence)
        }
        let after = table.pagesInUse, count = table.count
        #expect(after <= 3 && count == 3)
        let last = table.last(before: .max), first = table.first(from: 0)
        #expect(last == 100_000 && first == 99_998)
        let taken = table.insert(100_000, Self.entry()) == nil, far = table.insert(1 << 47, Self.entry()) == nil
        #expect(taken && far)
    }

    /// Inserts, edits, removes and tidies at random; every step does as a dictionary does.
    private func run<Entry: TableEntry>(
        _ table: inout PagedTable<Entry>,
        seed: UInt64,
        _ make: (UInt64) -> Entry,
        _ stamp: (inout Entry, UInt32) -> Void,
        _ read: (Entry) -> UInt32
    ) {
        var random = SplitMix64(seed: seed), model: [UInt64: UInt32] = [:], next: UInt64 = 1
        var kept: (snapshot: TableSnapshot<Entry>, model: [UInt64: UInt32])?
        for step in 0..<20_000 as Range<UInt32> {
            let old = random.next() % max(next, 1)
            switch random.next() % 16 {
            case 0...5:
                next += random.next() % 40 == 0 ? 3_000 : 1
                var entry = make(next)
                stamp(&entry, step)
                #expect(table.insert(next, entry) != nil)
                model[next] = step
            case 6, 7:
                var entry = make(old)
                stamp(&entry, step)
                let isNew = table.insert(old, entry) != nil
                #expect(isNew == (model[old] == nil))
                if isNew { model[old] = step }
            case 8...11:
                // Somewhere near, so that most are hits.
                guard let sequence = table.first(from: old) else { continue }
                table.remove(sequence)
                #expect(model.removeValue(forKey: sequence) != nil)
            case 12, 13:
                let entry = table.edit(old)
                #expect((entry != nil) == (model[old] != nil))
                guard let entry else { continue }
                stamp(&entry.pointee, step)
                model[old] = step
            case 14:
                table.tidy(pages: 3)
            default:
                if let (snapshot, then) = kept, random.next() % 20 == 0 {
                    check(snapshot, then, read)
                    table.endSnapshot()
                    kept = nil
                } else if kept == nil, random.next() % 20 == 0 {
                    kept = (table.snapshot(), model)
                }
            }
            #expect(table.find(old).map { read($0.pointee) } == model[old])
        }
        if let (snapshot, then) = kept { check(snapshot, then, read) }
        let count = table.count
        #expect(count == model.count)
        var at: UInt64 = 0, found: [UInt64] = []
        while let sequence = table.first(from: at) {
            found.append(sequence)
            at = sequence + 1
        }
        #expect(found == model.keys.sorted())
        var back: [UInt64] = []
        at = .max
        while let sequence = table.last(before: at) {
            back.append(sequence)
            at = sequence
        }
        #expect(back == found.reversed())
    }

    private func check<Entry: TableEntry>(_ snapshot: TableSnapshot<Entry>, _ model: [UInt64: UInt32], _ read: (Entry) -> UInt32) {
        var found: [UInt64: UInt32] = [:], order: [UInt64] = []
        snapshot.forEach { sequence, entry in
            found[sequence] = read(entry.pointee)
            order.append(sequence)
        }
        #expect(found == model && order == order.sorted() && snapshot.count == model.count, "a snapshot stays as it was")
    }

    @Test("a table does what a dictionary does, and a snapshot stays as it was", arguments: UInt64(1)...6)
    func model(seed: UInt64) {
        var jobs = PagedTable<JobEntry>(dense: true)
        run(&jobs, seed: seed, { _ in Self.entry() }, { $0.size = $1 }, { $0.size })
        var finished = PagedTable<FinishedEntry>(dense: false)
        run(&finished, seed: seed, { _ in Self.finishedEntry() }, { $0.queue = $1 }, { $0.queue })
    }

    @Test("a pending message takes at most 48 bytes, its place in line included, whatever order jobs end in", arguments: [1, 2, 10, 100])
    func pendingMemory(oneIn: Int) {
        var table = PagedTable<JobEntry>(dense: true), line = NumberLine(), random = SplitMix64(seed: 3)
        let count = 1_000_000 / 4 as UInt64
        for sequence in 1...count {
            table.insert(sequence, Self.entry())
            if random.next() % UInt64(oneIn) == 0 { line.append(sequence) } else { table.remove(sequence) }
            // As turns do.
            if sequence % 64 == 0 { table.tidy(pages: 4) }
        }
        for _ in 0..<200 { table.tidy(pages: 16) }
        // What a page costs in the directory of pages, 24 bytes, counts as well; that the newest page still fills does not.
        let bytes = table.bytes + line.bytes + table.pagesInUse * 24 - 512 * 40, live = table.count
        let each = Double(bytes) / Double(live)
        #expect(each <= (oneIn < 100 ? 48 : 53), "\(each) bytes each of \(live)")
    }

    @Test("a finished job takes at most 32 bytes, its place among those whose retention is waited for included")
    func finishedMemory() {
        var table = PagedTable<FinishedEntry>(dense: false), line = FinishedJobs(), random = SplitMix64(seed: 4)
        // They end near to their order, as with many workers.
        let count = 200_000 as UInt64
        var open: [UInt64] = []
        for sequence in 1...count {
            open.append(sequence)
            guard open.count > 64 else { continue }
            let ended = open.remove(at: Int(random.next() % 64))
            table.insert(ended, Self.finishedEntry())
            _ = line.append(FinishedJob(sequence: ended, ended: Int64(sequence) / 10), kept: 86_400_000)
            if sequence % 64 == 0 { table.tidy(pages: 4) }
        }
        for _ in 0..<100 { table.tidy(pages: 16) }
        let each = Double(table.bytes + line.bytes + table.pagesInUse * 24) / Double(table.count)
        #expect(each <= 32.5, "\(each) bytes each")
    }

    @Test("a dictionary in parts does what a plain one does, and a copy stays as it was", arguments: UInt64(1)...4)
    func sharded(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var parts = ShardedDictionary<UInt64, Int>(), plain: [UInt64: Int] = [:]
        var copy = parts, then = plain
        for step in 0..<30_000 {
            let key = random.next() % 6_000
            switch random.next() % 8 {
            case 0...3:
                parts[key] = step
                plain[key] = step
            case 4: #expect(parts.removeValue(forKey: key) == plain.removeValue(forKey: key))
            case 5:
                parts.change(key, from: -1) { $0 += 1 }
                plain[key, default: -1] += 1
            default: #expect(parts[key] == plain[key])
            }
            if step == 20_000 { (copy, then) = (parts, plain) }
        }
        #expect(parts.count == plain.count)
        var found: [UInt64: Int] = [:]
        parts.forEach { found[$0] = $1 }
        #expect(found == plain)
        found = [:]
        copy.forEach { found[$0] = $1 }
        #expect(found == then && copy.count == then.count)
        for key in plain.keys { parts[key] = nil }
        #expect(parts.isEmpty)
    }

    @Test("what is live in each segment is counted up and down, and what is gone takes nothing")
    func segmentUse() {
        var use = SegmentUse()
        let size = SizeClass(of: 1_000)
        for segment in 1...10_000 as ClosedRange<UInt32> {
            use.add(RecordLocation(segment: segment, offset: 4_096), size)
            if segment > 2 { use.remove(RecordLocation(segment: segment - 2, offset: 4_096), size) }
        }
        #expect(use[9_999] == SegmentUse.Use(things: 1, bytes: size.bytes) && use[9_998] == SegmentUse.Use())
        #expect(use.total == SegmentUse.Use(things: 2, bytes: 2 * size.bytes))
        use.add(RecordLocation(segment: 9_000, offset: 4_096), size)
        #expect(use[9_000].things == 1 && use[10_001] == SegmentUse.Use())
    }

    @Test("a purge's ending is known as long as one of its jobs is kept")
    func endings() {
        var endings = Endings()
        let first = endings.add(at: 5), same = endings.add(at: 5), other = endings.add(at: 6)
        #expect(first == same && first != other && first.isEnding)
        #expect(endings.time(of: first) == 5 && endings.time(of: other) == 6)
        endings.remove(first)
        #expect(endings.time(of: first) == 5)
        endings.remove(first)
        #expect(endings.time(of: first) == nil && endings.time(of: RecordLocation(segment: 1, offset: 1)) == nil)
    }
}
