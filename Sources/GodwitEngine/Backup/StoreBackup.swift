package import GodwitCore
package import GodwitJournal
import Synchronization

/// A backup that is being read: the store's files as they counted at one moment, as a POSIX tar archive.
package final class StoreBackup: StoreArchive {
    package let byteCount: Int
    package let fileName: String

    private let source: BackupSource
    /// Reading blocks: never on a thread of the cooperative pool.
    private let thread = WorkThread(name: "godwit-backup")

    init(_ moment: JournalSnapshot, created: Timestamp, permit: Permits.Permit) {
        source = BackupSource(moment, created: created, permit: permit)
        byteCount = source.byteCount
        let time = created.description.prefix(19).filter { $0 != "-" && $0 != ":" }
        fileName = "godwit-\(time)Z.tar"
    }

    deinit { thread.stop() }

    package func next() async throws(BrokerError) -> Bytes? {
        let piece: Result<[UInt8]?, JournalError> = await withCheckedContinuation { continuation in
            // Without this object: it waits for the thread when it goes, and must not go on it.
            thread.run { [source] in continuation.resume(returning: source.next()) }
        }
        do throws(JournalError) {
            return try piece.get().map { Bytes($0) }
        } catch {
            throw BrokerError(error)
        }
    }
}

/// Where a backup's bytes come from: blocking, for one thread at a time.
package final class BackupSource: Sendable {
    private struct State {
        var writer: BackupWriter
        /// The file that is being read.
        var open: (index: Int, file: any StorageFile)?
    }

    private let moment: JournalSnapshot
    private let state: Mutex<State>
    private let permit: Permits.Permit?
    let byteCount: Int

    package convenience init(_ moment: JournalSnapshot, created: Timestamp) { self.init(moment, created: created, permit: nil) }

    init(_ moment: JournalSnapshot, created: Timestamp, permit: Permits.Permit?) {
        let manifest = BackupManifest(
            store: moment.store.description,
            created: created,
            files: moment.files.map { BackupManifest.File(name: $0.name, bytes: $0.bytes, capacity: $0.capacity) }
        )
        self.moment = moment
        state = Mutex(State(writer: BackupWriter(manifest, modified: created.milliseconds / 1_000)))
        byteCount = manifest.archiveBytes
        self.permit = permit
    }

    /// The archive's next bytes; nil at its end.
    package func next() -> Result<[UInt8]?, JournalError> {
        state.withLock { state in
            do throws(JournalError) {
                var open = state.open
                defer { state.open = open }
                return .success(
                    try state.writer.next { (index, offset, count) throws(JournalError) in
                        if open?.index != index { open = (index, try moment.files[index].open()) }
                        guard let file = open?.file else { return [] }
                        return try read(file, moment.files[index].name, offset, count)
                    }
                )
            } catch {
                return .failure(error)
            }
        }
    }

    private func read(_ file: any StorageFile, _ name: String, _ offset: Int, _ count: Int) throws(JournalError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var read = 0
        var failure: JournalError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(JournalError) { read = try file.readAll(into: buffer, at: offset) } catch { failure = error }
        }
        if let failure { throw failure }
        guard read == count else {
            throw .corrupt(
                file: "\(moment.folder)/\(name)",
                offset: UInt64(offset + read),
                what: "the file is shorter than it was when the store was opened"
            )
        }
        return bytes
    }
}

/// A number of things that may go on at a time.
final class Permits: Sendable {
    private let left: Mutex<Int>

    init(_ count: Int) { left = Mutex(count) }

    /// One of the things, as long as this is held on to.
    final class Permit: Sendable {
        private let permits: Permits
        fileprivate init(_ permits: Permits) { self.permits = permits }
        deinit { permits.left.withLock { $0 += 1 } }
    }

    /// Nil when as many go on as may.
    func take() -> Permit? {
        left.withLock { left in
            guard left > 0 else { return false }
            left -= 1
            return true
        } ? Permit(self) : nil
    }
}

extension Engine: Archivable {
    /// How many backups may be read at a time: each keeps the disk busy, and space from coming back.
    static let backupsAtOnce = 4

    package func archive() async throws(BrokerError) -> any StoreArchive {
        guard let permit = backups.take() else {
            throw .busy("\(Self.backupsAtOnce) backups are being read: let one of them end first", retryAfter: .seconds(30))
        }
        guard case .backup(let moment) = try await ask(.backup) else { throw Self.mixedUp }
        return StoreBackup(moment, created: Timestamp(milliseconds: clock.now().wall), permit: permit)
    }
}
