/// A checkpoint that counts at opening.
struct FoundCheckpoint: Sendable {
    var header: CheckpointHeader
    /// The file's length.
    var size: Int
    /// What it holds; the rest is room.
    var bytes: Int
}

/// Reads a checkpoint file from its start to its end, in large pieces.
struct CheckpointFile {
    let header: CheckpointHeader
    let size: Int
    private let name: String
    private let file: any StorageFile
    private let checksum: UInt32

    /// - Throws: ``JournalError/corrupt(file:offset:what:)``, ``JournalError/newerFormat(file:what:)``, a read error.
    init(_ storage: any Storage, number: UInt32) throws(JournalError) {
        try self.init(storage, file: FileName.checkpoint(number), number: number)
    }

    /// Opens a file that need not be called as it will be.
    init(_ storage: any Storage, file name: String, number: UInt32) throws(JournalError) {
        self.name = name
        file = try storage.open(name)
        size = try file.size()
        let window = FileWindow(file, limit: min(size, Block.size))
        guard let block = try window.bytes(at: 0, count: Block.size),
            let (header, checksum) = try CheckpointHeader.read(UnsafeRawBufferPointer(block), number: number, file: name)
        else { throw .corrupt(file: name, offset: 0, what: "the checkpoint's header is not what was written") }
        self.header = header
        self.checksum = checksum
    }

    /// Checks every chunk.
    ///
    /// - Throws: ``JournalError/corrupt(file:offset:what:)`` at the first one that is not what was written; a read error.
    /// - Returns: how many bytes of the file it takes.
    @discardableResult
    func verify() throws(JournalError) -> Int {
        do {
            return try read { _, _ in }
        } catch {
            // nothing else can be thrown
            throw error as? JournalError ?? damage(0, "\(error)")
        }
    }

    /// Hands out the chunks in order, each verified before.
    ///
    /// - Returns: how many bytes of the file it takes.
    /// - Throws: as ``verify()``, and what `body` throws.
    @discardableResult
    func read(_ body: (_ section: UInt8, _ bytes: UnsafeRawBufferPointer) throws -> Void) throws -> Int {
        // padded, so that a window of whole blocks reaches the end; what is read beyond it is not there
        let window = FileWindow(file, limit: Block.roundUp(size))
        var offset = Block.size
        var previous = checksum
        var chunks: UInt64 = 0
        var total: UInt64 = 0
        while true {
            guard let fixed = try window.bytes(at: offset, count: ChunkHeader.size)?.baseAddress,
                let chunk = ChunkHeader(reading: fixed, after: previous)
            else { throw damage(offset, "a part of the checkpoint is not what was written") }
            let unknown = chunk.flags & ChunkHeader.criticalFlags
            if unknown != 0 { throw JournalError.newerFormat(file: name, what: "checkpoint flags \(unknown)") }
            guard let bytes = try window.bytes(at: offset + ChunkHeader.size, count: Int(chunk.length)),
                crc32c(UnsafeRawBufferPointer(bytes)) == chunk.bodyChecksum
            else { throw damage(offset, "a part of the checkpoint is not what was written") }
            if chunk.flags & ChunkHeader.endFlag != 0 {
                guard bytes.count == ChunkHeader.endBytes, let numbers = bytes.baseAddress.map(UnsafeRawPointer.init),
                    numbers.number(UInt64.self, at: 0) == chunks, numbers.number(UInt64.self, at: 8) == total
                else { throw damage(offset, "the checkpoint's end does not match what lies before it") }
                return Block.roundUp(offset + chunk.chunkBytes)
            }
            try body(chunk.section, UnsafeRawBufferPointer(bytes))
            previous = chunk.checksum
            chunks += 1
            total += UInt64(chunk.length)
            offset += chunk.chunkBytes
        }
    }

    private func damage(_ offset: Int, _ what: String) -> JournalError {
        .corrupt(file: name, offset: UInt64(offset), what: what)
    }
}
