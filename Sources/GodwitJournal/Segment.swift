/// A segment in use: its file, and what its checksums start from.
struct Segment: Sendable {
    var number: UInt32
    var file: any StorageFile
    var generation: UInt64
    var seed: HeaderSeed
    var capacity: Int
    /// See ``PreparedSegment/writtenBytes``; where that is not known, 0.
    var writtenBytes = 0

    init(header: SegmentHeader, file: any StorageFile) {
        number = header.number
        self.file = file
        generation = header.generation
        seed = header.seed
        capacity = Int(header.capacity)
    }

    init(_ ready: ReadySegment) {
        self.init(header: ready.header, file: ready.file)
        writtenBytes = ready.writtenBytes
    }

    var name: String { FileName.segment(number) }
}
