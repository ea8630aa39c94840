import GodwitCore
import GodwitEngine

/// How an engine in this process is opened by ``JobClient/open(_:token:remote:embedded:logger:)``: what `godwit serve` has options for.
public struct EmbeddedOptions: Sendable, Hashable {
    /// Whether enqueueing to, and leasing from, a queue that is not there makes it; else both throw `queueNotFound`.
    public var createsQueues = true
    /// How many queues there may be: one more throws `tooLarge`.
    public var maxQueues = 100_000
    /// Bytes that the store's folder may have: over that enqueueing throws `busy`, and workers go on. Nil: any.
    public var maxDiskBytes: Int?
    /// Bytes of memory that this process may have: over that enqueueing throws `busy`, and workers go on. Nil: any.
    public var maxMemoryBytes: Int?
    /// Whether a wall clock that jumped by more than a week while the machine was off is believed. Until it is no finished job and no idempotency
    /// key is dropped because of its age; the log says so. Look at the clock first, and set this for one opening.
    public var acceptsClock = false

    /// What suits most programs: change what does not.
    public init() {}

    /// - Throws: ``BrokerError`` (`invalidArgument`) names the option that is out of its range.
    func engineOptions() throws(BrokerError) -> EngineOptions {
        guard maxQueues >= 1 else { throw .invalidArgument("maxQueues", "maxQueues must be at least 1") }
        for (name, bytes) in [("maxDiskBytes", maxDiskBytes), ("maxMemoryBytes", maxMemoryBytes)] {
            if let bytes, bytes < 1 { throw .invalidArgument(name, "\(name) must be at least 1, or nil for any") }
        }
        var options = EngineOptions()
        options.createsQueues = createsQueues
        options.maxQueues = maxQueues
        options.maxDiskBytes = maxDiskBytes
        options.maxMemoryBytes = maxMemoryBytes
        options.acceptsClock = acceptsClock
        return options
    }
}
