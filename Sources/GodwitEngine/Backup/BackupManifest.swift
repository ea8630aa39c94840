import Foundation
package import GodwitCore
import GodwitJournal

/// What a backup says of itself, in its first file: which store it is of, and which files follow.
package struct BackupManifest: Codable, Sendable, Equatable {
    package struct File: Codable, Sendable, Equatable {
        package var name: String
        /// The bytes that the archive holds; in the store zeros follow up to `capacity`.
        package var bytes: Int
        /// The file's length in a store.
        package var capacity: Int
    }

    /// The version of the archive's layout.
    static let format = 1
    /// The most bytes that a manifest may have: a store of 10 TB has 150,000 files, of which each takes 70 bytes.
    static let largest = 64 << 20
    /// The manifest's own name. A folder with a file of this name holds a backup that is not restored, and is not opened as a store.
    package static let name = "backup.json"
    /// The archive's last file: its checksums.
    static let sumsName = "backup-sums.json"
    /// The folder that all files of an archive lie in.
    static let folder = "godwit-backup/"

    package var format = Self.format
    /// The store's random name, in hexadecimal digits.
    package var store: String
    /// When everything that was confirmed by then is in the backup: RFC 3339.
    package var created: String
    package var files: [File]

    package init(store: String, created: Timestamp, files: [File]) {
        self.store = store
        self.created = created.description
        self.files = files
    }

    var encoded: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // numbers and text alone: there is nothing that cannot be encoded
        let data = (try? encoder.encode(self)) ?? Data()
        return Array(data) + [0x0a]
    }

    /// - Throws: ``BackupError``
    init(decoding bytes: [UInt8]) throws(BackupError) {
        struct Version: Codable { var format: Int }
        guard let version = try? JSONDecoder().decode(Version.self, from: Data(bytes)) else {
            throw .damaged("\(Self.name) is not what was written")
        }
        guard version.format == Self.format else { throw .newer("backup format \(version.format)") }
        guard let manifest = try? JSONDecoder().decode(BackupManifest.self, from: Data(bytes)),
            manifest.files.allSatisfy({ (0...$0.capacity).contains($0.bytes) })
        else { throw .damaged("\(Self.name) is not what was written") }
        self = manifest
        for file in files where !Self.isStoreFile(file.name) { throw .damaged("it names a file \(file.name.prefix(40)) that no store has") }
        guard Set(files.map(\.name)).count == files.count else { throw .damaged("it names a file twice") }
    }

    /// Whether a file of this name may be written into a store's folder: nothing from outside chooses paths.
    static func isStoreFile(_ name: String) -> Bool {
        switch FileName.parse(name) {
        // The store that is made of it needs numbers, too.
        case .segment(let number), .checkpoint(let number): number <= FileName.lastNumber / 2
        default: false
        }
    }
}

/// The last file of an archive: the CRC32C of every file before it, in their order. Its presence says that the archive is whole.
struct BackupSums: Equatable {
    var sums: [UInt32]

    /// As long for given files, whatever the sums are: an archive's length is known before it is read.
    var encoded: [UInt8] {
        let sums = sums.map { sum in
            let digits = String(sum, radix: 16)
            return "\"" + String(repeating: "0", count: 8 - digits.utf8.count) + digits + "\""
        }
        return Array("{\"crc32c\":[\(sums.joined(separator: ","))]}\n".utf8)
    }

    static func encodedBytes(files: Int) -> Int { BackupSums(sums: Array(repeating: 0, count: files)).encoded.count }
}

/// Why an archive cannot be taken for a backup. Each description says what to do next.
package enum BackupError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The archive is no backup, or not what was written.
    case damaged(String)
    /// The archive ends before its end.
    case incomplete
    /// A newer version of Godwit made it.
    case newer(String)

    package var description: String {
        switch self {
        case .damaged(let what): "the archive is damaged, or no backup of Godwit's: \(what). Use another backup"
        case .incomplete: "the archive ends too early: the backup was cut short. Use another backup"
        case .newer(let what): "a newer version of Godwit made this archive (\(what)): use that version"
        }
    }
}
