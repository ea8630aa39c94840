import Foundation
package import GodwitJournal

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A backup's archive as the folder that it was made of, for reading alone: a backup is checked as a store is, without being unpacked.
package final class ArchiveStorage: Storage {
    package let name: String
    /// What the archive says of itself.
    package let manifest: BackupManifest
    private let descriptor: FileHandle
    /// Where each file's bytes begin in the archive.
    private let places: [String: (offset: Int, file: BackupManifest.File)]

    /// Reads the archive through, and verifies all of its checksums.
    /// - Parameter progress: told of the bytes read so far.
    /// - Throws: ``BackupError``, or what reading the file threw.
    package init(_ path: String, progress: (_ bytes: Int) -> Void = { _ in }) throws {
        name = path
        descriptor = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        var reader = BackupReader(), manifest: BackupManifest?, done = 0
        while let piece = try descriptor.read(upToCount: 1 << 20), !piece.isEmpty {
            done += piece.count
            var input = [UInt8](piece)[...]
            while let event = try reader.next(&input) {
                if case .manifest(let found) = event { manifest = found }
            }
            progress(done)
        }
        try reader.finish()
        guard let manifest else { throw BackupError.incomplete }
        self.manifest = manifest
        var places: [String: (offset: Int, file: BackupManifest.File)] = [:]
        var offset = TarHeader.blockBytes + TarHeader.padded(manifest.encoded.count)
        for file in manifest.files {
            offset += TarHeader.blockBytes
            places[file.name] = (offset, file)
            offset += TarHeader.padded(file.bytes)
        }
        self.places = places
    }

    package func lock() throws(JournalError) {}
    package func unlock() {}
    package func list() throws(JournalError) -> [String] { Array(places.keys) }

    package func open(_ file: String) throws(JournalError) -> any StorageFile {
        guard let place = places[file] else { throw .io(call: .open, file: "\(name)/\(file)", errno: ENOENT) }
        return ArchivedFile(name: "\(name)/\(file)", handle: descriptor, start: place.offset, file: place.file)
    }

    package func create(_ file: String, size: Int) throws(JournalError) -> any StorageFile { throw refusal(.create, file) }
    package func rename(_ file: String, to new: String) throws(JournalError) { throw refusal(.rename, file) }
    package func delete(_ file: String) throws(JournalError) { throw refusal(.delete, file) }
    package func syncDirectory() throws(JournalError) { throw refusal(.syncDirectory, "") }

    private func refusal(_ call: StorageCall, _ file: String) -> JournalError { .io(call: call, file: "\(name)/\(file)", errno: EROFS) }
}

/// A file of an archive, as long as it is in a store: zeros follow what the archive holds of it.
private struct ArchivedFile: StorageFile {
    let name: String
    let handle: FileHandle
    let start: Int
    let file: BackupManifest.File

    func size() throws(JournalError) -> Int { file.capacity }

    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(JournalError) -> Int {
        let count = min(bytes.count, file.capacity - offset)
        guard count > 0 else { return 0 }
        guard offset < file.bytes else {
            UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]).initializeMemory(as: UInt8.self, repeating: 0)
            return count
        }
        let wanted = min(count, file.bytes - offset)
        while true {
            let got = pread(handle.fileDescriptor, bytes.baseAddress, wanted, off_t(start + offset))
            if got > 0 { return got }
            guard got < 0, errno == EINTR else { throw .io(call: .read, file: name, errno: got < 0 ? errno : EIO) }
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(JournalError) -> Int {
        throw .io(call: .write, file: name, errno: EROFS)
    }

    func syncData() throws(JournalError) { throw .io(call: .sync, file: name, errno: EROFS) }
    func resize(to size: Int) throws(JournalError) { throw .io(call: .write, file: name, errno: EROFS) }
}
