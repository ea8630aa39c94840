import Foundation
import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("A store on a folder", .timeLimit(.minutes(1)))
struct FolderTests {
    private static func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("godwit-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }

    private static func publish(_ engine: Engine) async throws -> JobID {
        try #require(try await engine.commit([Transaction(.enqueue(NewMessage(queue: .work, payload: Content("1"))))])[0].get()[0].jobID)
    }

    @Test("it is made where there is none, has one opener at a time, and is there again after it was closed")
    func reopening() async throws {
        try await Self.withFolder { folder in
            let engine = try await Engine.open(directory: folder)
            #expect(engine.directory == URL(fileURLWithPath: folder).standardizedFileURL.path)
            #expect(engine.recovery.isNew)
            let id = try await Self.publish(engine)
            let error = await expectError(.storeLocked) { _ = try await Engine.open(directory: folder) }
            #expect(error?.message.contains(folder) == true)
            await engine.close()
            let again = try await Engine.open(directory: folder)
            #expect(try await again.read([id])[0].snapshot?.state == .queued)
            #expect(try await again.payload(of: id) == Content("1"))
            await again.close()
        }
    }

    @Test("one that nobody has any more is closed")
    func dropped() async throws {
        try await Self.withFolder { folder in
            var engine: Engine? = try await Engine.open(directory: folder)
            if let engine { _ = try await Self.publish(engine) }
            engine = nil
            try await eventually("the folder is given back") {
                guard let again = try? await Engine.open(directory: folder) else { return false }
                await again.close()
                return true
            }
        }
    }

    @Test("a damaged one is refused with the file's name, and left alone")
    func damage() async throws {
        try await Self.withFolder { folder in
            let engine = try await Engine.open(directory: folder)
            for _ in 0..<20 { _ = try await Self.publish(engine) }
            await engine.close()
            let files = try FileManager.default.contentsOfDirectory(atPath: folder)
            let name = try #require(files.filter { $0.contains("segment") }.sorted().first, "\(files)")
            let url = URL(fileURLWithPath: folder).appendingPathComponent(name)
            var bytes = try Data(contentsOf: url)
            // In the group of one of the publications.
            bytes[5 * 4_096 + 100] ^= 0xff
            try bytes.write(to: url)
            let error = await expectError(.storeCorrupt) { _ = try await Engine.open(directory: folder) }
            #expect(error?.message.contains(name) == true)
            #expect(try Data(contentsOf: url) == bytes)
        }
    }
}
