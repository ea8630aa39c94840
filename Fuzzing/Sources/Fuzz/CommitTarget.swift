import GodwitCore
import GodwitEngine
import GodwitJournal
import GodwitWire
import Logging

/// Commits what can be read as a commit to an engine in memory: well formed is not yet acceptable, and whatever it says, the engine carries it out
/// or refuses it.
final class CommitTarget {
    /// Inputs of one engine: what is kept of them takes memory.
    private static let most = 1_000
    private static let start = EngineInstant(wall: 1_800_000_000_000, boot: 1_000)

    private var engine: SteppedEngine
    private var inputs = 0

    init() throws {
        var options = EngineOptions()
        options.segmentBytes = 1 << 20
        options.logger = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
        engine = try SteppedEngine.open(MemoryStorage(), options: options, at: Self.start)
    }

    /// Whether it is to give way to a new one.
    var isFull: Bool { inputs >= Self.most }

    func take(_ bytes: UnsafeRawBufferPointer) throws {
        guard let request = try? Wire.decodeCommit(Bytes(Array(bytes))) else { return }
        inputs += 1
        let now = EngineInstant(wall: Self.start.wall + Int64(inputs), boot: Self.start.boot + Int64(inputs))
        engine.turn([(ticket: UInt64(inputs), request: .commit(request.transactions))], at: now)
        while let sync = engine.beginSync() {
            try sync.run()
            engine.endSync(sync, failure: nil)
        }
        _ = engine.takeReplies()
    }
}
