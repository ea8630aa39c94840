import Foundation

/// An append-only file of JSON lines that survives the end of its process at any moment.
///
/// A line is one write and one sync, and the next line begins only when the sync is done. So only the last line can be torn, by SIGKILL or
/// by a power failure, and a torn line is one that nobody was told is there: it is cut off. A line before the last one that cannot be read
/// is damage, and the file is left as it is.
struct LineFile: Sendable {
    /// What keeps the file from being used.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private let path: String
    private let handle: FileHandle

    /// Opens a file or makes it, and gives all its lines to `replay`, in order.
    /// - Throws: ``Failure`` for damage, and the errors of the file system.
    init<Line: Decodable>(path: String, replay: (Line) throws -> Void) throws {
        self.path = path
        if !FileManager.default.fileExists(atPath: path) {
            guard FileManager.default.createFile(atPath: path, contents: nil) else {
                throw Failure(description: "cannot create \(path): choose a folder that can be written to")
            }
            // The file's name must last as long as what is in it.
            try FileHandle(forReadingFrom: URL(fileURLWithPath: path).deletingLastPathComponent()).synchronize()
        }
        handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        let content = try handle.readToEnd() ?? Data()
        let decoder = JSONDecoder()
        var start = content.startIndex
        while start < content.endIndex {
            let newline = content[start...].firstIndex(of: UInt8(ascii: "\n"))
            let end = newline.map { $0 + 1 } ?? content.endIndex
            guard newline != nil, let line = try? decoder.decode(Line.self, from: content[start..<end]) else {
                guard end == content.endIndex else {
                    throw Failure(
                        description: "\(path) is damaged at byte \(start): put a good copy in its place, or move it away to start anew"
                    )
                }
                try handle.truncate(atOffset: UInt64(start))
                break
            }
            do {
                try replay(line)
            } catch {
                throw Failure(description: "\(path) is damaged at byte \(start): \(error)")
            }
            start = end
        }
        try handle.seekToEnd()
    }

    /// Writes a line and waits until it is on disk. It blocks; after an error no more may be appended, for nobody knows what is there.
    func append(_ line: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var bytes = try encoder.encode(line)
        bytes.append(UInt8(ascii: "\n"))
        try handle.write(contentsOf: bytes)
        #if canImport(Darwin)
        // There fsync leaves the bytes in the drive's cache.
        guard fcntl(handle.fileDescriptor, F_FULLFSYNC) == 0 else { throw Failure(description: "\(path) could not be synced") }
        #else
        try handle.synchronize()
        #endif
    }
}
