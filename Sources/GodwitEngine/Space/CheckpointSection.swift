import GodwitJournal

/// The parts of a checkpoint, in the order in which they are written. Each is any number of chunks of whole items.
enum CheckpointSection: UInt8, CaseIterable {
    /// What there is one of, and how many items the other parts have.
    case store = 1
    case queues
    /// The idempotency keys of each queue, oldest first: of a store of level 0. Later ones have ``keyMarks``.
    case keys
    /// The finished jobs of each queue in the order in which their retention ends.
    case retention
    case endings
    case holders
    case leases
    case extras
    /// Small records: where their values are.
    case records
    /// Pages of unfinished jobs' entries, and of finished ones'.
    case jobs, finished
    /// Ordered groups, each with its members in order.
    case groups
    case claims
    case sessions
    case counters
    /// What follows ends and is not done yet.
    case owed
    /// The idempotency keys of each queue, oldest first, as they are in memory.
    case keyMarks

    /// The layout of a store of level 0. Each level has its own: so old readers refuse what they do not know.
    static let layout: UInt8 = 1
}

/// Gathers the items of a checkpoint's parts into chunks.
struct CheckpointChunks: ~Copyable {
    /// Where chunks go.
    private let append: (CheckpointSection, UnsafeRawBufferPointer) throws -> Void
    private var section = CheckpointSection.store
    private var writer = RecordWriter()
    private static let chunkBytes = 256 << 10

    init(append: @escaping (CheckpointSection, UnsafeRawBufferPointer) throws -> Void) { self.append = append }

    /// Adds an item. It is never divided: whatever grows without a bound is given as several.
    mutating func add(_ section: CheckpointSection, _ body: (inout RecordWriter) -> Void) throws {
        if section != self.section || writer.bytes.count >= Self.chunkBytes { try flush() }
        self.section = section
        let start = writer.bytes.count
        body(&writer)
        guard start > 0, writer.bytes.count > CheckpointWriter.maximumChunkBytes else { return }
        // A large one has a chunk of its own.
        try writer.bytes.withUnsafeBytes { bytes in
            try append(section, UnsafeRawBufferPointer(rebasing: bytes[..<start]))
            try append(section, UnsafeRawBufferPointer(rebasing: bytes[start...]))
        }
        writer.removeAll()
    }

    mutating func flush() throws {
        guard !writer.bytes.isEmpty else { return }
        try writer.bytes.withUnsafeBytes { try append(section, $0) }
        writer.removeAll()
    }
}
