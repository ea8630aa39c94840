import Foundation
import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Format levels: an older store holds nothing newer until it is upgraded", .timeLimit(.minutes(1)))
struct FormatLevelTests {
    /// A message that only a store of the first level can hold.
    private static func imported(_ payload: String) -> GodwitCore.Operation {
        var message = NewMessage(queue: .work, payload: Content(Bytes(payload)))
        message.past = JobPast(createdAt: Fixture.start, attempt: 2, deliveries: 3)
        return .enqueue(message)
    }

    @Test("a store that is made has the newest level, and keeps it")
    func newest() async throws {
        let fixture = try await Fixture()
        #expect(try await fixture.engine.level() == .newest)
        #expect(try await fixture.engine.upgrade() == .newest)
        await fixture.engine.close()
        let again = try await Fixture(storage: fixture.storage, clock: fixture.clock)
        #expect(try await again.engine.level() == .newest)
        await again.engine.close()
        #expect(try StoreExamination(of: fixture.storage).level == .newest)
    }

    @Test("an older store refuses what needs a newer level, names the upgrade, and changes nothing; all else goes on")
    func refused() async throws {
        let fixture = try await Fixture { $0.level = .unnamed }
        try await fixture.publish()
        let error = await expectError(.storeOutdated) { try await fixture.run(Self.imported("1")) }
        #expect(error?.message.contains("godwit upgrade") == true)
        // A transaction with it is refused whole.
        _ = await expectError(.storeOutdated) {
            try await fixture.run(.enqueue(NewMessage(queue: .work, payload: Content("2"))), Self.imported("1"))
        }
        #expect(try await fixture.status().counts.queued == 1)
        await fixture.engine.close()
        let again = try await Fixture(storage: fixture.storage, clock: fixture.clock)
        #expect(try await again.engine.level() == .unnamed)
        _ = try await again.leaseOne()
        _ = await expectError(.storeOutdated) { try await again.run(Self.imported("1")) }

        #expect(try await again.engine.upgrade() == .unnamed)
        #expect(try await again.engine.level() == .newest)
        try await again.run(Self.imported("1"))
        // It stays upgraded, from the journal as from a checkpoint.
        let killed = try await again.killed()
        #expect(try await killed.engine.level() == .newest)
        try await killed.run(Self.imported("2"))
        await killed.engine.close()
    }

    @Test("the golden store of a development version opens, works and is upgraded")
    func golden() async throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Golden/level-0")
        var files: [String: [UInt8]] = [:]
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            files[file.lastPathComponent] = Array(try Data(contentsOf: file))
        }
        let storage = try MemoryStorage(files: files)
        #expect(try StoreExamination(of: storage).isSound)
        #expect(try StoreExamination(of: storage).level == .unnamed)
        let fixture = try await Fixture(storage: storage)
        #expect(try await fixture.status().counts.queued == 2)
        #expect(try await fixture.status().counts.succeeded == 1)
        #expect(try await fixture.status(.other).counts.scheduled == 1)
        _ = await expectError(.storeOutdated) { try await fixture.run(Self.imported("1")) }
        #expect(try await fixture.engine.upgrade() == .unnamed)
        try await fixture.run(Self.imported("1"))
        await fixture.engine.close()
        let again = try await Fixture(storage: storage, clock: fixture.clock)
        #expect(try await again.status().counts.queued == 3)
        await again.engine.close()
    }

    @Test("a store of a level above the newest is not opened, from its journal or from a checkpoint")
    func tooNew() throws {
        var writer = RecordWriter()
        Change.level(FormatLevel(rawValue: FormatLevel.newest.rawValue + 1)).encode(Stamp(engine: 0, wall: 0), into: &writer)
        writer.bytes.withUnsafeBytes { header in
            _ = #expect(throws: RecordError.newer("a store of format level 2, above 1")) {
                try Change.decode(kind: RecordKind.level.rawValue, header: header, bodyBytes: 0)
            }
        }
        var checkpoint = CheckpointRestore(), state = EngineState()
        [CheckpointSection.layout + FormatLevel.newest.rawValue + 1].withUnsafeBytes { bytes in
            _ = #expect(throws: RecordError.newer("a store of format level 2, above 1")) {
                try checkpoint.take(CheckpointSection.store.rawValue, bytes, into: &state)
            }
        }
    }
}
