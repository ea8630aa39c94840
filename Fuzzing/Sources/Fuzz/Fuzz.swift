import Foundation
import GodwitCore
import GodwitCrontab
import GodwitEngine
import GodwitJournal
import GodwitRequests
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

/// `fuzz`: libFuzzer on one decoder, which the variable GODWIT_FUZZ names.
@main
enum Fuzz {
    private static let decoders: [String: @Sendable (UnsafeRawBufferPointer) -> Void] = [
        "record": { RecordDecoding.record($0) },
        "followups": { RecordDecoding.followUps($0) },
        "group": { JournalDecoding.group($0) },
        "checkpoint": { JournalDecoding.checkpoint($0) },
        "segment": { JournalDecoding.segment($0) },
        "batch": { batch($0) },
        "query": { RequestDecoding.query($0) },
        "json": { RequestDecoding.json($0) },
        "headers": { RequestDecoding.headers($0) },
        "crontab": { CrontabDecoding.expression($0) },
        "ids": { ids($0) },
    ]

    static let decode: @Sendable (UnsafeRawBufferPointer) -> Void = {
        let name = ProcessInfo.processInfo.environment["GODWIT_FUZZ"] ?? ""
        guard let decoder = decoders[name] else {
            FileHandle.standardError.write(Data("fuzz: set GODWIT_FUZZ to one of \(decoders.keys.sorted().joined(separator: ", "))\n".utf8))
            exit(64)
        }
        return decoder
    }()

    /// The engine that the commits among the batches go to.
    private static let commits = Mutex<CommitTarget?>(nil)

    private static func batch(_ bytes: UnsafeRawBufferPointer) {
        WireDecoding.document(bytes)
        let copy = Array(bytes)
        commits.withLock { commits in
            do {
                if commits?.isFull != false { commits = try CommitTarget() }
                try copy.withUnsafeBytes { try commits?.take($0) }
            } catch {
                fatalError("a store in memory failed: \(error)")
            }
        }
    }

    /// An id and a token are any text, and the same text again.
    private static func ids(_ input: UnsafeRawBufferPointer) {
        let text = String(decoding: input, as: UTF8.self)
        let job = JobID(text), token = LeaseToken(text)
        precondition(
            job.description.hasSameBytes(as: text) && token.description.hasSameBytes(as: text),
            "an id is not written as it was read"
        )
        if let (a, b) = job.words { precondition(JobID(a, b) == job, "an id of two words is not those two") }
        if let (a, b, c) = token.words { precondition(LeaseToken(a, b, c) == token, "a token of three words is not those three") }
        _ = try? QueueName(text)
    }

    static func main() {
        var count = CommandLine.argc, arguments = CommandLine.unsafeArgv
        exit(runFuzzer(&count, &arguments, testOneInput))
    }
}
