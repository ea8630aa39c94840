import Foundation
import GodwitEngine
import GodwitJournal
import GodwitWire
import Synchronization

@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// What the fuzzer library itself wants to find, wherever its driver is called from.
@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    Fuzz.decode(UnsafeRawBufferPointer(start: bytes, count: count))
    return 0
}

/// `fuzz`: libFuzzer on one decoder, which the variable GODWIT_FUZZ names: record, followups, group, checkpoint, segment or batch.
@main
enum Fuzz {
    static let decode: @Sendable (UnsafeRawBufferPointer) -> Void = {
        switch ProcessInfo.processInfo.environment["GODWIT_FUZZ"] {
        case "record": return { RecordDecoding.record($0) }
        case "followups": return { RecordDecoding.followUps($0) }
        case "group": return { JournalDecoding.group($0) }
        case "checkpoint": return { JournalDecoding.checkpoint($0) }
        case "segment": return { JournalDecoding.segment($0) }
        case "batch":
            return { bytes in
                WireDecoding.document(bytes)
                commits.withLock { commits in
                    do {
                        if commits?.isFull != false { commits = try CommitTarget() }
                        try commits?.take(bytes)
                    } catch {
                        fatalError("a store in memory failed: \(error)")
                    }
                }
            }
        default:
            FileHandle.standardError.write(Data("fuzz: set GODWIT_FUZZ to record, followups, group, checkpoint, segment or batch\n".utf8))
            exit(64)
        }
    }()

    /// The engine that the commits among the batches go to.
    private static let commits = Mutex<CommitTarget?>(nil)

    static func main() {
        var count = CommandLine.argc, arguments = CommandLine.unsafeArgv
        exit(runFuzzer(&count, &arguments, testOneInput))
    }
}
