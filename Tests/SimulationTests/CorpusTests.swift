import Foundation
import GodwitEngine
import GodwitJournal
import Testing

@Suite("What fuzzing found worth keeping", .timeLimit(.minutes(2)))
struct CorpusTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Corpus")

    @Test("is decoded or refused, and crashes nothing", arguments: ["record", "followups", "group", "checkpoint", "segment"])
    func replay(_ target: String) throws {
        let decode: (UnsafeRawBufferPointer) -> Void =
            switch target {
            case "record": RecordDecoding.record
            case "followups": RecordDecoding.followUps
            case "group": JournalDecoding.group
            case "checkpoint": JournalDecoding.checkpoint
            default: JournalDecoding.segment
            }
        let folder = Self.folder.appending(path: target)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path())
        #expect(names.count >= 8)
        for name in names {
            let bytes = [UInt8](try Data(contentsOf: folder.appending(path: name)))
            bytes.withUnsafeBytes(decode)
            // Cut off anywhere it must do no harm either.
            for count in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 16)) { bytes[..<count].withUnsafeBytes(decode) }
        }
    }

    @Test("a group whose numbers are as high as they get is refused or read, as any other")
    func highestNumbers() {
        var group = [UInt8](repeating: 0xff, count: 64)
        group.replaceSubrange(8..<16, with: [0, 16, 0, 0, 1, 0, 0, 0])
        (group + [UInt8](repeating: 0, count: 4_032)).withUnsafeBytes(JournalDecoding.group)
    }
}
