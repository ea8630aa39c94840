import Foundation
import GodwitCore
import GodwitJournal
import Testing

@testable import GodwitEngine

@Suite("A backup's archive")
struct BackupArchiveTests {
    private static let contents: [[UInt8]] = [
        Array("a checkpoint".utf8), [], [UInt8](repeating: 7, count: 512), (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) },
    ]

    private static func manifest(_ contents: [[UInt8]] = contents) -> BackupManifest {
        BackupManifest(
            store: "0123456789abcdef0123456789abcdef",
            created: Timestamp(milliseconds: 1_800_000_000_000),
            files: contents.enumerated().map { index, bytes in
                let name = index == 0 ? "checkpoint-0000000a" : "segment-0000000\(index)"
                return BackupManifest.File(name: name, bytes: bytes.count, capacity: bytes.count + 4_096)
            }
        )
    }

    private static func archive(_ manifest: BackupManifest = manifest(), _ contents: [[UInt8]] = contents) throws -> [UInt8] {
        var writer = BackupWriter(manifest, modified: 1_800_000_000)
        var archive: [UInt8] = []
        while let piece = try writer.next(read: { file, offset, count in Array(contents[file][offset..<offset + count]) }) {
            #expect(!piece.isEmpty && piece.count <= BackupWriter.pieceBytes + TarHeader.blockBytes)
            archive += piece
        }
        return archive
    }

    private struct Unpacked: Equatable {
        var manifest: BackupManifest?
        var files: [[UInt8]] = []
    }

    /// Reads an archive that comes in pieces of a size.
    private static func read(_ archive: [UInt8], piece: Int = .max) throws -> Unpacked {
        var reader = BackupReader(), unpacked = Unpacked(), hasEnded = false
        var rest = archive[...]
        while !rest.isEmpty {
            var input = rest.prefix(piece)
            rest = rest.dropFirst(piece)
            while let event = try reader.next(&input) {
                switch event {
                case .manifest(let manifest): unpacked.manifest = manifest
                case .file: unpacked.files.append([])
                case .bytes(let bytes): unpacked.files[unpacked.files.count - 1] += bytes
                case .fileEnd: break
                case .end: hasEnded = true
                }
            }
        }
        try reader.finish()
        #expect(hasEnded)
        return unpacked
    }

    @Test("what was written is read back, in whatever pieces it comes", arguments: [1, 3, 511, 512, 513, 4_096, .max])
    func roundTrip(piece: Int) throws {
        let archive = try Self.archive()
        #expect(archive.count == Self.manifest().archiveBytes)
        #expect(try Self.read(archive, piece: piece) == Unpacked(manifest: Self.manifest(), files: Self.contents))
        let empty = try Self.archive(Self.manifest([]), [])
        #expect(try Self.read(empty, piece: piece) == Unpacked(manifest: Self.manifest([])))
    }

    @Test("archives that an archiver padded to its records are read, and nothing else may follow the end")
    func padding() throws {
        let archive = try Self.archive()
        #expect(try Self.read(archive + [UInt8](repeating: 0, count: 8_192)).files == Self.contents)
        #expect(throws: BackupError.self) { try Self.read(archive + [0, 1]) }
    }

    @Test("an archive that ends anywhere before its end is not taken")
    func truncation() throws {
        let archive = try Self.archive()
        // One block of zeros is enough of an end: nothing but another one follows.
        let end = archive.count - TarHeader.blockBytes
        let lengths = Array(stride(from: 0, to: end, by: 509)) + [end - 513, end - 512, end - 1]
        for length in lengths {
            #expect(throws: BackupError.self, "\(length) of \(archive.count) bytes") { try Self.read(Array(archive[..<length])) }
        }
    }

    @Test("a bit that was flipped is found wherever it is")
    func flips() throws {
        let contents = [Array("a checkpoint".utf8), [UInt8](repeating: 9, count: 700)]
        let manifest = Self.manifest(contents)
        let archive = try Self.archive(manifest, contents)
        let sound = try Self.read(archive)
        for index in archive.indices {
            var flipped = archive
            flipped[index] ^= 1 << UInt8(index % 8)
            // What does not count for a file (its owner's name, say) may be anything; what is read must be what was written.
            if let read = try? Self.read(flipped) { #expect(read == sound, "byte \(index)") }
        }
    }

    @Test("what is no archive of ours is refused, and one of a newer version says so")
    func foreign() throws {
        for bytes in [[], Array("hello".utf8), [UInt8](repeating: 0, count: 10_240), [UInt8](repeating: 0xff, count: 1_024)] {
            #expect(throws: BackupError.self) { try Self.read(bytes) }
        }
        #expect(throws: BackupError.self) {
            try Self.read(TarHeader(name: "some/file", bytes: 3).block + [UInt8](repeating: 65, count: 512))
        }
        let newer = Array(#"{"format":2,"anything":[]}"#.utf8)
        let archive = TarHeader(name: "godwit-backup/backup.json", bytes: newer.count).block + newer
        #expect(throws: BackupError.newer("backup format 2")) { try Self.read(archive + [UInt8](repeating: 0, count: 512 - newer.count)) }
    }

    @Test(
        "an archive cannot choose where it is written",
        arguments: [
            "../segment-00000001", "lock", "segment-1", "segment-0000000G", "segment-ffffffff", "checkpoint-80000000", "/etc/passwd",
        ]
    )
    func names(name: String) {
        var manifest = Self.manifest()
        manifest.files[1].name = name
        #expect(throws: BackupError.self) { _ = try BackupManifest(decoding: manifest.encoded) }
        manifest.files[1].name = manifest.files[2].name
        #expect(throws: BackupError.self) { _ = try BackupManifest(decoding: manifest.encoded) }
        manifest = Self.manifest()
        manifest.files[0].capacity = manifest.files[0].bytes - 1
        #expect(throws: BackupError.self) { _ = try BackupManifest(decoding: manifest.encoded) }
    }

    @Test("sizes beyond what eleven octal digits say are read back", arguments: [0, 1, 8_589_934_591, 8_589_934_592, 1 << 40])
    func sizes(bytes: Int) throws {
        let header = TarHeader(name: "godwit-backup/checkpoint-00000001", bytes: bytes, modified: 1_800_000_000)
        #expect(try TarHeader(header.block[...]) == header)
    }
}
