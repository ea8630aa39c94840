import Foundation
import GodwitCore
import GodwitWire
import Testing

@Suite("What fuzzing found worth keeping", .timeLimit(.minutes(2)))
struct CorpusTests {
    @Test("is read or refused, whole or cut off anywhere, and crashes nothing")
    func replay() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Corpus/batch")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path())
        #expect(names.count >= 8)
        for name in names {
            let bytes = Bytes([UInt8](try Data(contentsOf: folder.appending(path: name))))
            WireDecoding.document(bytes)
            for count in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 64)) {
                WireDecoding.document(Bytes(bytes.slice.prefix(count)))
            }
        }
    }
}
