/// An append-only, checksummed, segmented log with group commit: it knows bytes, not queues.
///
/// One thread owns the value and calls it; ``JournalSync``, ``JournalMaintenance`` and ``JournalReader`` are for any thread. Records are
/// appended to a group in memory; ``write()`` hands the group to the system in one call; a sync makes all written groups durable. A group
/// is the unit of atomicity: after a crash it is there whole or not at all. Nothing may be confirmed before ``syncedGroup`` has reached
/// the record's group.
///
/// ```swift
/// try journal.reserve(Journal.recordBytes(header: 24, body: 100), for: .publish)
/// let location = journal.append(kind: 1, critical: true, header: header.span.bytes, body: body.span.bytes)
/// let group = try journal.write()
/// try journal.sync()                                 // or beginSync(), run() on another thread, endSync(_:failure:)
/// ```
package struct Journal: ~Copyable, Sendable {
    let storage: any Storage
    let options: JournalOptions
    let table: SegmentTable

    /// The store's random name, drawn when it was made.
    package let storeID: StoreID
    /// What opening found and did.
    package internal(set) var recovery: JournalRecovery

    // Where the chain is, and the group in memory that continues it.
    var segment: Segment
    /// Where the group in memory will lie in the segment.
    var position: Int
    var chain: ChainState
    var arena = GroupArena()
    var groupRecords: UInt32 = 0
    var groupContents: UInt32 = 0

    // What is written, and what is synced.
    /// The end of the last link that was written.
    var end: RecordLocation
    /// The end of the last link that is synced.
    var mark: RecordLocation
    /// The number of the last group that is known to be on disk: what lies in it and before it may be confirmed.
    package internal(set) var syncedGroup: UInt64
    /// The synced group up to which the last written header vouches.
    var markedGroup: UInt64
    /// Files with groups that no sync covers yet, the current segment's apart.
    var unsyncedFiles: [any StorageFile] = []
    /// Whether the current segment has groups that no sync covers yet.
    var isUnsynced = false
    var isSyncing = false

    // Segments behind and ahead.
    /// The segments whose records may be needed, in order, the current one last.
    var inUse: [SpaceOfSegment]
    /// Segments that nobody needs any more, waiting to be recycled.
    var dead: [DeadSegment] = []
    /// Segments that are complete but for their first group, in the order of their use.
    var ready: [ReadySegment] = []
    /// Files to make segments of.
    var spares: [PreparedSegment] = []
    var nextSpare: UInt32 = 1
    var nextSegment: UInt32 = 1
    /// The last attempt to make a file failed for want of space.
    var isShort = false
    /// An opening on a full disk made a segment of one of the reserve's: what that was kept for is in the current segment then.
    var hasSpentReserve = false
    var isMaintaining = false
    /// Whether it has gone on in another segment since it was opened.
    package internal(set) var hasRolled = false
    let pins = PinTable()

    // Checkpoints.
    /// Those that count, the oldest first: at most two.
    var checkpoints: [FoundCheckpoint] = []
    var checkpointStage = CheckpointStage.none
    /// Room for the next one.
    var draft: DraftFile?
    var nextDraft: UInt32 = 1
    var nextCheckpoint: UInt32 = 1
    /// Files that are of no more use, such as failed checkpoints.
    var rubbish: [String] = []
    /// The bytes of groups written since the newest checkpoint's cut.
    package internal(set) var bytesSinceCheckpoint = 0
    /// ``bytesSinceCheckpoint`` when the one that is being made began.
    var bytesBeforeCut = 0

    /// The first failure of a write or a sync: the journal does nothing more.
    package internal(set) var failure: JournalError?
    var isOpen = true

    deinit {
        if isOpen { storage.unlock() }
    }

    /// The longest header that a record may have.
    package static let maximumHeaderBytes = Int(UInt16.max)

    /// The bytes that a record takes in a group.
    package static func recordBytes(header: Int, body: Int) -> Int {
        RecordHeader.recordBytes(header: header, body: body)
    }

    /// The most that one ``reserve(_:for:)`` can ask for.
    package var maximumReservation: Int {
        // the segment's header, the group's header, and one block so that a mark always finds room
        options.segmentBytes - 2 * Block.size - GroupHeader.size
    }

    /// The number of the last group that was written; 0 before the first.
    package var writtenGroup: UInt64 { chain.nextGroup &- 1 }

    /// The number of the group in memory, in which the next record will lie unless a reservation closes it first.
    package var currentGroup: UInt64 { chain.nextGroup }

    /// Whether the record's group was written, so that ``reader`` finds it.
    package func isWritten(_ location: RecordLocation) -> Bool {
        location.segment != segment.number || Int(location.offset) < position
    }

    /// Whether ``syncedGroup`` has reached every record.
    package var isSynced: Bool { groupRecords == 0 && syncedGroup == writtenGroup }

    /// Reads bodies; for any thread, also after the journal is closed.
    package var reader: JournalReader { JournalReader(table: table) }
}

/// What the next group continues.
struct ChainState: Equatable, Sendable {
    var nextGroup: UInt64 = 1
    var nextRecord: UInt64 = 1
    /// The header checksum of the last link; 0 before the first.
    var previous: UInt32 = 0

    mutating func advance(over group: GroupHeader, checksum: UInt32) {
        nextGroup = group.number &+ 1
        nextRecord = group.firstRecord &+ UInt64(group.records)
        previous = checksum
    }
}
