import GodwitJournal
import Testing

/// A fixed day's work in which every call of the storage fails once, each in its own run.
@Suite("Failing calls")
struct FailureTests {
    private struct Outcome {
        var appended: [Entry] = []
        var confirmed = 0
        var failure: JournalError?
    }

    /// Commits, overlapping syncs, rolls, preparations, marks and a clean stop.
    private func work(on storage: MemoryStorage) -> Outcome {
        var outcome = Outcome()
        let small = options(segment: 32 << 10, first: 16 << 10)
        do {
            let journal = try open(storage, small)
            for number in 0..<14 {
                let entries = [entry(number, bytes: 2500), entry(number + 100, bytes: 300)]
                do {
                    try journal.add(entries, for: number % 3 == 0 ? .settle : .publish)
                } catch {
                    // back pressure, nothing is broken
                    if error == .noSpace { continue }
                    throw error
                }
                outcome.appended += entries
                try journal.write()
                let written = outcome.appended.count
                if let sync = journal.beginSync() {
                    do {
                        try sync.run()
                        journal.endSync(sync)
                    } catch {
                        journal.endSync(sync, failure: error)
                        throw error
                    }
                    outcome.confirmed = written
                }
                if number % 5 == 4 { try journal.writeMark() }
                if let maintenance = journal.beginMaintenance() { journal.endMaintenance(maintenance.run()) }
            }
            try journal.close()
        } catch {
            outcome.failure = error as? JournalError
        }
        return outcome
    }

    private var small: JournalOptions { options(segment: 32 << 10, first: 16 << 10) }

    @Test(
        "whichever call fails, with EIO or for want of space, nothing confirmed is lost and nothing torn appears",
        arguments: [Int32(5), 28]
    )
    func everyCall(errno: Int32) throws {
        let probe = MemoryStorage()
        let whole = work(on: probe)
        #expect(whole.failure == nil && whole.confirmed == 28)
        #expect(probe.files.filter { $0.hasPrefix("segment-") }.count >= 3)
        var failures = 0
        for number in 1...probe.totalCalls {
            let storage = MemoryStorage()
            storage.failAnyCall(at: number, errno: errno)
            let outcome = work(on: storage)
            if outcome.failure != nil { failures += 1 }
            storage.heal()
            for next in [storage.kill(), storage.crash(seed: UInt64(number)), storage.kill().crash(seed: UInt64(number) + 1)] {
                let found = try contents(of: next, small)
                #expect(found.count >= outcome.confirmed && found == Array(outcome.appended.prefix(found.count)), "call \(number)")
                #expect(found.count % 2 == 0, "call \(number): a transaction is whole or not there")
                // and what was found stays
                #expect(try contents(of: next.crash(seed: 3), small) == found, "call \(number)")
            }
        }
        #expect(failures > 20)
    }

    @Test("a process that ends at any call loses nothing that was confirmed", arguments: 0..<3 as Range<UInt64>)
    func everyEnd(seed: UInt64) throws {
        let probe = MemoryStorage()
        _ = work(on: probe)
        for number in 1...probe.totalCalls {
            let storage = MemoryStorage()
            storage.stop(at: number)
            let outcome = work(on: storage)
            let next = seed == 0 ? storage.kill() : storage.crash(seed: seed &* 1000 &+ UInt64(number))
            let found = try contents(of: next, small)
            #expect(found.count >= outcome.confirmed && found == Array(outcome.appended.prefix(found.count)), "call \(number)")
            #expect(found.count % 2 == 0, "call \(number)")
        }
    }

    @Test("bodies are read on other threads while the journal writes and begins new segments")
    func concurrentReads() async throws {
        let storage = MemoryStorage()
        let journal = try open(storage)
        let reader = journal.reader
        var locations: [RecordLocation] = []
        try await withThrowingTaskGroup(of: Void.self) { group in
            for round in 0..<30 {
                let entries = (0..<5).map { entry(round * 5 + $0, bytes: 1000) }
                locations += try journal.add(entries)
                try journal.write()
                let written = locations
                group.addTask {
                    for (number, location) in written.enumerated().suffix(20) {
                        let body = try reader.body(at: location)
                        #expect(body == entry(number, bytes: 1000).body)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(Set(locations.map(\.segment)).count > 1)
    }
}
