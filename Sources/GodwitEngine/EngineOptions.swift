package import Logging

/// How an engine is opened.
package struct EngineOptions: Sendable {
    package var clock: any EngineClock = SystemClock()
    /// Whether publishing to and leasing from an unknown queue creates it; else both are refused as `queueNotFound`.
    package var createsQueues = true
    /// How many queues there may be: publishing to, leasing from and configuring one more is refused as `tooLarge`.
    package var maxQueues = 100_000
    /// Publishes are refused as busy while the process, or the store's folder, is larger than this; nil is no bound.
    package var maxMemoryBytes: Int?
    package var maxDiskBytes: Int?
    /// How much memory the process has in RAM; nil where that is not known.
    package var memoryInUse: @Sendable () -> Int? = ProcessMemory.resident
    /// Whether a wall clock that jumped by more than ``clockTolerance`` while the machine was off is believed: as long as it is not,
    /// no finished job and no idempotency key is dropped because of its age.
    package var acceptsClock = false
    package var clockTolerance: Duration = .seconds(7 * 86_400)
    /// The folder holds a backup's files, which are to become a store of their own: ids that were made after the backup never come again,
    /// and all leases end. Set by ``StoreRestoration`` alone.
    var restoresBackup = false
    /// Where all randomness comes from: the store's secret, incarnations, jitter.
    package var random: @Sendable () -> UInt64 = {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
    /// The size of a journal segment.
    package var segmentBytes = 64 << 20
    /// Of a store that is made; one that is there has its own.
    package var level = FormatLevel.newest
    package var logger = Logger(label: "godwit.engine")

    package init() {}
}
