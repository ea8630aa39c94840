/// Reads a file in large pieces, for walking through it; its memory is used again.
final class FileWindow {
    let file: any StorageFile
    /// What may be read: whole blocks, up to the place where the file counts.
    let limit: Int
    private var memory: UnsafeMutableRawBufferPointer
    private var start = 0
    private var filled = 0
    /// What the system has been told about, so that it fetches while this is working.
    private var announced = 0

    private static let piece = 1 << 20
    /// How far ahead the system fetches: a disk is quickest when several requests are under way.
    private static let ahead = 8 << 20

    init(_ file: any StorageFile, limit: Int) {
        self.file = file
        self.limit = limit & ~(Block.size - 1)
        memory = .allocate(byteCount: min(Self.piece, max(self.limit, Block.size)), alignment: Block.size)
    }

    deinit { memory.deallocate() }

    /// The bytes at a place, valid until the next call; nil when they reach past the limit or the file's end.
    ///
    /// - Throws: a read error: never a reason to take bytes for lost.
    func bytes(at offset: Int, count: Int) throws(JournalError) -> UnsafeMutableRawBufferPointer? {
        guard offset >= 0, count >= 0, offset + count <= limit else { return nil }
        if offset < start || offset + count > start + filled {
            let wanted = min(max(count, Self.piece), limit - offset)
            if wanted > memory.count {
                memory.deallocate()
                memory = .allocate(byteCount: wanted, alignment: Block.size)
            }
            announce(from: offset + wanted)
            start = offset
            filled = 0
            filled = try file.readAll(into: UnsafeMutableRawBufferPointer(rebasing: memory[..<wanted]), at: offset)
            guard filled >= count else { return nil }
        }
        return UnsafeMutableRawBufferPointer(rebasing: memory[offset - start..<offset - start + count])
    }

    private func announce(from offset: Int) {
        let from = max(offset, announced)
        let end = min(offset + Self.ahead, limit)
        // in few calls, and not for the sake of a single block
        guard end - from >= Self.piece || (end == limit && end > from) else { return }
        file.willRead(from..<end)
        announced = end
    }
}
