import GodwitCore
package import GodwitJournal
import Logging

/// A checkpoint that is to be written: ``run()`` it on any thread, then give it to ``EngineCore/endCheckpoint(_:failure:)``.
package struct CheckpointWork: Sendable {
    let writer: CheckpointWriter
    let snapshot: StateSnapshot

    /// Writes the file, and returns when it is on disk.
    package func run() throws(JournalError) {
        do {
            try snapshot.encode { section, bytes in try writer.append(section.rawValue, bytes) }
            try writer.finish()
        } catch {
            throw (error as? JournalError) ?? .failed(.corrupt(file: "checkpoint", offset: 0, what: "\(error)"))
        }
    }
}

extension EngineCore {
    /// Whether so much was recorded since the last checkpoint that it is time for one: writing them all costs at most half of what is recorded.
    var isCheckpointDue: Bool {
        failure == nil && !journal.isCheckpointing && instant.boot >= noCheckpointBefore
            && (journal.bytesSinceCheckpoint >= max(options.segmentBytes / 2, 2 * journal.lastCheckpointBytes) || mustCover)
    }

    /// Whether the disk is full, and a segment that is worth emptying cannot be before another checkpoint stands for it: little is recorded
    /// then, so that none would ever be due.
    private var mustCover: Bool {
        guard journal.refuses(.publish) else { return false }
        let covered = Set(journal.reclaimable)
        return journal.spaces.dropLast().contains { space in
            !covered.contains(space.number) && !unmovable.contains(space.number)
                && Double(state.use[space.number].bytes) / Double(space.capacity) < Self.fullest
        }
    }

    /// Begins a checkpoint of the state as it is now; nil while one is under way, or when the store has failed. To be called between turns.
    mutating func beginCheckpoint() -> CheckpointWork? {
        guard failure == nil else { return nil }
        do {
            guard let writer = try journal.beginCheckpoint() else { return nil }
            return CheckpointWork(writer: writer, snapshot: state.snapshot())
        } catch {
            note(error)
            return nil
        }
    }

    /// Notes how writing a checkpoint ended. A failure harms nothing: the next one is tried later.
    mutating func endCheckpoint(_ work: CheckpointWork, failure error: JournalError?) {
        state.endSnapshot()
        if let error {
            noCheckpointBefore = instant.boot + Self.checkpointDelay
            options.logger.warning("a checkpoint could not be written: it is tried again later", metadata: ["error": "\(error)"])
        }
        if journal.failure == nil { journal.endCheckpoint(work.writer, failure: error) }
    }

    /// How long to wait after a checkpoint that failed.
    private static let checkpointDelay: Int64 = 10_000

    /// For a clean stop: makes the next opening quick, and gives back what nothing needs any more.
    mutating func settleSpace() {
        guard failure == nil, !journal.isCheckpointing || finishCheckpoint() else { return }
        // What one checkpoint covers is given back when there is another.
        for _ in 0..<3 where journal.bytesSinceCheckpoint >= Self.leastStopBytes || isMoreDead || journal.keepsLargeCheckpoint {
            guard checkpointHere() else { return }
        }
        reclaimDead()
    }

    /// So little is replayed at once.
    private static let leastStopBytes = 1 << 20

    /// Whether there are segments in which nothing is needed that cannot be given back yet.
    private var isMoreDead: Bool {
        let covered = Set(journal.reclaimable)
        return journal.segments.dropLast().contains { !covered.contains($0) && state.use[$0].things == 0 }
    }

    /// Takes a checkpoint on this thread; answers whether it counts.
    private mutating func checkpointHere() -> Bool {
        guard let work = beginCheckpoint() else { return false }
        do {
            try work.run()
            endCheckpoint(work, failure: nil)
        } catch {
            endCheckpoint(work, failure: error)
            return false
        }
        return finishCheckpoint()
    }

    /// Lets a checkpoint that is written count: all before its cut is synced, and it gets its name.
    private mutating func finishCheckpoint() -> Bool {
        do {
            try journal.write()
            try journal.sync()
            noteSynced()
        } catch {
            note(error)
            return false
        }
        journal.maintain()
        return !journal.isCheckpointing
    }
}
