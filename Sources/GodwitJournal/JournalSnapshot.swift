/// The store's files as they are at one moment, for a backup: they stay so as long as this lives.
package struct JournalSnapshot: Sendable {
    package struct File: Sendable {
        /// Its name in the folder.
        package var name: String
        /// How many of its bytes count, from the beginning on.
        package var bytes: Int
        /// Its length.
        package var capacity: Int

        let storage: any Storage
        /// Open from the beginning where the name may go while the file is read.
        var file: (any StorageFile)?

        /// Opens the file. A store may have thousands of them, and a process few descriptors: one at a time.
        package func open() throws(JournalError) -> any StorageFile {
            if let file { return file }
            return try storage.open(name)
        }
    }

    /// The store's random name.
    package var store: StoreID
    /// What messages call the folder.
    package var folder: String
    /// The newest checkpoint, if there is one, then the segments, in order.
    package var files: [File]
    private let pin: JournalPin

    fileprivate init(store: StoreID, folder: String, files: [File], pin: JournalPin) {
        self.store = store
        self.folder = folder
        self.files = files
        self.pin = pin
    }
}

extension Journal {
    /// All that a recovery needs to find everything that was written so far; what lies in the group in memory is not in it.
    ///
    /// The files may hold more than is synced: nothing of them may leave before all that is written is.
    /// - Throws: ``JournalError/noSpace`` without a descriptor; what opening the newest checkpoint threw. The journal is as it was.
    package func snapshot() throws(JournalError) -> JournalSnapshot {
        // from here on no checkpoint's file is used again
        let pin = pin()
        var files: [JournalSnapshot.File] = []
        if let newest = checkpoints.last {
            let name = FileName.checkpoint(newest.header.number)
            let file: any StorageFile
            do { file = try storage.open(name) } catch { throw .creating(error) }
            files.append(.init(name: name, bytes: newest.bytes, capacity: newest.bytes, storage: storage, file: file))
        }
        for space in inUse {
            let bytes = space.number == segment.number ? position : space.capacity
            files.append(.init(name: FileName.segment(space.number), bytes: bytes, capacity: space.capacity, storage: storage))
        }
        return JournalSnapshot(store: storeID, folder: storage.name, files: files, pin: pin)
    }
}
