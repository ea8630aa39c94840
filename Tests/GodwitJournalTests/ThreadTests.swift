import GodwitJournal
import Synchronization
import Testing

@Suite("Threads around the journal")
struct ThreadTests {
    /// What other threads hand back to the journal's own.
    private final class Results: Sendable {
        private let state = Mutex<(maintenance: JournalMaintenance.Result?, checkpoint: (CheckpointWriter, JournalError?)?)>((nil, nil))

        func post(_ result: JournalMaintenance.Result) { state.withLock { $0.maintenance = result } }
        func post(_ writer: CheckpointWriter, _ failure: JournalError?) { state.withLock { $0.checkpoint = (writer, failure) } }

        func take() -> (maintenance: JournalMaintenance.Result?, checkpoint: (CheckpointWriter, JournalError?)?) {
            state.withLock {
                let taken = $0
                $0 = (nil, nil)
                return taken
            }
        }
    }

    @Test("checkpoints are written, files seen to and records read on other threads while the journal goes on")
    func everythingAtOnce() async throws {
        let small = options(segment: 64 << 10, first: 32 << 10, reserve: 2, openFiles: 3)
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        let results = Results()
        var locations: [RecordLocation] = []
        var firstKept = 0
        var placed = 0
        try await withThrowingTaskGroup(of: Void.self) { group in
            var isChecking = false
            for round in 0..<400 {
                locations += try journal.commit((0..<3).map { entry(round * 3 + $0, bytes: 1000) })
                let done = results.take()
                if let result = done.maintenance {
                    #expect(result.failure == nil)
                    journal.endMaintenance(result)
                }
                if let (writer, failure) = done.checkpoint {
                    #expect(failure == nil)
                    journal.endCheckpoint(writer, failure: failure)
                    isChecking = false
                    placed += 1
                }
                if !isChecking, round % 10 == 9, let writer = try journal.beginCheckpoint() {
                    isChecking = true
                    group.addTask {
                        do throws(JournalError) {
                            for number in 0..<5 {
                                try Chunk(section: 1, bytes: [UInt8](repeating: UInt8(number), count: 9000)).write(to: writer)
                            }
                            try writer.finish()
                            results.post(writer, nil)
                        } catch { results.post(writer, error) }
                    }
                }
                if let maintenance = journal.beginMaintenance() { group.addTask { results.post(maintenance.run()) } }
                // readers hold on to what the journal may give back meanwhile
                let pin = journal.pin()
                let reader = journal.reader
                let some = Array(locations[firstKept...].enumerated().suffix(40))
                let offset = firstKept
                group.addTask {
                    for (number, location) in some {
                        let body = try reader.body(at: location)
                        #expect(body == entry(offset + number, bytes: 1000).body)
                    }
                    withExtendedLifetime(pin) {}
                }
                let dead = journal.reclaimable
                if let last = dead.last {
                    journal.reclaim(dead)
                    firstKept = max(firstKept, locations.firstIndex { $0.segment > last } ?? locations.count)
                }
                if round % 20 == 0 { await Task.yield() }
            }
            try await group.waitForAll()
        }
        let done = results.take()
        if let result = done.maintenance { journal.endMaintenance(result) }
        if let (writer, failure) = done.checkpoint { journal.endCheckpoint(writer, failure: failure) }
        #expect(placed > 0)
        try journal.commit([entry(5000)])
        try journal.close()
        let again = try open(storage.crash(seed: 1), small)
        #expect(again.entries.last == entry(5000))
    }
}
