import Foundation
import GodwitCore
import GodwitEngine
import GodwitJournal

/// A closed store's folder, or a backup's archive, to be looked through.
struct StoreFiles {
    let path: String
    let storage: any Storage
    /// What the archive says of itself; nil for a folder.
    let manifest: BackupManifest?

    /// - Throws: ``CommandFailure``: `unreachable` when there is nothing to be looked through, `damaged` when an archive is not sound.
    init(_ argument: String, archivesToo: Bool = true) throws {
        let path = Folder.absolutePath(argument)
        self.path = path
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw CommandFailure.unreachable("there is no \(path): name the folder that `godwit serve --data` was given")
        }
        guard !isFolder.boolValue else {
            let storage = FileStorage(path, isReadOnly: true)
            try StoreRestoration.refuseUnfinished(in: storage)
            self.storage = storage
            manifest = nil
            return
        }
        guard archivesToo else { throw CommandFailure.usage("\(path) is a file: name a store's folder") }
        do {
            let archive = try ArchiveStorage(path) { done in
                if done % (16 << 20) == 0 { Output.progress("read \(ByteText.text(done))") }
            }
            storage = archive
            manifest = archive.manifest
        } catch let error as BackupError {
            throw CommandFailure.damaged("\(path): \(error)")
        } catch {
            throw CommandFailure.unreachable("cannot read \(path): \(error.localizedDescription)")
        }
    }

    /// Looks through all of it; nothing is changed.
    /// - Throws: ``CommandFailure`` (`unreachable`) when there is no store to be looked through; ``BrokerError`` (`storeNewer`) when a newer
    ///   version wrote it.
    func examine() throws -> StoreExamination {
        let examination = try StoreExamination(of: storage)
        guard !examination.isEmpty else { throw CommandFailure.noStore(path) }
        return examination
    }
}

extension CommandFailure {
    static func noStore(_ folder: String) -> CommandFailure {
        .unreachable("\(folder) holds no store: name the folder that `godwit serve --data` was given")
    }
}
