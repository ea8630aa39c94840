/// What one seed does: shrinking a failing one takes things away from it.
package struct SimulationPlan: Sendable, Hashable {
    /// A kind of trouble that can be left out.
    package enum Trouble: String, Sendable, Hashable, CaseIterable {
        /// Calls of the storage that fail.
        case errors
        /// Reads and writes that move less than they were asked to.
        case short
        /// A full disk.
        case full
        /// SIGKILL.
        case kills
        /// Power failures.
        case power
        /// Bits that flip while the store is closed.
        case flips
        /// Clocks that stall, leap or are set.
        case clocks
        /// Openings that are cut off.
        case openings
    }

    package var seed: UInt64
    package var operations: Int
    package var troubles: Set<Trouble>
    /// The mistake that the storage makes, to show that it is found.
    package var mistake: StorageMistake?

    package init(
        seed: UInt64,
        operations: Int = 500,
        troubles: Set<Trouble> = Set(Trouble.allCases),
        mistake: StorageMistake? = nil
    ) {
        self.seed = seed
        self.operations = operations
        self.troubles = troubles
        self.mistake = mistake
    }
}

/// A storage that does not keep its promise.
package enum StorageMistake: String, Sendable, Hashable, CaseIterable {
    /// Syncs succeed and do nothing.
    case syncSkipped = "sync-skipped"
    /// Syncs of the folder succeed and do nothing.
    case folderSyncSkipped = "folder-sync-skipped"
}
