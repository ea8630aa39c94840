import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Closed stores: examined and repaired", .timeLimit(.minutes(2)))
struct ExaminationTests {
    /// A closed store with jobs in two queues, of which one job is completed and one was cancelled.
    private static func store(_ jobs: Int = 20) async throws -> (storage: MemoryStorage, options: EngineOptions, ids: [JobID]) {
        let fixture = try await Fixture()
        var ids: [JobID] = []
        for number in 0..<jobs { ids.append(try await fixture.publish(number % 2 == 0 ? .work : .other, "payload \(number)")) }
        try await fixture.run(.complete(try await fixture.leaseOne().token, result: Content("\"a result\"")))
        try await fixture.run(.cancel(ids[1]))
        await fixture.engine.close()
        return (fixture.storage, fixture.options, ids)
    }

    /// Where a text lies in the first segment.
    private static func place(of text: String, in storage: MemoryStorage) throws -> Int {
        let bytes = try #require(try storage.contents()["segment-00000001"]), wanted = Array(text.utf8)
        return try #require(bytes.indices.first { bytes[$0...].starts(with: wanted) })
    }

    @Test("a sound store is seen as an opening would find it, and is not changed")
    func sound() async throws {
        let (storage, _, _) = try await Self.store()
        let before = try storage.contents()
        let examination = try StoreExamination(of: storage)
        #expect(examination.isSound && examination.passedOver == 0)
        #expect(examination.queues.map(\.name) == [.other, .work])
        #expect(examination.queues[0].counts.queued == 9 && examination.queues[0].counts.cancelled == 1)
        #expect(examination.queues[1].counts.queued == 9 && examination.queues[1].counts.succeeded == 1)
        #expect(examination.segments.reduce(0) { $0 + $1.liveRecords } >= 20)
        #expect(try storage.contents() == before)
        #expect(try StoreExamination(of: MemoryStorage()).isSound)
    }

    @Test("a damaged payload is said with its job, and repairing loses this job alone")
    func damagedPayload() async throws {
        let (storage, options, ids) = try await Self.store()
        storage.flip(1, of: "segment-00000001", at: try Self.place(of: "payload 7", in: storage))
        let finding = try #require(try StoreExamination(of: storage).findings.first)
        #expect(finding.affects == [StoreExamination.Effect(what: "payload", job: ids[7], queue: .other)])
        _ = try StoreRepair.run(storage, options: JournalOptions(segmentBytes: options.segmentBytes))
        #expect(try StoreExamination(of: storage).isSound)
        let engine = try await Engine.open(storage: storage, options: options)
        let lookups = try await engine.read(ids)
        for (number, lookup) in lookups.enumerated() { #expect((lookup.snapshot != nil) == (number != 7), "job \(number)") }
        // Its number is not given to another job.
        for _ in 0..<50 {
            let outcome = try await engine.commit([Transaction(.enqueue(NewMessage(queue: .work, payload: Content("1"))))])[0]
            #expect(try !ids.contains(#require(outcome.get()[0].jobID)))
        }
        await engine.close()
    }

    /// A closed store whose checkpoint stands for a counter with what follows it, amended headers, and what is owed for an end.
    private static func checkpointed() throws -> (storage: MemoryStorage, amended: JobID, ended: JobID) {
        let storage = MemoryStorage(), clock = ManualClock(start: Fixture.start)
        var core = try Core.open(storage, clock)
        func done(_ command: Command) throws -> Answer? {
            core.turn([(1, command)], at: clock.now())
            try Core.sync(&core)
            return core.takeAnswers().first?.1
        }
        func enqueue(_ payload: String) -> GodwitCore.Operation { .enqueue(NewMessage(queue: .other, payload: Content(Bytes(payload)))) }
        var settings = QueueSettings()
        settings.retention = .none
        _ = try done(.configure(.name("brief"), settings, .anything))
        _ = try done(.commit([.one(.add(Addition(key: RecordKey("c"), step: "a", target: 2, then: [enqueue("behind a counter")])))], nil))
        _ = try done(Core.publish)
        let job = try #require(try done(Core.lease())?.deliveries?.first)
        let release = PreparedRelease(delay: nil, isCounted: true, amended: [Header(name: "color", value: "amended blue")])
        _ = try done(.commit([.one(.release(LeaseName(sequence: job.view.sequence, fencing: job.fencing), release))], nil))
        let ended = core.state.nextSequence
        _ = try done(Core.publish(.name("brief")) { $0.onFinal = [FollowUp(enqueue("behind an end"))] })
        storage.failAll(.read)
        _ = try done(.commit([.one(.cancel(JobName(id: core.state.identity.jobID(ended), sequence: ended)))], nil))
        storage.heal()
        #expect(core.state.useError() == nil)
        #expect(core.state.owed.count == 1)
        let isCovered = Core.checkpoint(&core)
        #expect(isCovered)
        let identity = core.state.identity
        core.close()
        return (storage, identity.jobID(job.view.sequence), identity.jobID(ended))
    }

    @Test("damage to what is still to follow, and to amended headers, is not harmless, and is said with whom it affects")
    func damagedFollowUps() throws {
        let (sound, amended, ended) = try Self.checkpointed()
        #expect(try StoreExamination(of: sound).isSound)
        let expected = [
            ("behind a counter", StoreExamination.Effect(what: "what follows a full counter")),
            ("amended blue", StoreExamination.Effect(what: "amended headers", job: amended, queue: .work)),
            ("behind an end", StoreExamination.Effect(what: "what follows an end", job: ended)),
        ]
        for (text, effect) in expected {
            let storage = try MemoryStorage(files: sound.contents())
            storage.flip(1, of: "segment-00000001", at: try Self.place(of: text, in: storage))
            let examination = try StoreExamination(of: storage)
            #expect(examination.harmless.isEmpty, "\(text)")
            #expect(examination.findings.flatMap(\.affects) == [effect], "\(text)")
        }
    }

    @Test("whatever record is damaged, the store opens after its repair, and opens alike again and again")
    func anyRecord() async throws {
        let (sound, options, ids) = try await Self.store(8)
        let files = try sound.contents()
        let bytes = try #require(files["segment-00000001"])
        let end = try #require(bytes.lastIndex { $0 != 0 })
        for offset in stride(from: 4_096, through: end, by: 641) {
            let storage = try MemoryStorage(files: files)
            storage.flip(1 << (offset % 8), of: "segment-00000001", at: offset)
            guard try !StoreExamination(of: storage).isSound else { continue }
            _ = try StoreRepair.run(storage, options: JournalOptions(segmentBytes: options.segmentBytes))
            let examination = try StoreExamination(of: storage)
            #expect(examination.isSound, "offset \(offset)")
            var counts: [[QueueStatus.Counts]] = []
            for _ in 0..<2 {
                let engine = try await Engine.open(storage: storage, options: options)
                let queues = try await engine.queues()
                counts.append(queues.map(\.counts))
                // One record is lost: at most one job, or what one transaction did.
                #expect(queues.reduce(0) { $0 + $1.counts.queued } >= ids.count - 3, "offset \(offset)")
                await engine.close()
            }
            #expect(counts[0] == counts[1] && counts[0] == examination.queues.map(\.counts), "offset \(offset)")
        }
    }
}

extension MemoryStorage {
    /// A folder with these files, all of it on disk.
    convenience init(files: [String: [UInt8]]) throws {
        self.init()
        for (name, bytes) in files {
            let file = try create(name, size: bytes.count)
            try bytes.withUnsafeBytes { try file.writeAll($0, at: 0) }
            try file.syncData()
        }
        try syncDirectory()
    }

    /// What every file holds.
    func contents() throws -> [String: [UInt8]] {
        var contents: [String: [UInt8]] = [:]
        for name in files {
            let file = try open(name)
            var bytes = [UInt8](repeating: 0, count: try file.size())
            _ = try bytes.withUnsafeMutableBytes { try file.readAll(into: $0, at: 0) }
            contents[name] = bytes
        }
        return contents
    }
}
