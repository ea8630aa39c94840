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

    /// Whether the folder held no store and one was made.
    package var isNew = false
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
