import Foundation
import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("What the disk no longer gives back", .timeLimit(.minutes(1)))
struct UnreadableTests {
    /// Lets a bit rot in the first place where the disk has this text.
    private static func rot(_ text: String, in storage: MemoryStorage, offset: Int = 0) throws {
        let bytes = try #require(storage.contents(of: "segment-00000001"))
        let range = try #require(bytes.firstRange(of: Array(text.utf8)))
        storage.flip(0x10, of: "segment-00000001", at: range.lowerBound + offset)
    }

    @Test("a job whose payload is damaged is set aside with the evidence, and its queue goes on")
    func damagedPayload() async throws {
        let store = try await Fixture()
        let bad = try await store.publish(.work, "damaged payload") { $0.name = "thumbnail" }
        let good = try await store.publish(.work, "sound payload")
        try Self.rot("damaged payload", in: store.storage)
        #expect(try await store.lease(10).map(\.job.id) == [good])
        let job = try await store.job(bad)
        #expect(job.state == .failed && job.name == "thumbnail" && job.attempt == 1)
        let error = try #require(job.errors.last)
        #expect(error.code == FailureCode.unreadable)
        #expect(error.message.contains("segment-00000001") && error.message.contains("offset"))
        _ = await expectError(.storeCorrupt) { _ = try await store.engine.payload(of: bad) }
    }

    @Test("a call that finds only unreadable jobs goes on waiting")
    func waiting() async throws {
        let store = try await Fixture()
        let holder = try await store.holder()
        let wait = Task { try await holder.lease(max: 1, term: .queue, wait: .seconds(3_600)) }
        try await eventually("it waits") { try await store.engine.queue(.work) != nil }
        try await store.engine.pause(.work)
        try await store.publish(.work, "damaged payload")
        try Self.rot("damaged payload", in: store.storage)
        try await store.engine.resume(.work)
        try await eventually("it is set aside") { try await store.status().counts.failed == 1 }
        try await store.publish(.work, "sound")
        #expect(try await wait.value.map(\.text) == ["sound"])
    }

    @Test("a call that finds only unreadable jobs waits no longer than it was to, however many there are")
    func waitIsOver() async throws {
        let store = try await Fixture()
        let holder = try await store.holder()
        let start = store.clock.now().boot
        let wait = Task {
            let found = try await holder.lease(max: 1, term: .queue, wait: .seconds(10))
            return (found.count, store.clock.now().boot - start)
        }
        try await eventually("it waits") { try await store.engine.queue(.work) != nil }
        for second in 1...8 {
            await store.clock.advance(by: .seconds(1))
            guard second % 2 == 0 else { continue }
            try await store.engine.pause(.work)
            try await store.publish(.work, "damaged payload \(second)")
            try Self.rot("damaged payload \(second)", in: store.storage)
            try await store.engine.resume(.work)
            try await eventually("it is set aside") { try await store.status().counts.failed == second / 2 }
        }
        // Whether it waits again, or is still to ask, is not to be seen from here: it has until then at the latest.
        let ended = Task {
            while true {
                await store.clock.advance(by: .seconds(1))
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        let (count, passed) = try await wait.value
        ended.cancel()
        #expect(count == 0 && passed >= 10_000 && passed < 16_000, "\(passed)")
    }

    @Test("a read that fails is tried again later, as a failed attempt")
    func failedRead() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        // Together with others, and alone.
        store.storage.fail(.read, at: 1)
        store.storage.fail(.read, at: 2)
        #expect(try await store.lease().isEmpty)
        let job = try await store.job(id)
        #expect(job.state == .retrying && job.errors.map(\.code) == [FailureCode.unreadable])
        await store.clock.advance(by: .seconds(2))
        #expect(try await store.leaseOne().job.id == id)
    }

    @Test("a disk that does not answer when a job dies is asked again, so that its dead letter goes where it belongs")
    func failedReadOfDeadLetter() async throws {
        for failures in 1...3 {
            let store = try await Fixture()
            try await store.configure { $0.deadLetterQueue = "dead" }
            try await store.publish { $0.maxAttempts = 1 }
            let token = try await store.leaseOne().token
            for number in 1...failures { store.storage.fail(.read, at: number) }
            let fail = GodwitCore.Operation.fail(token, Failure(message: "no"), retry: .standard)
            if failures == 3 {
                // Asked for the third time it is believed, and the worker is told to come again.
                _ = await expectError(.busy) { try await store.run(fail) }
                #expect(try await store.status().counts.running == 1)
            }
            try await store.run(fail)
            #expect(try await store.lease(1, DeadLetterTests.dead).count == 1)
            #expect(try await store.status().counts.failed == 1)
        }
    }

    @Test("a page and a lookup need no payload, and one damaged job does not keep the others from being seen")
    func damagedHeader() async throws {
        let store = try await Fixture()
        let first = try await store.publish(.work, "payload") { $0.name = "a name that rots" }
        let second = try await store.publish(.work, String(repeating: "y", count: 200_000)) { $0.name = "second" }
        try Self.rot("payload", in: store.storage)
        #expect(try await store.engine.list(JobQuery()).jobs.map(\.name) == ["second", "a name that rots"])
        try Self.rot("a name that rots", in: store.storage)
        #expect(try await store.engine.list(JobQuery()).jobs.map(\.name) == ["second", nil])
        #expect(try await store.engine.read([first, second]).map { $0.snapshot?.name } == [nil, "second"])
    }

    @Test("an error that cannot be read is said to be so")
    func damagedError() async throws {
        let store = try await Fixture()
        let id = try await store.publish()
        try await store.run(.fail(try await store.leaseOne().token, Failure(message: "why it failed", code: "code"), retry: .never))
        try Self.rot("why it failed", in: store.storage)
        #expect(try await store.job(id).errors.map(\.code) == [FailureCode.unreadable])
    }

    @Test("a store that a newer version wrote is told from a damaged one, and named as what it is")
    func newer() async throws {
        let storage = MemoryStorage()
        var journal = try Journal.open(storage, options: JournalOptions(segmentBytes: 1 << 20), restore: { _, _ in }, replay: { _ in })
        try journal.reserve(Journal.recordBytes(header: 8, body: 0), for: .settle)
        // A kind of record that this version does not know, and must not pass over.
        _ = journal.append(kind: 250, critical: true, header: [UInt8](repeating: 0, count: 8).span.bytes, body: [UInt8]().span.bytes)
        try journal.close()
        let error = await expectError(.storeNewer) { _ = try await Fixture(storage: storage) }
        #expect(error?.message.contains("open the store with that version") == true, "\(error?.message ?? "")")
        #expect(BrokerError(JournalError.newerFormat(file: "segment-00000001", what: "segment format 2")).code == .storeNewer)
    }

    @Test("a record that contradicts others is refused with its file and offset")
    func contradiction() async throws {
        let storage = MemoryStorage()
        var journal = try Journal.open(storage, options: JournalOptions(segmentBytes: 1 << 20), restore: { _, _ in }, replay: { _ in })
        var writer = RecordWriter()
        let change = Change.cancelled(Cancellation(sequence: 7, attempts: Attempts(maxAttempts: 1)))
        change.encode(Stamp(engine: 1, wall: 2), into: &writer)
        try journal.reserve(Journal.recordBytes(header: writer.bytes.count, body: 0), for: .settle)
        let place = journal.append(kind: change.kind.rawValue, critical: true, header: writer.bytes.span.bytes, body: [UInt8]().span.bytes)
        try journal.close()
        let error = await expectError(.storeCorrupt) { _ = try await Fixture(storage: storage) }
        #expect(error?.message.contains("memory/segment-00000001 at offset \(place.offset)") == true, "\(error?.message ?? "")")
    }
}
