/// What a broker gives, said when it is opened, so that nobody above has to guess.
package struct Capabilities: Sendable, Hashable {
    /// Where a confirmed change is.
    package enum Durability: Sendable, Hashable {
        case memory, disk, quorum
        case replicas(Int)
    }

    /// What a failover can lose of what was confirmed.
    package enum FailoverLoses: Sendable, Hashable { case none, unreplicated }

    /// In which order jobs of one priority are delivered.
    package enum Order: Sendable, Hashable { case strict, perPartition, bestEffort }

    package var durability: Durability
    package var failoverLoses: FailoverLoses
    /// Whether one transaction can change several queues atomically.
    package var atomicAcrossQueues: Bool
    /// Whether a read may show what is not durable yet.
    package var readsUnsynced: Bool
    /// Whether ``Delivery/fencingNumber`` is given and grows.
    package var monotonicFencing: Bool
    /// How many priorities are told apart.
    package var priorityLevels: Int
    package var order: Order
    /// How exact delays are.
    package var delayResolution: Duration
    /// Whether bounds hold exactly, or only about.
    package var exactBounds: Bool
    /// Whether several processes can open the same store at a time.
    package var sharedByProcesses: Bool

    package init(
        durability: Durability,
        failoverLoses: FailoverLoses,
        atomicAcrossQueues: Bool,
        readsUnsynced: Bool,
        monotonicFencing: Bool,
        priorityLevels: Int,
        order: Order,
        delayResolution: Duration,
        exactBounds: Bool,
        sharedByProcesses: Bool
    ) {
        self.durability = durability
        self.failoverLoses = failoverLoses
        self.atomicAcrossQueues = atomicAcrossQueues
        self.readsUnsynced = readsUnsynced
        self.monotonicFencing = monotonicFencing
        self.priorityLevels = priorityLevels
        self.order = order
        self.delayResolution = delayResolution
        self.exactBounds = exactBounds
        self.sharedByProcesses = sharedByProcesses
    }
}
