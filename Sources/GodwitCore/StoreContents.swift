/// What a store is made of.
package struct StoreContents: Sendable {
    package struct Segment: Sendable {
        /// The file's name in the folder.
        package var file: String
        package var bytes: Int
        /// What its groups take, how many records they have, and whether recovery made it as a copy: nil while the store is in use, for
        /// nobody has counted then.
        package var usedBytes: Int?
        package var records: Int?
        package var isCopy: Bool?
        /// The records that something points to, and about how many bytes they take.
        package var liveRecords: Int
        package var liveBytes: Int

        package init(
            file: String,
            bytes: Int,
            usedBytes: Int? = nil,
            records: Int? = nil,
            isCopy: Bool? = nil,
            liveRecords: Int,
            liveBytes: Int
        ) {
            self.file = file
            self.bytes = bytes
            self.usedBytes = usedBytes
            self.records = records
            self.isCopy = isCopy
            self.liveRecords = liveRecords
            self.liveBytes = liveBytes
        }
    }

    package struct Checkpoint: Sendable {
        package var file: String
        package var bytes: Int
        package var isSound: Bool

        package init(file: String, bytes: Int, isSound: Bool) {
            self.file = file
            self.bytes = bytes
            self.isSound = isSound
        }
    }

    /// Its format level.
    package var level: Int
    package var segments: [Segment]
    package var checkpoints: [Checkpoint]
    /// Files ahead of need.
    package var spareBytes: Int
    /// Files in which recovery or a repair kept what it took out.
    package var keptFiles: [String]
    package var diskBytes: Int
    /// What the process that has it open takes of memory; nil where that is not known, and for a store that nobody has open.
    package var memoryBytes: Int?

    package var liveBytes: Int { segments.reduce(0) { $0 + $1.liveBytes } }

    package init(
        level: Int,
        segments: [Segment],
        checkpoints: [Checkpoint],
        spareBytes: Int,
        keptFiles: [String],
        diskBytes: Int,
        memoryBytes: Int? = nil
    ) {
        self.level = level
        self.segments = segments
        self.checkpoints = checkpoints
        self.spareBytes = spareBytes
        self.keptFiles = keptFiles
        self.diskBytes = diskBytes
        self.memoryBytes = memoryBytes
    }
}

/// A store that says what it is made of while it is in use.
package protocol Inspectable: Sendable {
    /// - Throws: `closed`, `storeFailed`.
    func contents() async throws(BrokerError) -> StoreContents
}
