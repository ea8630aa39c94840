package import GodwitCore
package import GodwitJournal

/// Makes a store of a backup's archive, in a folder of its own, out of the archive's bytes as they come.
///
/// From its first change of the folder on until the store is whole a file says that the restoration is not finished: such a folder is opened
/// by nobody, and restored into from the beginning. Blocking, and used by one thread at a time.
package final class StoreRestoration {
    /// Says that what lies in the folder is not a store yet.
    static let marker = "unfinished-restore.json"

    private let storage: any Storage
    private var reader = BackupReader()
    private var file: (any StorageFile)?
    private var offset = 0
    private var isLocked = true

    /// What the archive says of itself, once that was read.
    package private(set) var manifest: BackupManifest?

    /// Takes the folder, which must be new or empty, or hold what an unfinished restoration left: that is removed.
    /// - Throws: ``BrokerError``: `storeLocked`, `wrongState` when the folder holds anything else, `storeFailed`.
    package static func begin(in storage: any Storage) throws(BrokerError) -> StoreRestoration {
        do throws(JournalError) { try storage.lock() } catch { throw BrokerError(error) }
        // From here on the lock goes with it.
        let restoration = StoreRestoration(lockedIn: storage)
        let isClear: Bool
        do throws(JournalError) { isClear = try restoration.clear() } catch { throw BrokerError(error) }
        guard isClear else {
            throw BrokerError(.wrongState, "\(storage.name) is not empty: nothing is overwritten, restore into a new folder")
        }
        return restoration
    }

    private init(lockedIn storage: any Storage) { self.storage = storage }

    deinit {
        if isLocked { storage.unlock() }
    }

    /// Refuses a folder that is not a store, but will be one when a backup is restored to its end.
    /// - Throws: ``BrokerError`` (`restoreUnfinished`).
    package static func refuseUnfinished(in storage: any Storage) throws(BrokerError) {
        // A folder that is missing or cannot be read is for the opening to speak of.
        guard let names = try? storage.list() else { return }
        if names.contains(marker) {
            throw BrokerError(
                .restoreUnfinished,
                "\(storage.name) was being restored from a backup and is not whole: run `godwit restore ARCHIVE \(storage.name)` again"
            )
        }
        if names.contains(BackupManifest.name) {
            throw BrokerError(
                .restoreUnfinished,
                "\(storage.name) is an unpacked backup, not a store: make one of the archive with `godwit restore ARCHIVE DIR`"
            )
        }
    }

    /// Removes what an unfinished restoration left.
    /// - Returns: Whether the folder is empty but for its lock.
    private func clear() throws(JournalError) -> Bool {
        let names = try storage.list().filter { $0 != "lock" }
        guard names.contains(Self.marker) else { return names.isEmpty }
        // Nothing but a restoration makes files in a folder with this one, which is the last to go: only when no failure can bring the others
        // back, and not at all when one of them stays.
        for name in names where Self.isOwn(name) { try storage.delete(name) }
        try storage.syncDirectory()
        try storage.delete(Self.marker)
        try storage.syncDirectory()
        return names.allSatisfy { $0 == Self.marker || Self.isOwn($0) }
    }

    /// Whether a file of this name may be a restoration's, the opening at its end included.
    private static func isOwn(_ name: String) -> Bool {
        ["segment-", "checkpoint-", "spare-", "cut-", "draft-"].contains { name.hasPrefix($0) }
    }

    /// Takes the archive's next bytes.
    /// - Throws: ``BackupError``, ``BrokerError``; nothing may be added then.
    package func add(_ bytes: ArraySlice<UInt8>) throws {
        var input = bytes
        while let event = try reader.next(&input) {
            do {
                try take(event)
            } catch let error as JournalError {
                throw BrokerError(error)
            }
        }
    }

    private func take(_ event: BackupReader.Event) throws {
        switch event {
        case .manifest(let manifest):
            self.manifest = manifest
            try begin(manifest)
        case .file(let description):
            file = try storage.create(description.name, size: description.capacity)
            offset = 0
        case .bytes(let bytes):
            if let file { try bytes.withUnsafeBytes { try file.writeAll($0, at: offset) } }
            offset += bytes.count
        case .fileEnd:
            try file?.syncData()
            file = nil
        case .end:
            try storage.syncDirectory()
        }
    }

    private func begin(_ manifest: BackupManifest) throws {
        let content = manifest.encoded
        let file = try storage.create(Self.marker, size: content.count)
        try content.withUnsafeBytes { try file.writeAll($0, at: 0) }
        try file.syncData()
        try storage.syncDirectory()
    }

    /// - Throws: ``BackupError/incomplete`` when the archive's end has not come.
    package func checkEnd() throws(BackupError) { try reader.finish() }

    /// The archive has ended: makes a store of its files.
    /// - Returns: The store, opened; the folder is its from now on.
    /// - Throws: ``BackupError`` when the archive was not whole; ``BrokerError``: `storeCorrupt` when it was made of a damaged store.
    package func finish(options: EngineOptions = EngineOptions()) async throws -> Engine {
        let options = try release(options)
        return try await Engine.open(storage: storage, options: options)
    }

    /// The archive has ended: gives the folder back, for who opens it with these options.
    /// - Throws: ``BackupError`` when the archive was not whole.
    package func release(_ options: EngineOptions) throws(BackupError) -> EngineOptions {
        try reader.finish()
        var options = options
        options.restoresBackup = true
        storage.unlock()
        isLocked = false
        return options
    }

    /// The store is whole: from here on it is one.
    static func end(in storage: any Storage) throws(JournalError) {
        try storage.delete(marker)
        try storage.syncDirectory()
    }

    /// Removes what was written, after a failure, an opening's at the end included: the folder is empty again, or still refused.
    ///
    /// What has become a store, or is somebody else's by now, is left alone.
    package func abandon() {
        if !isLocked {
            guard (try? storage.lock()) != nil else { return }
            isLocked = true
        }
        _ = try? clear()
    }
}
