import GodwitJournal

/// Cuts a backup's archive into pieces, in order; where the bytes come from is somebody else's business.
///
/// The manifest, the store's files as far as they count, and the checksums of all of them, each as a file of a POSIX tar archive.
struct BackupWriter {
    /// The most bytes of one piece.
    static let pieceBytes = 256 << 10

    private let manifest: BackupManifest
    private let modified: Int64
    private let head: [UInt8]
    private var stage = Stage.head
    private var sums: [UInt32]
    private var sum: UInt32 = 0

    private enum Stage {
        case head
        case fileHeader(Int)
        case file(Int, offset: Int)
        case sums
        case done
    }

    /// - Parameter modified: the time that the archive's files bear, in seconds since 1970.
    init(_ manifest: BackupManifest, modified: Int64) {
        self.manifest = manifest
        self.modified = modified
        head = manifest.encoded
        sums = [head.withUnsafeBytes { crc32c($0) }]
    }

    /// The next piece; nil after the last.
    /// - Parameter read: gives `count` bytes of a file of the manifest, from `offset` on.
    mutating func next(
        read: (_ file: Int, _ offset: Int, _ count: Int) throws(JournalError) -> [UInt8]
    ) throws(JournalError) -> [UInt8]? {
        switch stage {
        case .head:
            stage = manifest.files.isEmpty ? .sums : .fileHeader(0)
            return whole(BackupManifest.name, head)
        case .fileHeader(let index):
            let file = manifest.files[index]
            stage = .file(index, offset: 0)
            sum = 0
            return header(file.name, file.bytes)
        case .file(let index, let offset):
            let size = manifest.files[index].bytes
            let count = min(Self.pieceBytes, size - offset)
            var piece = count > 0 ? try read(index, offset, count) : []
            sum = piece.withUnsafeBytes { crc32c($0, continuing: sum) }
            if offset + count < size {
                stage = .file(index, offset: offset + count)
            } else {
                sums.append(sum)
                piece += Self.padding(size)
                stage = index + 1 < manifest.files.count ? .fileHeader(index + 1) : .sums
                // a file without bytes has no piece of its own
                if piece.isEmpty { return try next(read: read) }
            }
            return piece
        case .sums:
            stage = .done
            return whole(BackupManifest.sumsName, BackupSums(sums: sums).encoded)
                + [UInt8](repeating: 0, count: 2 * TarHeader.blockBytes)
        case .done:
            return nil
        }
    }

    private func header(_ name: String, _ bytes: Int) -> [UInt8] {
        TarHeader(name: BackupManifest.folder + name, bytes: bytes, modified: modified).block
    }

    private func whole(_ name: String, _ content: [UInt8]) -> [UInt8] {
        header(name, content.count) + content + Self.padding(content.count)
    }

    private static func padding(_ bytes: Int) -> [UInt8] { [UInt8](repeating: 0, count: TarHeader.padded(bytes) - bytes) }
}

extension BackupManifest {
    /// The length of the whole archive.
    package var archiveBytes: Int {
        let contents = [encoded.count] + files.map(\.bytes) + [BackupSums.encodedBytes(files: files.count + 1)]
        return contents.reduce(2 * TarHeader.blockBytes) { $0 + TarHeader.blockBytes + TarHeader.padded($1) }
    }
}
