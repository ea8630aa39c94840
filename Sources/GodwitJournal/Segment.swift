import Synchronization

/// A segment in use: its file, and what its checksums start from.
struct Segment: Sendable {
    var number: UInt32
    var file: any StorageFile
    var generation: UInt64
    var seed: HeaderSeed
    var capacity: Int

    init(header: SegmentHeader, file: any StorageFile) {
        number = header.number
        self.file = file
        generation = header.generation
        seed = header.seed
        capacity = Int(header.capacity)
    }

    var name: String { FileName.segment(number) }
}

/// The segments that records may lie in, shared by the journal's writer, which adds them, and its readers.
final class SegmentTable: Sendable {
    /// The folder's name, for messages.
    let folder: String
    private let segments = Mutex<[UInt32: Segment]>([:])

    init(folder: String) { self.folder = folder }

    func add(_ segment: Segment) {
        segments.withLock { $0[segment.number] = segment }
    }

    func remove(_ number: UInt32) {
        segments.withLock { $0[number] = nil }
    }

    subscript(number: UInt32) -> Segment? {
        segments.withLock { $0[number] }
    }
}
