import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("Repairs: whatever is damaged, what is not stays", .timeLimit(.minutes(3)))
struct RepairTests {
    /// Something that can happen to a store's files.
    enum Damage: CaseIterable {
        case segmentHeader, groupHeader, recordHeader, body, zeroedBlock, truncatedSegment, missingSegment, missingOldSegment
        case newestCheckpoint, bothCheckpoints, checkpointHeader, truncatedCheckpoint
    }

    private static let segmentBytes = 64 << 10
    private static let jobs = 240

    /// A closed store of many segments, with two checkpoints and records behind the newer one.
    private static func files() throws -> [String: [UInt8]] {
        let storage = MemoryStorage(), clock = ManualClock(start: Fixture.start)
        var core = try Core.open(storage, clock, segmentBytes: segmentBytes)
        var ticket: Ticket = 0
        for number in 0..<jobs {
            ticket += 1
            let payload = "\"payload \(number) \(String(repeating: "x", count: 1_500))\""
            core.turn([(ticket, Core.publish { $0.payload = Content(Bytes(payload)) })], at: clock.now())
            try Core.sync(&core)
            Core.maintain(&core)
            if number == 80 || number == 160 {
                let isTaken = Core.checkpoint(&core)
                #expect(isTaken)
            }
        }
        try core.journal.close()
        return try storage.contents()
    }

    private static func spoil(_ storage: MemoryStorage, _ files: [String: [UInt8]], _ damage: Damage) throws {
        let segments = files.keys.filter { $0.hasPrefix("segment-") && (files[$0]?.contains { $0 != 0 } ?? false) }.sorted()
        let checkpoints = files.keys.filter { $0.hasPrefix("checkpoint-") }.sorted()
        #expect(segments.count > 5 && checkpoints.count == 2)
        // One that lies behind the newest checkpoint's cut, with groups behind it.
        let newer = segments[segments.count - 3]
        let place = try #require(files[newer].flatMap { bytes in bytes[20_480...].firstRange(of: Array("GWGR".utf8)) }).lowerBound
        switch damage {
        case .segmentHeader: storage.flip(4, of: newer, at: 30)
        case .groupHeader: storage.flip(4, of: newer, at: place + 20)
        case .recordHeader: storage.flip(4, of: newer, at: place + 64 + 20)
        case .body: storage.flip(4, of: newer, at: place + 64 + 600)
        case .zeroedBlock:
            let file = try storage.open(newer)
            let zeros = [UInt8](repeating: 0, count: 4_096)
            try zeros.withUnsafeBytes { try file.writeAll($0, at: place & ~4_095) }
            try file.syncData()
        case .truncatedSegment: storage.truncate(newer, to: 40_000)
        case .missingSegment:
            try storage.delete(newer)
            try storage.syncDirectory()
        case .missingOldSegment:
            try storage.delete(segments[1])
            try storage.syncDirectory()
        case .newestCheckpoint: storage.flip(1, of: checkpoints[1], at: 4_096 + 40)
        case .bothCheckpoints: for name in checkpoints { storage.flip(1, of: name, at: 4_096 + 40) }
        case .checkpointHeader: storage.flip(1, of: checkpoints[1], at: 60)
        case .truncatedCheckpoint: storage.truncate(checkpoints[1], to: 5_000)
        }
    }

    @Test(
        "every kind of damage is found and repaired: the store is sound, opens, and has all jobs that were not hit",
        arguments: Damage.allCases
    )
    func every(_ damage: Damage) async throws {
        let files = try Self.files()
        let storage = try MemoryStorage(files: files)
        try Self.spoil(storage, files, damage)
        let before = try StoreExamination(of: storage)
        #expect(!before.isSound)
        // Looking changes nothing.
        #expect(try !StoreExamination(of: storage).isSound)
        let options = JournalOptions(segmentBytes: Self.segmentBytes)
        let report = try StoreRepair.run(storage, options: options, notesLoss: before.findings.contains { $0.isMissingFile })
        #expect(report.didRepair)
        #expect(try StoreExamination(of: storage).isSound)
        // What was damaged is there under another name, or where it was.
        for name in report.quarantined { #expect(storage.files.contains(name)) }
        if damage == .segmentHeader { #expect(report.quarantined.contains { $0.hasSuffix("-header") }) }

        let fixture = try await Fixture(storage: storage) { $0.segmentBytes = Self.segmentBytes }
        var query = ExportQuery(), readable: Set<String> = []
        repeat {
            let page = try await fixture.engine.exportPage(query)
            for job in page.jobs {
                if let text = try? job.message.get().payload.bytes.text { readable.insert(String(text.prefix { $0 != "x" })) }
            }
            query.cursor = page.next
        } while query.cursor != nil
        let lost = Self.jobs - readable.count
        switch damage {
        case .segmentHeader, .newestCheckpoint, .bothCheckpoints, .checkpointHeader, .truncatedCheckpoint: #expect(lost == 0)
        case .groupHeader, .recordHeader, .body, .zeroedBlock: #expect(lost <= 1)
        // At most what fitted into one segment.
        case .truncatedSegment, .missingSegment, .missingOldSegment: #expect(lost > 0 && lost <= 16)
        }
        // Jobs whose payload is lost fail when their turn comes, and hold no other off.
        let id = try await fixture.publish(.work, "\"new\"")
        #expect(try await fixture.job(id).state == .queued)
        await fixture.engine.close()
        #expect(try StoreExamination(of: storage).isSound)
    }
}
