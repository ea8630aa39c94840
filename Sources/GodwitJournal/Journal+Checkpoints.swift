/// A checkpoint whose file is written and synced, and which does not have its name yet.
struct PendingCheckpoint: Sendable {
    var name: String
    var found: FoundCheckpoint
    /// It may have its name when this group is synced.
    var group: UInt64
}

/// Room for the next checkpoint: a file whose content means nothing.
struct DraftFile: Sendable {
    var name: String
    var size: Int
}

/// How much room a checkpoint's file has for the next one that is written over it.
enum CheckpointRoom {
    static func after(_ bytes: Int) -> Int { Block.roundUp(bytes + bytes / 4 + (64 << 10)) }

    /// Whether a file is so long that some of it is given back.
    static func isTooMuch(_ size: Int, after bytes: Int) -> Bool { size > 2 * after(bytes) }
}

/// How far the checkpoint that is being made has come.
enum CheckpointStage: Sendable {
    case none
    case writing
    case written(PendingCheckpoint)
    case placing
}

extension Journal {
    /// Begins a checkpoint of what the owner has made of all records so far: the group in memory is written, and its end is the cut. What
    /// is handed to the writer must be the state at this very moment.
    ///
    /// - Returns: the writer; nil while another checkpoint is being made.
    /// - Throws: ``JournalError/failed(_:)``.
    package mutating func beginCheckpoint() throws(JournalError) -> CheckpointWriter? {
        try checkFailure()
        guard case .none = checkpointStage else { return nil }
        try write()
        let header = CheckpointHeader(
            number: nextCheckpoint,
            store: storeID,
            generation: options.random(),
            cut: end,
            chain: chain
        )
        nextCheckpoint += 1
        checkpointStage = .writing
        bytesBeforeCut = bytesSinceCheckpoint
        defer { draft = nil }
        if draft == nil { nextDraft += 1 }
        return CheckpointWriter(
            storage,
            header,
            group: writtenGroup,
            name: draft?.name ?? FileName.draft(nextDraft - 1),
            room: draftBytes,
            isThere: draft != nil
        )
    }

    /// Notes that the writer has finished, or has failed: a failed one's file is deleted and never tried again, and nothing is harmed.
    ///
    /// The checkpoint counts when everything before its cut is synced and ``beginMaintenance(mayCreate:)`` or ``maintain()`` has given it
    /// its name.
    package mutating func endCheckpoint(_ writer: CheckpointWriter, failure: JournalError? = nil) {
        guard case .writing = checkpointStage else { preconditionFailure("no checkpoint is being written") }
        if let (size, bytes) = writer.finished, failure == nil {
            let found = FoundCheckpoint(header: writer.header, size: size, bytes: bytes)
            checkpointStage = .written(PendingCheckpoint(name: writer.name, found: found, group: writer.group))
        } else {
            checkpointStage = .none
            if writer.isThere { rubbish.append(writer.name) }
        }
    }

    /// Whether a checkpoint is being made.
    package var isCheckpointing: Bool {
        if case .none = checkpointStage { false } else { true }
    }

    /// The size of the newest checkpoint; 0 when there is none.
    package var lastCheckpointBytes: Int { checkpoints.last?.bytes ?? 0 }

    /// The number of checkpoints that count: two are kept, and segments come back once there are two.
    package var checkpointCount: Int { checkpoints.count }

    /// Whether the older checkpoint, of a time when there was more to say, takes far more room than another one would.
    package var keepsLargeCheckpoint: Bool {
        checkpoints.count > 1 && CheckpointRoom.isTooMuch(checkpoints[0].size, after: lastCheckpointBytes)
    }

    /// How large the room for the next checkpoint should be.
    var draftBytes: Int { CheckpointRoom.after(lastCheckpointBytes) }

    mutating func placed(_ pending: PendingCheckpoint, draft: DraftFile?) {
        checkpoints.append(pending.found)
        if checkpoints.count > 2 { checkpoints.removeFirst() }
        checkpointStage = .none
        bytesSinceCheckpoint -= bytesBeforeCut
        if let draft { self.draft = draft }
    }
}
