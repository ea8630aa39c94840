import Synchronization

/// What a simulated folder can do to whoever uses it.
package enum StorageFault: String, Sendable, Hashable, CaseIterable {
    case readError = "EIO on read"
    case writeError = "EIO on write"
    case syncError = "EIO on sync"
    case noSpace = "ENOSPC"
    case otherError = "EIO on another call"
    case shortRead = "short read"
    case shortWrite = "short write"
    /// All calls from one on fail, as for a process that has ended.
    case stop = "process ended"
    case kill = "SIGKILL"
    case powerFailure = "power failure"
    /// Of a block that was not synced a power failure left what it held before.
    case lostBlock = "unsynced block lost"
    /// Of a block that was not synced a power failure left garbage, or sectors of the old and the new.
    case tornBlock = "unsynced block torn"
    /// A later block reached the disk though an earlier one did not.
    case reordered = "writes reordered"
    case lostEntry = "folder entry lost"
    case flip = "bit flip"
    case replacedBody = "another body"
}

/// What a store is at when a fault hits it.
package enum StoragePhase: String, Sendable, Hashable, CaseIterable {
    case append, sync, checkpoint, compaction, recovery, copying, preparation, backup, restore
}

/// A fault that hit.
package struct StorageHit: Sendable, Hashable {
    package var fault: StorageFault
    package var phase: StoragePhase

    package init(_ fault: StorageFault, _ phase: StoragePhase) {
        self.fault = fault
        self.phase = phase
    }
}

extension StorageFault {
    init(_ call: StorageCall, errno number: Int32, stays: Bool) {
        if stays {
            self = .stop
        } else if number == noSpaceErrno {
            self = .noSpace
        } else {
            switch call {
            case .read: self = .readError
            case .write: self = .writeError
            case .sync, .syncDirectory: self = .syncError
            default: self = .otherError
            }
        }
    }
}

extension MemoryStorage {
    /// What the store on it is at, for counting which faults hit there.
    package var phase: StoragePhase {
        get { state.withLock(\.faults.phase) }
        set { state.withLock { $0.faults.phase = newValue } }
    }

    /// The faults that hit so far, with how often.
    package var hits: [StorageHit: Int] { state.withLock(\.faults.hits) }
}
