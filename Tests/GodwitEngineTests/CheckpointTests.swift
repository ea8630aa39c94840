import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Checkpoints of the engine", .timeLimit(.minutes(3)))
struct CheckpointTests {
    private let clock = ManualClock(start: Fixture.start)

    /// Applies all records of a store that come after what the state has.
    private func replay(_ storage: MemoryStorage, _ state: inout EngineState) throws {
        let known = state.change
        var change: UInt64 = 0
        var journal = try Journal.open(
            storage,
            options: JournalOptions(segmentBytes: 1 << 20),
            restore: { _, _ in },
            replay: { record in
                let bytes = record.body.count, location = record.location
                guard let (stamp, recorded) = try Change.decode(kind: record.kind, header: record.header, bodyBytes: bytes) else { return }
                change += 1
                if case .opened = recorded { change += 1 << 24 }
                if change > known { try state.apply(recorded, stamp, at: location) }
            }
        )
        try journal.close()
    }

    private func restore(_ chunks: [(section: CheckpointSection, bytes: [UInt8])]) throws -> EngineState {
        var state = EngineState(), restore = CheckpointRestore()
        for (section, bytes) in chunks {
            try bytes.withUnsafeBytes { try restore.take(section.rawValue, $0, into: &state) }
        }
        try restore.end(&state)
        return state
    }

    private func settle(_ core: inout EngineCore) throws {
        guard let sync = core.beginSync() else { return }
        try sync.run()
        core.endSync(sync, failure: nil)
    }

    @Test("a state that is restored and goes on says what one says that replays everything", arguments: UInt64(1)...5)
    func equality(seed: UInt64) throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock, segmentBytes: 1 << 20), work = RandomWork(seed: seed)
        var checkpoints: [[(section: CheckpointSection, bytes: [UInt8])]] = []
        for step in 0..<400 {
            work.turn(&core, clock)
            try settle(&core)
            guard step % 90 == 89 else { continue }
            // The engine goes on while the snapshot is out, and it is written only then.
            let snapshot = core.state.snapshot()
            for _ in 0..<20 { work.turn(&core, clock) }
            try settle(&core)
            checkpoints.append(try snapshot.chunks())
            core.state.endSnapshot()
        }
        // A mark, so that nothing is copied when it is opened.
        try core.journal.close()
        var whole = EngineState()
        try replay(storage.kill(), &whole)
        let expected = whole.dump(), live = core.state.dump()
        let lived = live.difference(from: expected)
        #expect(lived.isEmpty, "seed \(seed), live: \(lived)")
        for (number, chunks) in checkpoints.enumerated() {
            var restored = try restore(chunks)
            try replay(storage.kill(), &restored)
            let difference = restored.dump().difference(from: expected)
            #expect(difference.isEmpty, "seed \(seed), checkpoint \(number): \(difference)")
        }
    }

    @Test("a checkpoint whose content is not what was written is an error, never a trap", arguments: UInt64(1)...60)
    func garbage(seed: UInt64) throws {
        var core = try Core.open(MemoryStorage(), clock), work = RandomWork(seed: 3)
        for _ in 0..<60 { work.turn(&core, clock) }
        var chunks = try core.state.snapshot().chunks()
        core.state.endSnapshot()
        var random = SplitMix64(seed: seed)
        let index = Int(random.next() % UInt64(chunks.count))
        for _ in 0...Int(random.next() % 4) {
            let place = Int(random.next() % UInt64(max(chunks[index].bytes.count, 1)))
            switch random.next() % 4 {
            case 0, 1: if place < chunks[index].bytes.count { chunks[index].bytes[place] = UInt8(truncatingIfNeeded: random.next()) }
            case 2: chunks[index].bytes = Array(chunks[index].bytes.prefix(place))
            default: chunks[index].bytes.append(UInt8(truncatingIfNeeded: random.next()))
            }
        }
        guard let state = try? restore(chunks) else { return }
        // What passes for a state can be lived with.
        _ = state.firstJob(from: 0)
    }

    @Test("a snapshot of queues shows them as they were, whatever is done to them before they are read")
    func queues() throws {
        var core = try Core.open(MemoryStorage(), clock)
        func publish(_ names: some Sequence<Int>) {
            for name in names { core.turn([(1, Core.publish(.name("q\(name)")))], at: clock.now()) }
        }
        publish(0..<40)
        core.turn([(2, .delete(.name("q7"), purging: true))], at: clock.now())
        core.turn([], at: clock.now())
        let expected = try core.state.snapshot().chunks()
        core.state.endSnapshot()
        // Touched before, while and after it is read; deleted, made again, and new.
        let snapshot = core.state.snapshot()
        publish([3, 30, 7, 50])
        core.turn([(2, .delete(.name("q9"), purging: true)), (3, .purge(.name("q11")))], at: clock.now())
        core.turn([], at: clock.now())
        let queues = snapshot.queues.all()
        publish([12, 30, 9])
        let chunks = try snapshot.chunks()
        core.state.endSnapshot()
        #expect(queues.count == 40 && queues.count { $0 != nil } == 39)
        #expect(queues.compactMap { $0?.counts.queued } == Array(repeating: 1, count: 39))
        #expect(chunks.map(\.bytes) == expected.map(\.bytes))
    }

    @Test("a session that acknowledges nothing, and one behind many others, get into checkpoints and back")
    func largeSessions() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock)
        let outcome = SessionTable.Outcome(results: Array(repeating: 5, count: 1_010), change: 1)
        for number in 1...4_096 as ClosedRange<UInt64> {
            core.state.sessions.record([1], number, acknowledged: 0, outcome, at: core.now.engine)
            core.state.sessions.record([UInt8(number % 200), 2], number, acknowledged: 0, outcome, at: core.now.engine)
        }
        for _ in 0..<2 {
            let isTaken = Core.checkpoint(&core)
            #expect(isTaken)
        }
        core.close()
        let again = try Core.open(storage.kill(), clock)
        let latest = again.state.sessions.look([1], 4_096), count = again.state.sessions.count
        #expect(latest == .known(outcome) && count == 201)
    }

    @Test("items that are together too much for a chunk are written in several; one that no chunk can take fails the checkpoint alone")
    func largeItems() throws {
        var sizes: [Int] = []
        var chunks = CheckpointChunks { _, bytes in sizes.append(bytes.count) }
        for size in [200 << 10, 4 << 20, 10] {
            try chunks.add(.sessions) { $0.putBytes([UInt8](repeating: 1, count: size - 4)) }
        }
        try chunks.flush()
        #expect(sizes == [(200 << 10) - 1, 4 << 20, 7])

        var core = try Core.open(MemoryStorage(), clock)
        let begun = core.beginCheckpoint(), work = try #require(begun)
        #expect(throws: JournalError.tooLarge(bytes: (4 << 20) + 1, limit: 4 << 20)) {
            try [UInt8](repeating: 0, count: (4 << 20) + 1).withUnsafeBytes { try work.writer.append(1, $0) }
        }
        core.endCheckpoint(work, failure: .tooLarge(bytes: (4 << 20) + 1, limit: 4 << 20))
        let failure = core.failure, isTaken = Core.checkpoint(&core)
        #expect(failure == nil && isTaken)
    }

    @Test("cancel requests are remembered as far as a checkpoint has room for them")
    func cancelRequests() throws {
        var core = try Core.open(MemoryStorage(), clock)
        for fencing in 1...300_000 as ClosedRange<UInt64> { core.state.requestCancel(fencing, until: 60_000) }
        let count = core.state.cancelRequests.count, isTaken = Core.checkpoint(&core)
        #expect(count == EngineState.mostCancelRequests && isTaken)
    }

    @Test("a store whose record of forgotten keys was lost opens from its checkpoints when a key is used again")
    func forgottenKeyTwice() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock)
        core.turn([(1, Core.publish { $0.deduplication = .init(key: "k") })], at: clock.now())
        try settle(&core)
        // What a repair leaves of it: the second one is there, and what forgot the first one's key is not.
        let message = MessageBox(NewMessage(queue: .work, payload: Content("1"), deduplication: .init(key: "k")))
        let sequence = core.state.nextSequence
        let again = Publication(sequence: sequence, queue: 0, maxAttempts: 1, priority: 0, key: Array("k".utf8), size: 1, message: message)
        try core.record(.published(again), for: .publish)
        for _ in 0..<2 {
            let isTaken = Core.checkpoint(&core)
            #expect(isTaken)
        }
        core.close()
        let opened = try Core.open(storage.kill(), clock)
        let keys = opened.state.queues.at(0).pointee.keys, mark = KeyMark(Array("k".utf8), in: 0, opened.state.identity)
        #expect(keys[mark]?.sequence == sequence && keys.count == 1)
    }

    @Test("a part that is missing or unknown, and another layout, are refused")
    func refused() throws {
        var core = try Core.open(MemoryStorage(), clock), work = RandomWork(seed: 4)
        for _ in 0..<200 { work.turn(&core, clock) }
        let chunks = try core.state.snapshot().chunks()
        core.state.endSnapshot()
        #expect(throws: Never.self) { _ = try restore(chunks) }
        for index in chunks.indices where chunks[index].section != .retention && chunks[index].section != .holders {
            var without = chunks
            without.remove(at: index)
            #expect(throws: RecordError.self, "\(chunks[index].section)") { _ = try restore(without) }
        }
        var other = chunks
        other[0].bytes[0] = 9
        #expect(throws: RecordError.newer("a store of format level 8, above 1")) { _ = try restore(other) }
        var part = CheckpointRestore(), state = EngineState()
        #expect(throws: RecordError.newer("part 200 of a checkpoint")) {
            try part.take(200, UnsafeRawBufferPointer(start: nil, count: 0), into: &state)
        }
    }
}
