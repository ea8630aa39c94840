extension Journal {
    /// The files of a journal that is open.
    package struct Inventory: Sendable {
        package var segments: [(number: UInt32, file: String, bytes: Int)]
        package var checkpoints: [(file: String, bytes: Int)]
        /// Segments ahead of need, those that are about to be, and room for a checkpoint.
        package var spareBytes: Int
        package var diskBytes: Int
        /// Files in which recovery or a repair kept what it took out.
        package var keptFiles: [String]
    }

    /// What it is made of now. It lists the folder.
    package func inventory() -> Inventory {
        let segments = inUse.map { (number: $0.number, file: FileName.segment($0.number), bytes: $0.capacity) }
        let checkpoints = checkpoints.map { (file: FileName.checkpoint($0.header.number), bytes: $0.size) }
        let used = segments.reduce(0) { $0 + $1.bytes } + checkpoints.reduce(0) { $0 + $1.bytes }
        // A folder that cannot be listed says nothing of what was kept, and the store goes on.
        let names = (try? storage.list()) ?? []
        return Inventory(
            segments: segments,
            checkpoints: checkpoints,
            spareBytes: diskBytes - used,
            diskBytes: diskBytes,
            keptFiles: names.filter { FileName.isKept($0) }.sorted()
        )
    }
}
