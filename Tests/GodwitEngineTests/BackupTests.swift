import Foundation
import GodwitCore
import GodwitJournal
import Synchronization
import Testing

@testable import GodwitEngine

@Suite("Backup and restore", .timeLimit(.minutes(2)))
struct BackupTests {
    private static func archive(of engine: Engine) async throws -> [UInt8] {
        let archive = try await engine.archive()
        var bytes: [UInt8] = []
        while let piece = try await archive.next() { bytes += piece.slice }
        #expect(bytes.count == archive.byteCount)
        return bytes
    }

    private static func restore(
        _ archive: [UInt8],
        in storage: MemoryStorage = MemoryStorage(name: "restored"),
        like fixture: Fixture,
        seed: UInt64 = 99
    ) async throws -> Engine {
        let restoration = try StoreRestoration.begin(in: storage)
        for start in stride(from: 0, to: archive.count, by: 100_000) {
            try restoration.add(archive[start..<min(start + 100_000, archive.count)])
        }
        var options = fixture.options
        let random = GuardedRandom(seed: seed)
        options.random = { random.next() }
        return try await restoration.finish(options: options)
    }

    @Test("what was confirmed before a backup is in the restored store, and what came later is not")
    func moment() async throws {
        let fixture = try await Fixture()
        var jobs: [JobID] = []
        for number in 0..<300 { jobs.append(try await fixture.publish(.work, "\(number)")) }
        let done = try await fixture.leaseOne()
        try await fixture.run(.complete(done.token, result: Content("7")))
        try await fixture.run(.put(RecordKey("a record"), value: "kept", expecting: .anything, lifetime: nil))
        try await fixture.configure(.other) { $0.maxJobs = 7 }
        try await fixture.engine.pause(.other)

        // While it is read the store goes on, and none of that is in it.
        let archive = try await fixture.engine.archive()
        var bytes: [UInt8] = []
        while let piece = try await archive.next() {
            bytes += piece.slice
            try await fixture.publish(.work, "later")
        }
        let restored = try await Self.restore(bytes, like: fixture)
        let lookups = try await restored.read(jobs)
        #expect(lookups.map { $0.snapshot?.state } == [.succeeded] + Array(repeating: .queued, count: 299))
        #expect(try await restored.result(of: done.job.id) == Content("7"))
        for (number, id) in jobs.enumerated() { #expect(try await restored.payload(of: id).bytes.text == "\(number)") }
        #expect(try await restored.read([RecordKey("a record")])[0]?.value == "kept")
        #expect(try #require(try await restored.queue(.work)).counts.unfinished == 299)
        let other = try #require(try await restored.queue(.other))
        #expect(other.settings.maxJobs == 7 && other.isPaused)
        await restored.close()
        await fixture.engine.close()
    }

    @Test("ids that were given out after the backup never mean a job of the restored store, nor do leases of any time")
    func incarnation() async throws {
        let fixture = try await Fixture()
        try await fixture.publish(.work, "first")
        try await fixture.publish(.work, "second")
        let before = try await fixture.leaseOne()
        let archive = try await Self.archive(of: fixture.engine)
        let after = try await fixture.leaseOne()
        var lost: [JobID] = []
        for _ in 0..<50 { lost.append(try await fixture.publish(.work, "lost")) }

        let storage = MemoryStorage(name: "restored")
        let restored = try await Self.restore(archive, in: storage, like: fixture)
        for outcome in try await restored.commit([before, after].map { Transaction(.complete($0.token, result: nil)) }) {
            #expect(throws: BrokerError.self) { try outcome.get() }
        }
        // Its attempt ended as that of a worker that died.
        let job = try #require(try await restored.read([before.job.id])[0].snapshot)
        #expect(job.state == .queued && job.errors.last?.code == FailureCode.leaseExpired)
        var made: [JobID] = []
        for _ in 0..<60 {
            let message = NewMessage(queue: .work, payload: Content("new"))
            made.append(try #require(try await restored.commit([Transaction(.enqueue(message))])[0].get()[0].jobID))
        }
        #expect(try await restored.read(lost).allSatisfy { $0 == .unknown })
        #expect(Set(made).isDisjoint(with: lost))
        let holder = try await restored.open(
            HolderOptions(id: HolderID("worker"), queues: [.work], order: .strict, capacity: 1, isEmbedded: false)
        )
        let again = try #require(try await holder.lease(max: 1, term: .queue, wait: .zero).first)
        #expect(try #require(again.fencingNumber) > #require(after.fencingNumber))
        await restored.close()

        // All of it is recorded: another opening, and a backup of the restored store, change no id.
        let reopened = try await Engine.open(storage: storage, options: fixture.options)
        #expect(try await reopened.read(made).allSatisfy { $0.snapshot != nil })
        #expect(try await reopened.read([before.job.id])[0].snapshot != nil)
        #expect(try await reopened.read(lost).allSatisfy { $0 == .unknown })
        let second = try await Self.restore(try await Self.archive(of: reopened), like: fixture, seed: 100)
        #expect(try await second.read(made + [before.job.id]).allSatisfy { $0.snapshot != nil })
        #expect(try await second.read(lost).allSatisfy { $0 == .unknown })
        await second.close()
        await reopened.close()
        await fixture.engine.close()
    }

    @Test("versions of before and after the backup differ from all that the restored store gives out")
    func versions() async throws {
        let fixture = try await Fixture()
        let job = try await fixture.publish()
        let archive = try await Self.archive(of: fixture.engine)
        var known: Set<Version> = [try await fixture.job(job).version]
        for number in 0..<100 {
            let result = try await fixture.run(.put(RecordKey("r"), value: Bytes("\(number)"), expecting: .anything, lifetime: nil))[0]
            if case .put(let version) = result { known.insert(version) }
        }
        let restored = try await Self.restore(archive, like: fixture)
        for number in 0..<200 {
            let put = GodwitCore.Operation.put(RecordKey("r"), value: Bytes("new \(number)"), expecting: .anything, lifetime: nil)
            guard case .put(let version)? = try await restored.commit([Transaction(put)])[0].get().first else {
                return #expect(Bool(false))
            }
            #expect(!known.contains(version))
        }
        await restored.close()
        await fixture.engine.close()
    }

    @Test("a restoration that was killed anywhere is refused, and succeeds when it is begun again")
    func killed() async throws {
        let fixture = try await Fixture()
        let job = try await fixture.publish(.work, "here")
        let archive = try await Self.archive(of: fixture.engine)
        for part in [600, archive.count / 2, archive.count - 600, archive.count] {
            let storage = MemoryStorage(name: "restored")
            do {
                let restoration = try StoreRestoration.begin(in: storage)
                for start in stride(from: 0, to: part, by: 1_000) { try restoration.add(archive[start..<min(start + 1_000, part)]) }
                withExtendedLifetime(restoration) {}
            }
            let left = part % 2 == 0 ? storage.kill() : storage.crash(seed: UInt64(part))
            let hasBegun = left.files.contains { $0 != "lock" }
            if hasBegun { _ = await expectError(.restoreUnfinished) { _ = try await Engine.open(storage: left, options: fixture.options) } }
            let restored = try await Self.restore(archive, in: left, like: fixture)
            #expect(try await restored.payload(of: job).bytes.text == "here")
            #expect(!left.files.contains(StoreRestoration.marker))
            await restored.close()
        }
        await fixture.engine.close()
    }

    @Test("a power failure at any call of a restoration leaves a folder that is refused or whole")
    func powerFailures() async throws {
        let fixture = try await Fixture()
        let job = try await fixture.publish(.work, "here")
        let archive = try await Self.archive(of: fixture.engine)
        for call in [StorageCall.create, .write, .sync, .syncDirectory, .delete] {
            for seed in 1...6 as ClosedRange<UInt64> {
                let storage = MemoryStorage(name: "restored")
                storage.fail(call, at: Int(seed))
                let restored = try? await Self.restore(archive, in: storage, like: fixture)
                await restored?.close()
                let left = storage.crash(seed: seed)
                if let engine = try? await Engine.open(storage: left, options: fixture.options) {
                    // Whole, or an empty folder in which nothing had begun.
                    if left.files.contains(where: { $0.hasPrefix("segment-") }), !engine.recovery.isNew {
                        #expect(try await engine.payload(of: job).bytes.text == "here", "\(call) \(seed)")
                    }
                    await engine.close()
                } else {
                    let again = try await Self.restore(archive, in: left, like: fixture)
                    #expect(try await again.payload(of: job).bytes.text == "here", "\(call) \(seed)")
                    await again.close()
                }
            }
        }
        await fixture.engine.close()
    }

    @Test("a failure of any call while a restoration is given up, and of the power after it, leaves nothing that opens as a store")
    func abandoned() async throws {
        let fixture = try await Fixture()
        try await fixture.publish(.work, "here")
        let archive = try await Self.archive(of: fixture.engine)
        await fixture.engine.close()
        for call in 1...8 {
            for seed in 1...10 as ClosedRange<UInt64> {
                let storage = MemoryStorage(name: "restored")
                let restoration = try StoreRestoration.begin(in: storage)
                try restoration.add(archive[...])
                // one call alone, or the power at once
                if seed % 2 == 0 { storage.failAnyCall(at: call) } else { storage.stop(at: call) }
                restoration.abandon()
                let left = storage.crash(seed: seed).files.filter { $0 != "lock" }
                #expect(left.isEmpty || left.contains(StoreRestoration.marker), "call \(call), seed \(seed): \(left)")
            }
        }
    }

    @Test("a restoration whose opening failed is given up as a whole, and one that has become a store is not")
    func abandonedOpening() async throws {
        let fixture = try await Fixture()
        let job = try await fixture.publish(.work, "here")
        let archive = try await Self.archive(of: fixture.engine)
        await fixture.engine.close()
        let storage = MemoryStorage(name: "restored")
        var hasLeftMore = false
        for call in [StorageCall.create, .write, .sync, .rename, .syncDirectory] {
            let failing = try StoreRestoration.begin(in: storage)
            try failing.add(archive[...])
            let restored = Set(storage.files)
            storage.fail(call)
            guard let engine = try? await failing.finish(options: fixture.options) else {
                storage.heal()
                hasLeftMore = hasLeftMore || !restored.isSuperset(of: storage.files)
                failing.abandon()
                #expect(storage.files.allSatisfy { $0 == "lock" }, "\(call): \(storage.files)")
                continue
            }
            await engine.close()
            for file in storage.files { try storage.delete(file) }
        }
        #expect(hasLeftMore)

        let again = storage.kill()
        let whole = try StoreRestoration.begin(in: again)
        try whole.add(archive[...])
        let restored = try await whole.finish(options: fixture.options)
        whole.abandon()
        await restored.close()
        whole.abandon()
        let reopened = try await Engine.open(storage: again.kill(), options: fixture.options)
        #expect(try await reopened.payload(of: job).bytes.text == "here")
        await reopened.close()
    }

    @Test("a backup whose checkpoint cannot be opened is refused, and the store goes on", arguments: [EMFILE, EIO])
    func unopened(errno: Int32) throws {
        let storage = MemoryStorage(), clock = ManualClock(start: Fixture.start)
        var core = try Core.open(storage, clock)
        core.turn([(1, Core.publish)], at: clock.now())
        let isTaken = Core.checkpoint(&core)
        #expect(isTaken)
        _ = core.takeAnswers()
        storage.fail(.open, errno: errno)
        // Without a descriptor it is tried again when those that can be done without are closed.
        if errno == EMFILE { storage.fail(.open, at: 2, errno: errno) }
        core.turn([(2, .backup)], at: clock.now())
        let refusals = core.takeAnswers()
        guard case .refused(let error)? = refusals.first?.1 else { return fail("it was not refused") }
        #expect(error.code == (errno == EIO ? .storeFailed : .diskFull))
        let failure = core.failure
        #expect(failure == nil)
        core.turn([(3, Core.publish), (4, .backup)], at: clock.now())
        try Core.sync(&core)
        let answers = core.takeAnswers()
        #expect(answers.map(\.0) == [3, 4])
        guard case .backup? = answers.last?.1 else { return fail("there is no backup") }
    }

    @Test("nothing is restored into a folder with anything in it, and a damaged archive leaves it empty")
    func refusals() async throws {
        let fixture = try await Fixture()
        let archive = try await Self.archive(of: fixture.engine)
        await fixture.engine.close()
        _ = await expectError(.wrongState) { _ = try StoreRestoration.begin(in: fixture.storage) }
        let storage = MemoryStorage(name: "restored")
        let restoration = try StoreRestoration.begin(in: storage)
        _ = await expectError(.storeLocked) { _ = try StoreRestoration.begin(in: storage) }
        var damaged = archive
        damaged[archive.count / 2] ^= 1
        #expect(throws: BackupError.self) { try restoration.add(damaged[...]) }
        restoration.abandon()
        #expect(storage.files.allSatisfy { $0 == "lock" })
        // An unpacked archive is no store.
        let unpacked = MemoryStorage(name: "unpacked")
        _ = try unpacked.create(BackupManifest.name, size: 10)
        _ = await expectError(.restoreUnfinished) { _ = try await Engine.open(storage: unpacked, options: fixture.options) }
    }

    @Test("only so many backups are read at a time, and one that is let go of makes room")
    func permits() async throws {
        let fixture = try await Fixture()
        var archives: [any StoreArchive] = []
        for _ in 0..<Engine.backupsAtOnce { archives.append(try await fixture.engine.archive()) }
        _ = await expectError(.busy) { _ = try await fixture.engine.archive() }
        archives.removeLast()
        try await eventually("there is room for another") { (try? await fixture.engine.archive()) != nil }
        await fixture.engine.close()
        _ = await expectError(.closed) { _ = try await fixture.engine.archive() }
    }
}

/// A seeded generator that many may ask.
private final class GuardedRandom: Sendable {
    private let state: Mutex<SplitMix64>
    init(seed: UInt64) { state = Mutex(SplitMix64(seed: seed)) }
    func next() -> UInt64 { state.withLock { $0.next() } }
}
