import GodwitJournal
import Testing

/// Many lives of one store under one seed: transactions, syncs, failing calls, kills and power failures, against a list of what was
/// appended.
struct Simulation {
    /// A promise that was broken.
    struct Broken: Error, CustomStringConvertible {
        var description: String
    }

    /// Which promise-keeping call is left out, to show that the simulation notices.
    enum Variant { case honest, ignoresSyncs }

    private var random: SplitMix64
    private let seed: UInt64
    private let settings: JournalOptions
    private var storage = MemoryStorage()

    /// All records that may be there, in order; the first `confirmed` of them must be.
    private var appended: [Entry] = []
    private var confirmed = 0
    /// The numbers of records at which a group ended.
    private var boundaries: Set<Int> = [0]
    private var nextNumber = 0
    /// Where each record lies that is still needed, by its place in `appended`: what an engine would keep in memory.
    private var live: [Int: RecordLocation] = [:]

    /// What has been done, over all seeds: a simulation that never reclaims proves nothing about it.
    struct Counts {
        var checkpoints = 0, restored = 0, reclaimed = 0, moves = 0, damagedCheckpoints = 0
    }
    private(set) var counts = Counts()
    /// Checkpoints that were damaged on the disk.
    private var rotten: Set<String> = []

    init(seed: UInt64, variant: Variant = .honest) {
        self.seed = seed
        random = SplitMix64(seed: seed)
        settings = options(
            segment: [16, 32, 64].randomElement(using: &random)! << 10,
            first: [16, 32].randomElement(using: &random)! << 10,
            spares: Int.random(in: 1...2, using: &random),
            reserve: Int.random(in: 0...2, using: &random),
            openFiles: Int.random(in: 1...4, using: &random),
            seed: seed
        )
        storage.ignoresSyncs = variant == .ignoresSyncs
    }

    /// - Throws: ``Broken``, or an error that the journal should not have thrown.
    mutating func run() throws {
        for _ in 0..<Int.random(in: 2...6, using: &random) {
            try oneLife()
            try end()
        }
        let journal = try open(storage, settings)
        try check(journal)
        let prefixes = ["segment-", "spare-", "checkpoint-", "draft-"]
        let files = storage.files.filter { file in prefixes.contains { file.hasPrefix($0) } }
        let bytes = files.reduce(0) { $0 + (storage.contents(of: $1)?.count ?? 0) }
        guard bytes == journal.diskBytes else { throw Broken(description: "seed \(seed): \(bytes) bytes, \(journal.diskBytes) told") }
    }

    private func chance(_ percent: Int, _ random: inout SplitMix64) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    /// What was found must be a beginning of what was appended that ends with a group and holds everything confirmed.
    private mutating func check(_ journal: OpenedJournal) throws {
        let (covered, restored): (Int, [Int: RecordLocation]) = try Snapshot.decode(journal.chunks)
        if journal.recovery.checkpoint != nil { counts.restored += 1 }
        counts.damagedCheckpoints += journal.recovery.damagedCheckpoints.count
        guard covered <= appended.count, Set(restored.keys) == Roles.live(appended[..<covered])
        else { throw Broken(description: "seed \(seed): the checkpoint is not what was written at its cut") }
        let found = Array(appended[..<covered]) + journal.entries
        guard found.count >= confirmed else { throw Broken(description: "seed \(seed): \(found.count) of \(confirmed) confirmed records") }
        guard found.count <= appended.count, found == Array(appended.prefix(found.count))
        else { throw Broken(description: "seed \(seed): records that were not appended, or in another order") }
        guard boundaries.contains(found.count) else { throw Broken(description: "seed \(seed): a part of a group") }
        guard journal.replayed.map(\.number) == (covered..<found.count).map({ UInt64($0 + 1) })
        else { throw Broken(description: "seed \(seed): record numbers") }
        live = restored
        for (index, record) in journal.replayed.enumerated() { Roles.apply(record.entry, covered + index, record.location, to: &live) }
        for (index, location) in live.sorted(by: { $0.key < $1.key }) where chance(20, &random) {
            guard try journal.reader.body(at: location) == found[index].body
            else { throw Broken(description: "seed \(seed): a record that is needed is gone") }
        }
        // what has been shown must not be lost any more
        appended = found
        confirmed = found.count
        boundaries = boundaries.filter { $0 <= found.count }
    }

    /// Opens, works, and stops in some way; errors that were injected end the life.
    private mutating func oneLife() throws {
        // an opening that ends in the middle
        while chance(30, &random) {
            storage.stop(at: Int.random(in: 1..<60, using: &random))
            if let opened = try? open(storage, settings) {
                storage.heal()
                try check(opened)
            }
            try end()
        }
        let journal = try open(storage, settings)
        try check(journal)
        if chance(20, &random) { storage.stop(at: Int.random(in: 1..<40, using: &random)) }
        if chance(10, &random) { storage.fail(.sync, at: Int.random(in: 1..<6, using: &random)) }
        if chance(10, &random) { storage.fail(.write, at: Int.random(in: 1..<6, using: &random), errno: 28) }
        if chance(10, &random) { storage.shorten(.write, to: Int.random(in: 1..<9000, using: &random)) }
        if chance(10, &random) { storage.capacity = Int.random(in: 40_000..<400_000, using: &random) }
        do {
            for _ in 0..<Int.random(in: 0..<50, using: &random) { try step(journal) }
            if chance(30, &random) {
                try journal.close()
                try confirm(journal)
            }
        } catch is JournalError {
            // injected; what was appended since the last write is in no group
        }
        // a group that was never written, or whose write failed half-way, may be there or not: it ends where the records end
        boundaries.insert(appended.count)
        storage.capacity = nil
    }

    private mutating func step(_ journal: OpenedJournal) throws {
        switch Int.random(in: 0..<16, using: &random) {
        case 0..<5:
            let count = Int.random(in: 1...4, using: &random)
            let purposes: [Journal.Purpose] = [.publish, .settle, .settleWithPayload]
            _ = try add((0..<count).map { _ in nextEntry() }, to: journal, for: purposes.randomElement(using: &random)!)
        case 10, 11:
            // most are needed no more soon
            let ended = live.keys.sorted().filter { _ in chance(50, &random) }
            _ = try add(ended.prefix(20).map { Roles.end($0) }, to: journal, for: .settle)
        case 12: try move(journal)
        case 13: try checkpoint(journal)
        case 14:
            let needed = Set(live.values.map(\.segment))
            let dead = journal.reclaimable.filter { !needed.contains($0) }
            counts.reclaimed += dead.count
            let pin = chance(30, &random) ? journal.pin() : nil
            journal.reclaim(dead)
            if chance(50, &random), let maintenance = journal.beginMaintenance() { journal.endMaintenance(maintenance.run()) }
            if let place = live.values.sorted().first { _ = try? journal.reader.body(at: place) }
            withExtendedLifetime(pin) {}
        case 5, 6:
            try journal.write()
            boundaries.insert(appended.count)
        case 7:
            try journal.write()
            boundaries.insert(appended.count)
            try journal.sync()
            try confirm(journal)
        case 8:
            // a sync that overlaps with the next group
            try journal.write()
            boundaries.insert(appended.count)
            let covered = appended.count
            guard let sync = journal.beginSync() else { return }
            let added = try add([nextEntry()], to: journal, for: .settle)
            if added, chance(50, &random) {
                try journal.write()
                boundaries.insert(appended.count)
            }
            do {
                try sync.run()
                journal.endSync(sync)
                confirmed = max(confirmed, covered)
            } catch {
                journal.endSync(sync, failure: error)
                throw error
            }
        default:
            try journal.writeMark()
            if let maintenance = journal.beginMaintenance() { journal.endMaintenance(maintenance.run()) }
        }
    }

    /// Moves what is needed out of a segment that is mostly dead.
    private mutating func move(_ journal: OpenedJournal) throws {
        let bySegment = Dictionary(grouping: live, by: \.value.segment)
        guard let victim = journal.reclaimable.min(by: { (bySegment[$0]?.count ?? 0, $0) < (bySegment[$1]?.count ?? 0, $1) }),
            let moved = bySegment[victim]?.sorted(by: { $0.key < $1.key }).prefix(8)
        else { return }
        var entries: [Entry] = []
        for (index, location) in moved {
            guard let body = try? journal.reader.body(at: location) else { return }
            guard body == appended[index].body else { throw Broken(description: "seed \(seed): a needed record is another one") }
            entries.append(Roles.move(index, body))
        }
        if try add(entries, to: journal, for: .move) { counts.moves += 1 }
    }

    private mutating func checkpoint(_ journal: OpenedJournal) throws {
        guard let writer = try journal.beginCheckpoint() else { return }
        boundaries.insert(appended.count)
        let chunks = Snapshot.encode(appended.count, live)
        do throws(JournalError) {
            for (number, chunk) in chunks.enumerated() {
                try chunk.write(to: writer)
                if number == 0, chance(50, &random) { _ = try add([nextEntry()], to: journal, for: .settle) }
            }
            try writer.finish()
            journal.endCheckpoint(writer)
        } catch {
            journal.endCheckpoint(writer, failure: error)
            if journal.failure != nil { throw error }
        }
        if chance(50, &random) {
            try journal.write()
            boundaries.insert(appended.count)
            try journal.sync()
            try confirm(journal)
            while journal.isCheckpointing, let maintenance = journal.beginMaintenance() {
                let result = maintenance.run()
                journal.endMaintenance(result)
                if result.failure != nil { break }
            }
        }
        counts.checkpoints += 1
    }

    /// One transaction; false when there is no room for it.
    private mutating func add(
        _ entries: [Entry],
        to journal: OpenedJournal,
        for purpose: Journal.Purpose
    ) throws(JournalError) -> Bool {
        guard !entries.isEmpty else { return true }
        let group = journal.writtenGroup
        let before = appended.count
        let locations: [RecordLocation]
        do {
            locations = try journal.add(entries, for: purpose)
        } catch {
            if case .noSpace = error { return false }
            if case .tooLarge = error { return false }
            throw error
        }
        // the reservation may have written the group before
        if journal.writtenGroup > group { boundaries.insert(before) }
        for (index, entry) in entries.enumerated() { Roles.apply(entry, before + index, locations[index], to: &live) }
        appended += entries
        return true
    }

    private mutating func nextEntry() -> Entry {
        nextNumber += 1
        return entry(
            nextNumber,
            bytes: chance(20, &random) ? Int.random(in: 0..<3000, using: &random) : Int.random(in: 0..<200, using: &random),
            header: Int.random(in: 0..<40, using: &random)
        )
    }

    private mutating func confirm(_ journal: OpenedJournal) throws {
        guard journal.isSynced else { throw Broken(description: "seed \(seed): a sync left something unsynced") }
        confirmed = appended.count
    }

    /// The process is killed, or the power fails, or one after the other; and sometimes a checkpoint rots, while there is another.
    private mutating func end() throws {
        defer {
            let whole = storage.files.filter { $0.hasPrefix("checkpoint-") && !rotten.contains($0) }
            if whole.count > 1, chance(20, &random), let newest = whole.last, let size = storage.contents(of: newest)?.count, size > 0 {
                // in the header or the chunks, not in the room behind them
                storage.flip(1, of: newest, at: chance(50, &random) ? Int.random(in: 0..<128, using: &random) : min(4096, size - 1))
                rotten.insert(newest)
            }
        }
        if chance(50, &random) { storage = storage.kill() }
        if chance(60, &random) { storage = storage.crash(seed: random.next()) } else { storage = storage.kill() }
    }
}

/// What records mean to the simulated engine: one brings something, ends what another brought, or stands for it at a new place.
private enum Roles {
    private static let endKind: UInt8 = 250
    private static let moveKind: UInt8 = 251

    static func end(_ index: Int) -> Entry { Entry(kind: endKind, header: bytes(index), body: []) }
    static func move(_ index: Int, _ body: [UInt8]) -> Entry { Entry(kind: moveKind, header: bytes(index), body: body) }

    private static func bytes(_ index: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(index).littleEndian, Array.init) }
    private static func index(_ bytes: [UInt8]) -> Int { bytes.reversed().reduce(0) { $0 << 8 | Int($1) } }

    static func apply(_ entry: Entry, _ place: Int, _ location: RecordLocation, to live: inout [Int: RecordLocation]) {
        switch entry.kind {
        case endKind: live[index(entry.header)] = nil
        case moveKind: if live[index(entry.header)] != nil { live[index(entry.header)] = location }
        default: live[place] = location
        }
    }

    static func live(_ entries: ArraySlice<Entry>) -> Set<Int> {
        var live: [Int: RecordLocation] = [:]
        for (place, entry) in entries.enumerated() { apply(entry, place, RecordLocation(segment: 0, offset: 0), to: &live) }
        return Set(live.keys)
    }
}

/// A checkpoint's content: how many records it stands for, and where those lie that are needed.
private enum Snapshot {
    static func encode(_ count: Int, _ live: [Int: RecordLocation]) -> [Chunk] {
        var chunks = [Chunk(section: 1, bytes: number(UInt32(count)))]
        for (index, location) in live.sorted(by: { $0.key < $1.key }) {
            if chunks.count == 1 || chunks[chunks.count - 1].bytes.count > 200 { chunks.append(Chunk(section: 2, bytes: [])) }
            chunks[chunks.count - 1].bytes += number(UInt32(index)) + number(location.segment) + number(location.offset)
        }
        return chunks
    }

    private static func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }

    static func decode(_ chunks: [Chunk]) throws -> (count: Int, live: [Int: RecordLocation]) {
        guard let first = chunks.first else { return (0, [:]) }
        func numbers(_ bytes: [UInt8]) -> [UInt32] {
            stride(from: 0, to: bytes.count, by: 4).map { bytes[$0..<$0 + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) } }
        }
        var live: [Int: RecordLocation] = [:]
        for chunk in chunks.dropFirst() {
            let values = numbers(chunk.bytes)
            for place in stride(from: 0, to: values.count, by: 3) {
                live[Int(values[place])] = RecordLocation(segment: values[place + 1], offset: values[place + 2])
            }
        }
        return (Int(numbers(first.bytes)[0]), live)
    }
}

@Suite("Simulation of the journal")
struct SimulationTests {
    @Test(
        "through hundreds of lives nothing that was synced is lost, and nothing appears that was not written",
        arguments: 0..<8 as Range<UInt64>
    )
    func seeds(part: UInt64) throws {
        var total = Simulation.Counts()
        for seed in part * 60..<part * 60 + 60 {
            var simulation = Simulation(seed: seed)
            try simulation.run()
            total.checkpoints += simulation.counts.checkpoints
            total.restored += simulation.counts.restored
            total.reclaimed += simulation.counts.reclaimed
            total.moves += simulation.counts.moves
            total.damagedCheckpoints += simulation.counts.damagedCheckpoints
        }
        #expect(
            total.checkpoints > 50 && total.restored > 30 && total.reclaimed > 10 && total.moves > 3 && total.damagedCheckpoints > 3,
            "\(total)"
        )
    }

    @Test("the simulation notices when syncs are left out")
    func noticesMissingSyncs() {
        var noticed = 0
        for seed in 0..<100 as Range<UInt64> {
            var simulation = Simulation(seed: seed, variant: .ignoresSyncs)
            do { try simulation.run() } catch { noticed += 1 }
        }
        #expect(noticed > 30, "noticed under \(noticed) of 100 seeds")
    }
}
