/// Reads a file in large pieces, for walking through it; its memory is used again.
final class FileWindow {
    let file: any StorageFile
    /// What may be read: whole blocks, up to the place where the file counts.
    let limit: Int
    private var memory: UnsafeMutableRawBufferPointer
    private var start = 0
    private var filled = 0

    private static let piece = 1 << 20

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
            start = offset
            filled = 0
            filled = try file.readAll(into: UnsafeMutableRawBufferPointer(rebasing: memory[..<wanted]), at: offset)
            guard filled >= count else { return nil }
        }
        return UnsafeMutableRawBufferPointer(rebasing: memory[offset - start..<offset - start + count])
    }
}
