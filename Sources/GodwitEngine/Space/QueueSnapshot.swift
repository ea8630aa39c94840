import GodwitCore

/// What a checkpoint says of a queue. Its lines are made anew of its jobs: a snapshot that held them would have them copied when they change.
struct QueueSnapshot: Sendable {
    let name: QueueName
    let settings: QueueSettings
    let settingsChange: UInt64
    let change: UInt64
    let isPaused: Bool
    let isDeleted: Bool
    let counts: QueueStatus.Counts
    let bytes: Int
    let waitingBytes: Int
    let purge: UInt64
    let purges: [QueueState.Purge]
    let cleanings: Int
    let succeeded: FinishedJobs
    let failed: FinishedJobs
    let keys: KeyLine
    let keyTexts: [KeyMark: DedupWindow.Text]

    init(_ queue: borrowing QueueState) {
        name = queue.name
        settings = queue.settings
        settingsChange = queue.settingsChange
        change = queue.change
        isPaused = queue.isPaused
        isDeleted = queue.isDeleted
        counts = queue.counts
        bytes = queue.bytes
        waitingBytes = queue.waitingBytes
        purge = queue.purge
        purges = queue.purges
        cleanings = queue.cleanings
        succeeded = queue.succeeded
        failed = queue.failed
        keys = queue.keys.line
        keyTexts = queue.keys.texts
    }
}
