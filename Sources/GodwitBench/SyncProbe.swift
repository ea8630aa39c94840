import Foundation
import GodwitJournal

/// Times what every confirmation waits for: a block written over another one of an allocated file, and synced, as the journal does it.
struct SyncProbe {
    private static let block = 4_096
    private static let blocks = 256
    private static let name = "bench-sync-probe"

    private let storage: FileStorage
    private let folder: String
    private(set) var nanoseconds: [UInt64] = []

    /// - Parameter folder: the store's; the probe's file is there while ``run(_:)`` runs.
    init(folder: String) {
        self.folder = folder
        storage = FileStorage(folder)
    }

    mutating func run(_ count: Int) throws {
        let path = folder + "/" + Self.name
        // One that a run left which was killed.
        try? FileManager.default.removeItem(atPath: path)
        let file = try storage.create(Self.name, size: Self.block * Self.blocks)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var random = SplitMix64(seed: MonotonicTime.now)
        let bytes = (0..<Self.block).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        try bytes.withUnsafeBytes { block in
            for index in 0..<Self.blocks { try file.writeAll(block, at: index * Self.block) }
            try file.syncData()
            for index in 0..<count {
                let start = MonotonicTime.now
                try file.writeAll(block, at: index % Self.blocks * Self.block)
                try file.syncData()
                nanoseconds.append(MonotonicTime.now - start)
            }
        }
    }

    /// Half of the syncs took no longer, in microseconds.
    var median: Double? {
        guard !nanoseconds.isEmpty else { return nil }
        return Double(nanoseconds.sorted()[nanoseconds.count / 2]) / 1_000
    }
}
