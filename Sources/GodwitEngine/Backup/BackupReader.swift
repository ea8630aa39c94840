import Foundation
import GodwitJournal

/// Reads a backup's archive as it comes, and verifies it: every file in its place, every checksum, and the end.
///
/// A value apart from any I/O: bytes go in, what they mean comes out. It holds the manifest and less than a block beside it.
package struct BackupReader {
    package enum Event: Sendable {
        /// The archive's first file was read.
        case manifest(BackupManifest)
        /// A file of the store begins.
        case file(BackupManifest.File)
        /// Its next bytes.
        case bytes(ArraySlice<UInt8>)
        /// The file is whole, and its checksum will be compared at the end.
        case fileEnd
        /// All checksums are right: everything that was handed out is what was written.
        case end
    }

    private enum Stage {
        case header
        case content(left: Int)
        case padding(left: Int)
        case ended
    }

    private var stage = Stage.header
    private var buffer: [UInt8] = []
    /// The index of the file that is read: 0 is the manifest, the last one the checksums.
    private var index = 0
    private var manifest: BackupManifest?
    private var sums: [UInt32] = []
    private var sum: UInt32 = 0
    private var fileBytes = 0

    package init() {}

    /// Whether the archive was read to its end.
    package var isAtEnd: Bool { if case .ended = stage { true } else { false } }

    /// Takes bytes from `input` until they mean something; nil when all are taken.
    /// - Throws: ``BackupError``.
    package mutating func next(_ input: inout ArraySlice<UInt8>) throws(BackupError) -> Event? {
        while true {
            switch stage {
            case .header:
                guard let block = fill(TarHeader.blockBytes, from: &input) else { return nil }
                if let event = try begin(block) { return event }
            case .content(let left):
                if let event = try content(left: left, &input) { return event }
                if input.isEmpty, case .content(let rest) = stage, rest > 0 { return nil }
            case .padding(let left):
                guard left > 0 else {
                    stage = .header
                    continue
                }
                guard !input.isEmpty else { return nil }
                let piece = input.prefix(left)
                guard piece.allSatisfy({ $0 == 0 }) else { throw .damaged("bytes between its files are not what was written") }
                input = input.dropFirst(piece.count)
                stage = .padding(left: left - piece.count)
            case .ended:
                // archivers pad archives to whole records of zeros
                guard input.allSatisfy({ $0 == 0 }) else { throw .damaged("something follows its end") }
                input = []
                return nil
            }
        }
    }

    /// - Throws: ``BackupError/incomplete`` when the archive's end has not come.
    package func finish() throws(BackupError) {
        guard isAtEnd else { throw index == 0 && buffer.isEmpty ? .damaged("it is empty") : .incomplete }
    }

    /// Collects `count` bytes; nil while they are not there.
    private mutating func fill(_ count: Int, from input: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        let piece = input.prefix(count - buffer.count)
        buffer += piece
        input = input.dropFirst(piece.count)
        guard buffer.count == count else { return nil }
        defer { buffer = [] }
        return buffer[...]
    }

    private var lastIndex: Int { (manifest?.files.count ?? 0) + 1 }

    private mutating func begin(_ block: ArraySlice<UInt8>) throws(BackupError) -> Event? {
        guard let header = try TarHeader(block) else {
            guard manifest != nil, index > lastIndex else { throw index == 0 ? .damaged("it is empty") : .incomplete }
            stage = .ended
            return .end
        }
        sum = 0
        fileBytes = header.bytes
        stage = .content(left: header.bytes)
        let name: String
        switch index {
        case 0: name = BackupManifest.name
        case lastIndex: name = BackupManifest.sumsName
        case 1..<lastIndex: name = manifest?.files[index - 1].name ?? ""
        default: throw .damaged("more files follow its checksums")
        }
        guard header.name == BackupManifest.folder + name else {
            throw .damaged("\(BackupManifest.folder)\(name) does not come where it belongs")
        }
        guard let manifest, index < lastIndex else {
            guard header.bytes <= BackupManifest.largest else { throw .damaged("\(name) is too large") }
            return nil
        }
        let file = manifest.files[index - 1]
        guard header.bytes == file.bytes else { throw .damaged("\(name) is not as long as \(BackupManifest.name) says") }
        return .file(file)
    }

    private mutating func content(left: Int, _ input: inout ArraySlice<UInt8>) throws(BackupError) -> Event? {
        let piece = input.prefix(left)
        if !piece.isEmpty {
            input = input.dropFirst(piece.count)
            stage = .content(left: left - piece.count)
            let isWhole = manifest == nil || index == lastIndex
            if index < lastIndex || manifest == nil { sum = piece.withUnsafeBytes { crc32c($0, continuing: sum) } }
            guard isWhole else { return .bytes(piece) }
            buffer += piece
        }
        guard case .content(0) = stage else { return nil }
        stage = .padding(left: TarHeader.padded(fileBytes) - fileBytes)
        defer { index += 1 }
        guard manifest != nil else {
            let manifest = try BackupManifest(decoding: buffer)
            buffer = []
            sums.append(sum)
            self.manifest = manifest
            return .manifest(manifest)
        }
        guard index == lastIndex else {
            sums.append(sum)
            return .fileEnd
        }
        defer { buffer = [] }
        guard buffer == BackupSums(sums: sums).encoded else { throw wrongSums(buffer) }
        return nil
    }

    /// Names the first file whose bytes are not those that were written.
    private func wrongSums(_ bytes: [UInt8]) -> BackupError {
        struct Written: Codable { var crc32c: [String] }
        guard let written = try? JSONDecoder().decode(Written.self, from: Data(bytes)), written.crc32c.count == sums.count,
            let index = sums.indices.first(where: { UInt32(written.crc32c[$0], radix: 16) != sums[$0] })
        else { return .damaged("its checksums are not what was written") }
        let name = index == 0 ? BackupManifest.name : manifest?.files[index - 1].name ?? ""
        return .damaged("the bytes of \(name) are not those that were written")
    }
}
