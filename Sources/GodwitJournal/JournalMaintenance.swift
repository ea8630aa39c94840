#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Work on the journal's files that takes long: ``run()`` it on any thread but the journal's (not on the one that syncs either),
/// then give the result to ``Journal/endMaintenance(_:)``.
package struct JournalMaintenance: Sendable {
    enum Duty: Sendable {
        /// Gives a finished checkpoint its name, and makes the file of one that is not needed any more room for the next; or deletes it, when
        /// somebody may be reading it.
        case place(PendingCheckpoint, oldest: String?, draft: String?)
        /// Makes a segment complete but for its first group.
        case makeReady(PreparedSegment, SegmentHeader)
        /// Takes a dead segment's name away, so that its file can be used again.
        case recycle(segment: String, capacity: Int, spare: String)
        case delete([String])
        case createSpare(String, size: Int)
        /// Makes room for the next checkpoint.
        case makeDraft(DraftFile, old: DraftFile?)
    }

    enum Outcome: Sendable {
        case placed(PendingCheckpoint, draft: DraftFile?)
        case ready(ReadySegment)
        case spare(PreparedSegment)
        case draft(DraftFile)
        case done
        case failed(JournalError)
    }

    /// What became of it.
    package struct Result: Sendable {
        let duty: Duty
        let outcome: Outcome

        /// Why it failed, if it did: harmless, it can be tried again later.
        package var failure: JournalError? {
            if case .failed(let error) = outcome { error } else { nil }
        }
    }

    let storage: any Storage
    let duty: Duty

    /// What it is part of, for simulations that count which faults hit where.
    package var phase: StoragePhase {
        switch duty {
        case .place: .checkpoint
        case .recycle, .delete: .compaction
        case .makeReady, .createSpare, .makeDraft: .preparation
        }
    }

    /// Does it.
    package func run() -> Result {
        do throws(JournalError) {
            return Result(duty: duty, outcome: try perform())
        } catch {
            return Result(duty: duty, outcome: .failed(.creating(error)))
        }
    }

    private func perform() throws(JournalError) -> Outcome {
        switch duty {
        case .place(let pending, let oldest, let draft):
            return try place(pending, oldest, draft)
        case .makeReady(let prepared, let header):
            return .ready(try prepared.takeIntoUse(header, in: storage))
        case .recycle(let segment, let capacity, let spare):
            let file = try storage.open(segment)
            // durable with the renaming that follows, before anything is written into it
            try storage.rename(segment, to: spare)
            return .spare(PreparedSegment(name: spare, file: file, capacity: capacity, isFresh: false, writtenBytes: capacity))
        case .delete(let files):
            for file in files { try storage.delete(file) }
            try storage.syncDirectory()
            return .done
        case .createSpare(let name, let size):
            let prepared = try PreparedSegment(creating: name, size: size, in: storage)
            // what is kept for a full disk must be there after a power failure, too
            try prepared.file.syncData()
            try storage.syncDirectory()
            return .spare(prepared)
        case .makeDraft(let draft, let old):
            let file = old == nil ? try storage.create(draft.name, size: 0) : try storage.open(draft.name)
            try file.resize(to: draft.size)
            return .draft(draft)
        }
    }

    private func place(_ pending: PendingCheckpoint, _ oldest: String?, _ draft: String?) throws(JournalError) -> Outcome {
        try storage.rename(pending.name, to: FileName.checkpoint(pending.found.header.number))
        try storage.syncDirectory()
        guard let oldest else { return .placed(pending, draft: nil) }
        do throws(JournalError) {
            guard let draft else {
                try storage.delete(oldest)
                return .placed(pending, draft: nil)
            }
            let size = try storage.open(oldest).size()
            try storage.rename(oldest, to: draft)
            // before it is written over: half of a checkpoint must not bear the name of a whole one
            try storage.syncDirectory()
            return .placed(pending, draft: DraftFile(name: draft, size: size))
        } catch {
            // the checkpoint counts all the same; what is left over is found at the next opening
            return .placed(pending, draft: nil)
        }
    }
}

extension JournalError {
    /// ``noSpace`` where that is what a failure to make a file means.
    static func creating(_ error: JournalError) -> JournalError {
        guard case .io(_, _, let number) = error else { return error }
        // Without a descriptor nothing was done either: there is one again when somebody else has closed a file.
        return [ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE].contains(number) ? .noSpace : error
    }
}
