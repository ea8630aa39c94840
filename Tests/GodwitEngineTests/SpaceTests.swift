import Foundation
import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Space comes back", .timeLimit(.minutes(3)))
struct SpaceTests {
    private let clock = ManualClock(start: Fixture.start)
    private static let segment = 64 << 10

    private func turn(_ core: inout EngineCore, _ commands: [Command]) -> [Answer] {
        core.turn(commands.enumerated().map { (UInt64($0.offset + 1), $0.element) }, at: clock.now())
        if let sync = core.beginSync() {
            do throws(JournalError) {
                try sync.run()
                core.endSync(sync, failure: nil)
            } catch {
                core.endSync(sync, failure: error)
            }
        }
        return core.takeAnswers().sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// What a caller knows: texts of jobs that were confirmed, and of those among them that ended.
    private struct Known {
        var published: [UInt64: String] = [:]
        var results: [UInt64: String] = [:]
        var records: [String: String] = [:]
        /// Asked for and not confirmed.
        var doubtful: Set<UInt64> = []
    }

    private func publish(
        _ core: inout EngineCore,
        _ known: inout Known,
        _ queue: QueueName,
        size: Int,
        _ change: (inout NewMessage) -> Void = { _ in }
    )
        -> UInt64?
    {
        let sequence = core.state.nextSequence
        let text = "\(sequence)-" + String(repeating: "x", count: size)
        known.doubtful.insert(sequence)
        var message = NewMessage(queue: queue, payload: Content(Bytes(text)))
        change(&message)
        let answers = turn(&core, [.commit([.one(.enqueue(MessageBox(message)))])])
        guard case .outcomes(let outcomes)? = answers.first, case .one(.enqueued(let given, _, _, _, _)) = outcomes[0] else { return nil }
        known.doubtful.remove(sequence)
        known.published[given] = text
        return given
    }

    private func complete(_ core: inout EngineCore, _ known: inout Known, _ queue: QueueName, result: Bool) -> Bool {
        guard case .deliveries(let jobs)? = turn(&core, [Core.lease(queue, term: .fixed(.seconds(60)))]).first, let job = jobs.first else {
            return false
        }
        let sequence = job.view.sequence, text = "result of \(sequence)"
        known.doubtful.insert(sequence)
        let lease = LeaseName(sequence: sequence, fencing: job.fencing)
        let answers = turn(&core, [.commit([.one(.complete(lease, result: result ? Content(Bytes(text)) : nil))])])
        guard case .outcomes(let outcomes)? = answers.first, case .one(.state(.succeeded)) = outcomes[0] else { return false }
        known.doubtful.remove(sequence)
        if result { known.results[sequence] = text } else { known.published[sequence] = nil }
        return true
    }

    /// Everything confirmed is there, with its content.
    private func check(_ core: inout EngineCore, _ known: Known, _ place: Comment) throws {
        let resolver = ViewResolver(reader: core.journal.reader, identity: core.state.identity, logger: core.options.logger)
        for (sequence, text) in known.published {
            if known.doubtful.contains(sequence), core.state.job(sequence) == nil { continue }
            guard let job = core.state.job(sequence) else {
                fail("\(place): job \(sequence) is missing")
                continue
            }
            do throws(BrokerError) {
                #expect(try resolver.content(.message(job.message, core.pin))?.bytes.text == text, place)
            } catch {
                fail("\(place): job \(sequence), \(job.state), \(job.message): \(error.message.prefix(90))")
            }
            guard let result = known.results[sequence], case .finished(let entry) = job else {
                #expect(known.results[sequence] == nil, place)
                continue
            }
            #expect(try resolver.content(.result(entry.pointee.final, core.pin))?.bytes.text == result, place)
        }
        for (key, value) in known.records {
            let view = try #require(core.lookUp(RecordKey(key)).0, place)
            #expect(try resolver.record(view).value.text == value, place)
        }
    }

    private static let keep: Command = {
        var settings = QueueSettings()
        settings.retention = .keep(succeeded: .seconds(1_000), failed: .seconds(1_000), count: 1_000)
        return .configure(.name("kept"), settings, .anything)
    }()

    private static let plain: Command = {
        var settings = QueueSettings()
        settings.retention = .none
        return .configure(.work, settings, .anything)
    }()

    /// Many plain jobs that end at once, among them some that are kept, some that are scheduled for next month, and records.
    private func live(_ core: inout EngineCore, _ known: inout Known, rounds: Int, from first: Int = 0) {
        _ = turn(&core, [Self.keep, Self.plain])
        for round in first..<first + rounds {
            _ = publish(&core, &known, .work, size: 900)
            _ = complete(&core, &known, .work, result: false)
            if round % 10 == 0 { _ = publish(&core, &known, .name("later"), size: 300) { $0.start = .after(.seconds(30 * 86_400)) } }
            if round % 15 == 0 {
                _ = publish(&core, &known, .name("kept"), size: 200)
                _ = complete(&core, &known, .name("kept"), result: true)
            }
            if round % 20 == 0 {
                let key = "k\(round % 60)", value = "value \(round)"
                known.records[key] = nil
                if case .outcomes(let outcomes)? = turn(
                    &core,
                    [.commit([.one(.put(RecordKey(key), value: Bytes(value), expecting: .anything, lifetime: nil))])]
                ).first, case .one = outcomes[0] {
                    known.records[key] = value
                }
            }
            if core.isCheckpointDue { Core.checkpoint(&core) }
            Core.move(&core, scans: 8)
            Core.maintain(&core)
        }
    }

    @Test("the disk holds little more than what is needed, however much went through; scheduled jobs pin no segment")
    func bounded() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock, segmentBytes: Self.segment), known = Known()
        var most = 0
        for part in 0..<6 {
            live(&core, &known, rounds: 200, from: part * 200)
            let bound = 2 * core.state.use.total.bytes + 5 * Self.segment
            let used = core.journal.segments.count * Self.segment
            #expect(used <= bound, "part \(part)")
            most = max(most, core.journal.segments.count)
        }
        // 1.2 MB of messages went through, in segments of 64 KiB.
        let last = core.journal.segments.last ?? 0, unmovable = core.unmovable.isEmpty
        #expect(last > 15 && most < 20 && unmovable)
        try check(&core, known, "live")
        core.close()
        var again = try Core.open(storage, clock, segmentBytes: Self.segment)
        try check(&again, known, "opened again")
    }

    @Test("a store that did all its work is small after a clean stop")
    func cleanStop() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock, segmentBytes: Self.segment), known = Known()
        _ = turn(&core, [Self.plain])
        for _ in 0..<500 { _ = publish(&core, &known, .work, size: 900) }
        while complete(&core, &known, .work, result: false) {}
        let before = core.journal.segments.count
        core.close()
        let again = try Core.open(storage, clock, segmentBytes: Self.segment), after = again.journal.segments.count
        #expect(before > 8 && after <= 3)
        let bytes = storage.files.reduce(0) { $0 + (storage.contents(of: $1)?.count ?? 0) }
        #expect(bytes < 8 * Self.segment)
    }

    @Test("the room of checkpoints that had much to say comes back with a clean stop")
    func checkpointRoom() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock, segmentBytes: Self.segment * 64), known = Known()
        _ = turn(&core, [Self.plain])
        var batch = MessageBatch(to: BatchQueues(.work))
        for _ in 0..<20_000 { withUnsafeBytes(of: 7) { _ = batch.append($0) } }
        _ = turn(&core, [.publishBatch(batch)])
        for _ in 0..<3 {
            Core.checkpoint(&core)
            Core.maintain(&core)
        }
        func room() -> Int {
            storage.files.filter { $0.hasPrefix("checkpoint-") || $0.hasPrefix("draft-") }.reduce(0) {
                $0 + (storage.contents(of: $1)?.count ?? 0)
            }
        }
        #expect(room() > 1 << 20)
        let holder = HolderOptions(id: HolderID("h"), queues: [.work], capacity: 4_000, isEmbedded: true)
        let request = LeaseRequest(holder: holder, max: 4_000, term: .holderLife, wait: 0, isBatch: true)
        for _ in 0..<5 {
            guard case .batch(let leased)? = turn(&core, [.lease(request)]).last else { return fail("a batch") }
            _ = turn(&core, [.completeBatch(leased)])
        }
        // Without so much behind the newest checkpoint none would be taken.
        _ = publish(&core, &known, .work, size: 1 << 20)
        #expect(complete(&core, &known, .work, result: false))
        let left = core.state.jobs.count
        #expect(left == 0)
        core.close()
        #expect(room() < 512 << 10)
    }

    @Test("an answer that was given out stays readable while its segment is given back and used again")
    func pinned() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock, segmentBytes: Self.segment), known = Known()
        _ = turn(&core, [Self.plain])
        let first = try #require(publish(&core, &known, .work, size: 500))
        let text = try #require(known.published[first])
        var held = turn(&core, [.payload(core.state.identity.jobID(first))])
        live(&core, &known, rounds: 400)
        let isGone = core.state.job(first) == nil
        #expect(isGone)
        let resolver = ViewResolver(reader: core.journal.reader, identity: core.state.identity, logger: core.options.logger)
        guard case .content(let content?)? = held.first else { return fail("a payload") }
        #expect(try resolver.content(content)?.bytes.text == text)
        let pinned = core.journal.segments.count, files = storage.files.count { $0.hasPrefix("segment-") }
        #expect(files > pinned)
        held = []
    }

    @Test("the bodies of a leased batch stay readable while they are moved, and their segment is given back and used again")
    func pinnedBatch() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock, segmentBytes: Self.segment), known = Known()
        let texts = (0..<3).map { "held \($0)" }
        var published = MessageBatch(to: BatchQueues(.name("held")))
        for text in texts { Array(text.utf8).withUnsafeBytes { _ = published.append($0) } }
        let holder = HolderOptions(id: HolderID("h"), queues: [.name("held")], capacity: 3, isEmbedded: true)
        let request = LeaseRequest(holder: holder, max: 3, term: .holderLife, wait: 0, isBatch: true)
        guard case .batch(let leased)? = turn(&core, [.publishBatch(published), .lease(request)]).last else { return fail("a batch") }
        let first = try #require(leased.items.first)
        live(&core, &known, rounds: 400)
        let isMoved = core.state.unfinishedJob(first.sequence)?.pointee.message != first.message
        let isUsed = core.journal.segments.contains(first.message.segment)
        #expect(isMoved && !isUsed)
        let reader = core.journal.reader
        let bodies = try withExtendedLifetime(leased) { try reader.bodies(at: leased.items.map(\.message)) }
        #expect((0..<3).map { index in bodies.withBody(index) { String(decoding: $0, as: UTF8.self) } } == texts)
    }

    @Test("a crash at any call of the storage loses nothing, with checkpoints, moves and reuse going on", arguments: [0, 1])
    func crashes(part: Int) throws {
        func work(_ storage: MemoryStorage) -> Known {
            var known = Known()
            guard var core = try? Core.open(storage, clock, segmentBytes: Self.segment) else { return known }
            live(&core, &known, rounds: 160)
            core.close()
            return known
        }
        let probe = MemoryStorage()
        _ = work(probe)
        let step = 211
        for number in stride(from: 1 + part * step / 2, through: probe.totalCalls, by: step) {
            let storage = MemoryStorage()
            storage.stop(at: number)
            let known = work(storage)
            storage.heal()
            for (next, how) in [(storage.kill(), "kill"), (storage.crash(seed: UInt64(number)), "crash")] {
                var core = try Core.open(next, clock, segmentBytes: Self.segment)
                try check(&core, known, "call \(number), \(how)")
                var more = known
                live(&core, &more, rounds: 20, from: 1_000)
                try check(&core, more, "call \(number), \(how), going on")
                core.close()
            }
        }
    }

    @Test("a full disk comes back by emptying segments alone")
    func fullDisk() throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock, segmentBytes: Self.segment), known = Known()
        _ = turn(&core, [Self.plain])
        Core.maintain(&core)
        // One of ten stays: segments are mostly dead, and none of them wholly.
        for round in 0..<400 {
            _ = publish(&core, &known, round % 10 == 0 ? .name("stays") : .work, size: 900)
            if round % 100 == 99 { Core.checkpoint(&core) }
        }
        while complete(&core, &known, .work, result: false) {}
        Core.checkpoint(&core)
        Core.checkpoint(&core)
        Core.maintain(&core)
        storage.capacity = 1
        var refused = false
        for _ in 0..<400 where !refused { refused = publish(&core, &known, .name("stays"), size: 900) == nil }
        #expect(refused)
        for _ in 0..<20 {
            Core.move(&core)
            _ = turn(&core, [])
            Core.maintain(&core)
        }
        let accepted = publish(&core, &known, .name("stays"), size: 900)
        #expect(accepted != nil)
        try check(&core, known, "after the full disk")
    }

    @Test("a segment that is missing and needed is refused, with its number")
    func missing() async throws {
        let storage = MemoryStorage()
        var core = try Core.open(storage, clock, segmentBytes: Self.segment), known = Known()
        for _ in 0..<300 { _ = publish(&core, &known, .work, size: 900) }
        Core.checkpoint(&core)
        Core.checkpoint(&core)
        core.close()
        storage.replace("segment-00000002", with: nil)
        let error = await expectError(.storeCorrupt) { _ = try Core.open(storage, clock, segmentBytes: Self.segment) }
        #expect(error?.message.contains("segment 2") == true, "\(error?.message ?? "")")
    }
}
