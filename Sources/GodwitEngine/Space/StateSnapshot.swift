import GodwitCore
import GodwitJournal

/// The engine's state as it was at one moment, for another thread to write into a checkpoint while the engine goes on. Taking it copies no
/// job and no queue: pages of tables and parts of dictionaries are copied before they change, and queues are noted.
struct StateSnapshot: Sendable {
    let identity: StoreIdentity
    let level: FormatLevel
    let opening: (change: Opening, stamp: Stamp)?
    let stamp: Stamp
    let change: UInt64
    let removal: UInt64
    let nextSequence: UInt64
    let nextFencing: UInt64
    let reserved: UInt64
    let hasLosses: Bool
    let passedOver: Int

    let jobs: TableSnapshot<JobEntry>
    let finished: TableSnapshot<FinishedEntry>
    let extras: ShardedDictionary<UInt64, Extra>
    let endings: Endings
    let queues: QueueSnapshots
    let leases: LeaseSnapshot
    /// With the milliseconds that are left.
    let cancelRequests: [UInt64: Int64]
    let records: ShardedDictionary<RecordKey, EngineState.StoredRecord>
    let cleanings: [EngineState.Cleaning]
    let groups: GroupSnapshot
    let claims: TableSnapshot<ClaimTable.Key>
    let sessions: SessionTable
    let counters: ShardedDictionary<RecordKey, StoredCounter>
    let owed: OwedTable
}

extension EngineState {
    /// The state as it is now; one at a time, until ``endSnapshot()``.
    mutating func snapshot() -> StateSnapshot {
        StateSnapshot(
            identity: identity,
            level: level,
            opening: opening,
            stamp: stamp,
            change: change,
            removal: removal,
            nextSequence: nextSequence,
            nextFencing: nextFencing,
            reserved: reserved,
            hasLosses: hasLosses,
            passedOver: passedOver,
            jobs: jobs.snapshot(),
            finished: finished.snapshot(),
            extras: extras,
            endings: endings,
            queues: queues.snapshot(),
            leases: leases.snapshot,
            cancelRequests: cancelRequests.mapValues { $0 - leaseNow },
            records: records,
            cleanings: Array(cleanings),
            groups: groups.snapshot(),
            claims: claims.snapshot(),
            sessions: sessions,
            counters: counters,
            owed: owed
        )
    }

    /// Nobody reads the snapshot any more.
    mutating func endSnapshot() {
        queues.endSnapshot()
        jobs.endSnapshot()
        finished.endSnapshot()
        groups.endSnapshot()
        claims.endSnapshot()
    }
}
