import Foundation
import GodwitCore
import GodwitEngine
import Histogram
import Synchronization

/// What a soak found; sizes in MB of 1,000,000 bytes.
package struct SoakReport: Sendable {
    package var messages = 0
    package var seconds = 0.0
    package var publishedPerSecond: Double { seconds > 0 ? Double(confirmed) / seconds : 0 }
    package var confirmed = 0
    /// From when a message was due to its confirmation.
    package var confirm: Latencies?
    /// The same for those confirmed in the tenths of a second in which a checkpoint was finished or a segment emptied, and in the others.
    package var confirmWithUpkeep: Latencies?
    package var confirmWithout: Latencies?
    /// Jobs that wait, and that are kept, at the last look.
    package var pending = 0, finished = 0
    /// Of memory and disk, at the last look and at the worst one (the one furthest above its bound).
    package var memory = SoakBound(), disk = SoakBound()
    package var writeAmplification: Double?
    /// The folder after the store was closed.
    package var folderMegabytes = 0.0
}

/// Something that is to stay under a bound that changes.
package struct SoakBound: Sendable {
    package var megabytes = 0.0, bound = 0.0
    package var worst = 0.0, worstBound = 0.0

    /// One that was never looked at is not kept.
    package var isKept: Bool { worstBound > 0 && worst <= worstBound }

    mutating func note(_ bytes: Int, _ bound: Int, counts: Bool) {
        megabytes = Double(bytes) / 1e6
        self.bound = Double(bound) / 1e6
        guard counts, worstBound == 0 || megabytes - self.bound > worst - worstBound else { return }
        (worst, worstBound) = (megabytes, self.bound)
    }
}

/// Looks at a store while it is under load.
final class SoakWatch: Sendable {
    /// The bounds: bytes of memory for a waiting job and for one that is kept, the hot window and the process; segments beside twice what
    /// lives.
    private static let pendingBytes = 48, finishedBytes = 32, windowBytes = 64 << 20, processBytes = 60_000_000
    private static let spareSegments = 3, segmentBytes = 64 << 20

    private struct State {
        var report = SoakReport()
        var all = Histogram<UInt64>(highestTrackableValue: 1 << 40, numberOfSignificantValueDigits: .three)
        var window: [(latency: UInt64, count: UInt64)] = []
        var withUpkeep = Histogram<UInt64>(highestTrackableValue: 1 << 40, numberOfSignificantValueDigits: .three)
        var without = Histogram<UInt64>(highestTrackableValue: 1 << 40, numberOfSignificantValueDigits: .three)
        var files: Set<String> = []
    }

    private let engine: Engine
    private let queues: [QueueName]
    private let start = MonotonicTime.now
    private let state = Mutex(State())

    /// A store that has just been made has segments ahead of need and little that lives: it counts when so many messages are confirmed.
    private let countsFrom: Int

    init(engine: Engine, queues: [QueueName], countsFrom: Int) {
        self.engine = engine
        self.queues = queues
        self.countsFrom = countsFrom
    }

    var report: SoakReport { state.withLock { $0.report } }

    func confirmed(_ count: Int, since due: UInt64) {
        let now = MonotonicTime.now
        state.withLock { state in
            let latency = min(now > due ? now - due : 0, 1 << 40)
            state.window.append((latency, UInt64(count)))
            state.report.confirmed += count
        }
    }

    func run(_ progress: @Sendable (SoakReport) -> Void) async throws {
        var looks = 0
        while !Task.isCancelled {
            // What a store takes cannot be waited for: it is looked at so often.
            try await Task.sleep(for: .milliseconds(100))
            try await look()
            looks += 1
            if looks % 50 == 0 { progress(report) }
        }
    }

    func look() async throws {
        let contents = try await engine.contents()
        var pending = 0, finished = 0
        for queue in queues {
            guard let counts = try await engine.queue(queue)?.counts else { continue }
            pending += counts.unfinished
            finished += counts.succeeded
        }
        let memory = Self.windowBytes + Self.processBytes + pending * Self.pendingBytes + finished * Self.finishedBytes
        let disk = 2 * contents.liveBytes + Self.spareSegments * Self.segmentBytes
        let files = Set(contents.checkpoints.map(\.file) + contents.segments.map(\.file))
        state.withLock { [pending, finished] state in
            // A checkpoint is new, or a segment gone: there was upkeep.
            let isUpkeep = !files.isSuperset(of: state.files) || contents.checkpoints.contains { !state.files.contains($0.file) }
            state.files = files
            for (latency, count) in state.window {
                _ = state.all.record(latency, count: count)
                if isUpkeep { _ = state.withUpkeep.record(latency, count: count) } else { _ = state.without.record(latency, count: count) }
            }
            state.window.removeAll(keepingCapacity: true)
            state.report.seconds = Double(MonotonicTime.now - start) / 1e9
            state.report.pending = pending
            state.report.finished = finished
            if state.all.totalCount > 0 { state.report.confirm = Latencies(state.all) }
            if state.withUpkeep.totalCount > 0 { state.report.confirmWithUpkeep = Latencies(state.withUpkeep) }
            if state.without.totalCount > 0 { state.report.confirmWithout = Latencies(state.without) }
            let counts = state.report.confirmed >= countsFrom
            if let used = contents.memoryBytes { state.report.memory.note(used, memory, counts: counts) }
            state.report.disk.note(contents.diskBytes, disk, counts: counts)
        }
    }
}
