import Synchronization

/// Writes a checkpoint into its file, on any one thread: ``append(_:_:)`` chunk by chunk, then ``finish()``; then the journal's owner hands
/// it to ``Journal/endCheckpoint(_:failure:)``. Memory is bounded and the file is synced piecemeal, so that a sync of the journal never
/// waits for the whole of it.
package final class CheckpointWriter: Sendable {
    let header: CheckpointHeader
    /// The number of the last group that the checkpoint stands for.
    let group: UInt64
    /// The file, before it is given its name.
    let name: String
    private let storage: any Storage
    /// How long the file should be, if the disk has that much.
    private let room: Int
    private let state: Mutex<State>

    private struct State: ~Copyable {
        var file: (any StorageFile)?
        /// Whether the file is there: at first with an earlier life's content.
        var isThere: Bool
        /// What is not written yet.
        var buffer: [UInt8] = []
        /// Where the buffer will lie.
        var offset = 0
        var unsynced = 0
        var checksum: UInt32 = 0
        var chunks: UInt64 = 0
        var bytes: UInt64 = 0
        var isFinished = false
        /// The file's length.
        var size = 0
        var failure: JournalError?
    }

    private static let piece = 1 << 20
    private static let syncedBytes = 8 << 20

    init(_ storage: any Storage, _ header: CheckpointHeader, group: UInt64, name: String, room: Int, isThere: Bool) {
        self.room = room
        self.storage = storage
        self.header = header
        self.group = group
        self.name = name
        state = Mutex(State(isThere: isThere))
    }

    /// The most bytes that one chunk may have.
    package static var maximumChunkBytes: Int { ChunkHeader.maximumBytes }

    /// Whether there is a file.
    var isThere: Bool { state.withLock { $0.isThere } }

    /// The file's length, and how much of it is taken, when it is finished; nil before.
    var finished: (size: Int, bytes: Int)? { state.withLock { $0.isFinished ? ($0.size, $0.offset) : nil } }

    /// Appends a chunk, which comes back as it is at opening: `restore` gets the chunks in this order.
    ///
    /// - Parameters:
    ///   - section: what the chunk belongs to, said by the caller.
    ///   - bytes: at most ``maximumChunkBytes``.
    /// - Throws: what the storage threw, or ``JournalError/tooLarge(bytes:limit:)``, from then on each time: the checkpoint has failed, which
    ///   harms nothing.
    package func append(_ section: UInt8, _ bytes: UnsafeRawBufferPointer) throws(JournalError) {
        try perform { state throws(JournalError) in
            guard bytes.count <= ChunkHeader.maximumBytes else {
                throw .tooLarge(bytes: bytes.count, limit: ChunkHeader.maximumBytes)
            }
            precondition(!state.isFinished, "the checkpoint is finished")
            try begin(&state)
            Self.add(ChunkHeader(section: section, flags: 0, body: bytes), bytes, to: &state)
            state.chunks += 1
            state.bytes += UInt64(bytes.count)
            if state.buffer.count >= Self.piece { try flush(&state) }
        }
    }

    /// Writes the end, and returns when all of it is on disk.
    ///
    /// - Throws: as ``append(_:_:)``.
    package func finish() throws(JournalError) {
        try perform { state throws(JournalError) in
            precondition(!state.isFinished, "the checkpoint is finished")
            try begin(&state)
            var end = (state.chunks.littleEndian, state.bytes.littleEndian)
            withUnsafeBytes(of: &end) {
                Self.add(ChunkHeader(section: 0, flags: ChunkHeader.endFlag, body: $0), $0, to: &state)
            }
            state.buffer.append(contentsOf: repeatElement(0, count: Block.roundUp(state.buffer.count) - state.buffer.count))
            try flush(&state)
            guard let file = state.file else { return }
            state.size = try file.size()
            // a little room is kept in it, for a later checkpoint will be written over it, on a full disk perhaps
            let enough = CheckpointRoom.after(state.offset)
            if CheckpointRoom.isTooMuch(state.size, after: state.offset) {
                try file.resize(to: enough)
                state.size = enough
            }
            try file.syncData()
            state.isFinished = true
            state.file = nil
            state.buffer = []
        }
    }

    private func perform(_ body: (inout sending State) throws(JournalError) -> Void) throws(JournalError) {
        try state.withLock { state throws(JournalError) in
            if let failure = state.failure { throw failure }
            do throws(JournalError) {
                try body(&state)
            } catch {
                state.failure = .creating(error)
                state.file = nil
                state.buffer = []
                throw .creating(error)
            }
        }
    }

    private func begin(_ state: inout State) throws(JournalError) {
        guard state.file == nil else { return }
        state.file = state.isThere ? try storage.open(name) : try storage.create(name, size: 0)
        state.isThere = true
        // without that much room it is written as far as it goes
        if let file = state.file, try file.size() < room { try? file.resize(to: room) }
        state.buffer = [UInt8](repeating: 0, count: Block.size)
        state.buffer.reserveCapacity(Self.piece + ChunkHeader.size)
        state.checksum = state.buffer.withUnsafeMutableBytes { header.write(to: $0) }
    }

    private static func add(_ chunk: ChunkHeader, _ bytes: UnsafeRawBufferPointer, to state: inout State) {
        var chunk = chunk
        withUnsafeTemporaryAllocation(byteCount: ChunkHeader.size, alignment: 8) { fixed in
            // not empty
            chunk.write(to: fixed.baseAddress!, after: state.checksum)
            state.buffer.append(contentsOf: fixed)
        }
        state.buffer.append(contentsOf: bytes)
        state.buffer.append(contentsOf: repeatElement(0, count: chunk.chunkBytes - ChunkHeader.size - bytes.count))
        state.checksum = chunk.checksum
    }

    /// Writes whole blocks; the rest stays in the buffer.
    private func flush(_ state: inout State) throws(JournalError) {
        guard let file = state.file else { return }
        let whole = state.buffer.count & ~(Block.size - 1)
        let offset = state.offset
        var failure: JournalError?
        state.buffer.withUnsafeBytes { bytes in
            do throws(JournalError) {
                try file.writeAll(UnsafeRawBufferPointer(rebasing: bytes[..<whole]), at: offset)
            } catch { failure = error }
        }
        if let failure { throw failure }
        state.buffer.removeFirst(whole)
        state.offset += whole
        state.unsynced += whole
        if state.unsynced >= Self.syncedBytes {
            try file.syncData()
            state.unsynced = 0
        }
    }
}
