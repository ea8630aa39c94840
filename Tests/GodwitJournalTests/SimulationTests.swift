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

    init(seed: UInt64, variant: Variant = .honest) {
        self.seed = seed
        random = SplitMix64(seed: seed)
        settings = options(
            segment: [16, 32, 64].randomElement(using: &random)! << 10,
            first: [16, 32].randomElement(using: &random)! << 10,
            spares: Int.random(in: 1...3, using: &random),
            seed: seed
        )
        storage.ignoresSyncs = variant == .ignoresSyncs
    }

    /// - Throws: ``Broken``, or an error that the journal should not have thrown.
    mutating func run() throws {
        for _ in 0..<Int.random(in: 2...6, using: &random) {
            try live()
            try end()
        }
        let journal = try open(storage, settings)
        try check(journal)
    }

    private func chance(_ percent: Int, _ random: inout SplitMix64) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    /// What was found must be a beginning of what was appended that ends with a group and holds everything confirmed.
    private mutating func check(_ journal: OpenedJournal) throws {
        let found = journal.entries
        guard found.count >= confirmed else { throw Broken(description: "seed \(seed): \(found.count) of \(confirmed) confirmed records") }
        guard found.count <= appended.count, found == Array(appended.prefix(found.count))
        else { throw Broken(description: "seed \(seed): records that were not appended, or in another order") }
        guard boundaries.contains(found.count) else { throw Broken(description: "seed \(seed): a part of a group") }
        guard journal.replayed.map(\.number) == (0..<found.count).map({ UInt64($0 + 1) })
        else { throw Broken(description: "seed \(seed): record numbers") }
        for record in journal.replayed where chance(10, &random) {
            guard try journal.reader.body(at: record.location) == record.entry.body else { throw Broken(description: "seed \(seed): body") }
        }
        // what has been shown must not be lost any more
        appended = found
        confirmed = found.count
        boundaries = boundaries.filter { $0 <= found.count }
    }

    /// Opens, works, and stops in some way; errors that were injected end the life.
    private mutating func live() throws {
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
            for _ in 0..<Int.random(in: 0..<30, using: &random) { try step(journal) }
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
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5:
            let count = Int.random(in: 1...4, using: &random)
            _ = try add(count, to: journal, for: chance(50, &random) ? .publish : .settle)
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
            let added = try add(1, to: journal, for: .settle)
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

    /// One transaction; false when there is no room for it.
    private mutating func add(_ count: Int, to journal: OpenedJournal, for purpose: Journal.Purpose) throws -> Bool {
        let entries = (0..<count).map { _ in nextEntry() }
        let group = journal.writtenGroup
        let before = appended.count
        do {
            try journal.add(entries, for: purpose)
        } catch {
            if error == .noSpace { return false }
            throw error
        }
        // the reservation may have written the group before
        if journal.writtenGroup > group { boundaries.insert(before) }
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

    /// The process is killed, or the power fails, or one after the other.
    private mutating func end() throws {
        if chance(50, &random) { storage = storage.kill() }
        if chance(60, &random) { storage = storage.crash(seed: random.next()) } else { storage = storage.kill() }
    }
}

@Suite("Simulation of the journal")
struct SimulationTests {
    @Test(
        "through hundreds of lives nothing that was synced is lost, and nothing appears that was not written",
        arguments: 0..<8 as Range<UInt64>
    )
    func seeds(part: UInt64) throws {
        for seed in part * 60..<part * 60 + 60 {
            var simulation = Simulation(seed: seed)
            try simulation.run()
        }
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
