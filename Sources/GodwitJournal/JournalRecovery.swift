/// What opening a journal found and did, for the caller to log.
package struct JournalRecovery: Sendable, Hashable {
    /// Bytes that were never confirmed and did not continue the chain.
    package struct Cut: Sendable, Hashable {
        /// The segment file they were found in.
        package var file: String
        /// Where they begin.
        package var offset: UInt64
        /// How many there were.
        package var bytes: Int
        /// The file beside the segments that keeps them.
        package var keptAs: String
    }

    /// A checkpoint that could not be used.
    package struct DamagedCheckpoint: Sendable, Hashable {
        /// The file as it was called.
        package var file: String
        /// What is wrong with it.
        package var error: JournalError
        /// What it is called now; as before when it could not be read at all, which may pass.
        package var keptAs: String
    }

    /// Whether the folder held no store and one was made.
    package var isNew = false
    /// The file of the checkpoint that was restored; nil when everything was replayed.
    package var checkpoint: String?
    /// Checkpoints that were not whole: an older one, or all of the journal, was used instead.
    package var damagedCheckpoints: [DamagedCheckpoint] = []
    /// Records replayed.
    package var records: UInt64 = 0
    /// Groups replayed.
    package var groups: UInt64 = 0
    /// Groups that were readable but not known to be synced, and were copied.
    package var copiedGroups = 0
    /// The file that they were copied to; also set when an empty copy marks where a cut segment ends.
    package var copiedTo: String?
    /// What was cut, and where it was kept.
    package var cuts: [Cut] = []
}
