/// Decodes bytes as recovery does, wherever they come from: what fuzzers feed. Nothing but a typed error may come of any input.
///
/// Checksums are made right before, for a fuzzer does not guess them and would never get past the first.
package enum JournalDecoding {
    private static let place = RecordLocation(segment: 1, offset: UInt32(Block.size))
    private static let generation: UInt64 = 7

    /// A group: its header, its records, and what lies between them.
    package static func group(_ input: UnsafeRawBufferPointer) {
        let size = Block.roundUp(max(input.count, GroupHeader.size))
        let group = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: Block.size)
        defer { group.deallocate() }
        group.initializeMemory(as: UInt8.self, repeating: 0)
        group.copyMemory(from: input)
        // allocated, and never empty
        let bytes = group.baseAddress!
        let seed = HeaderSeed(generation: generation, segment: place.segment)
        bytes.store(UInt32(GroupHeader.magic), at: 0)
        bytes.store(generation, at: 32)
        bytes.store(sealRecords(of: group, count: bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self), seed), at: 52)
        let covered = UnsafeRawBufferPointer(start: bytes, count: GroupHeader.size - 4)
        bytes.store(seed.checksum(of: covered, at: place.offset), at: 60)
        guard let header = GroupHeader(reading: bytes, seed: seed, segment: place.segment, offset: place.offset),
            GroupHeader.newer(bytes) == nil
        else { return }
        do {
            try header.verify(UnsafeRawBufferPointer(group), seed: seed, offset: Int(place.offset))
            try replayRecords(of: UnsafeRawBufferPointer(group), header: header, at: place) { record in
                precondition(record.header.count <= size && record.body.count <= size, "a record lies in its group")
            }
        } catch {
            // refused, as it may be
        }
    }

    /// Makes the checksums of as many records right as lie in the group.
    private static func sealRecords(of group: UnsafeMutableRawBufferPointer, count: UInt32, _ seed: HeaderSeed) -> UInt32 {
        var contents: UInt32 = 0
        var cursor = RecordCursor(UnsafeRawBufferPointer(group), records: count)
        while let next = try? cursor.next(), let bytes = group.baseAddress {
            let (start, found) = next
            let body = start + RecordHeader.size + Int(found.headerLength)
            let record = RecordHeader(
                kind: found.kind,
                flags: found.flags,
                headerLength: Int(found.headerLength),
                bodyLength: Int(found.bodyLength),
                bodyChecksum: crc32c(UnsafeRawBufferPointer(rebasing: group[body..<body + Int(found.bodyLength)]))
            )
            let checksum = record.seal(bytes + start, seed: seed, offset: place.offset + UInt32(start))
            contents = withUnsafeBytes(of: checksum.littleEndian) { crc32c($0, continuing: contents) }
        }
        return contents
    }

    /// A checkpoint file: its header, then its chunks.
    package static func checkpoint(_ input: UnsafeRawBufferPointer) {
        var bytes = [UInt8](input)
        if bytes.count < 2 * Block.size { bytes += [UInt8](repeating: 0, count: 2 * Block.size - bytes.count) }
        let number: UInt32 = 1
        bytes.withUnsafeMutableBytes { sealCheckpoint($0, number: number) }
        let storage = MemoryStorage(), name = FileName.checkpoint(number)
        storage.replace(name, with: bytes)
        do {
            var total = 0
            try CheckpointFile(storage, number: number).read { _, chunk in total += chunk.count }
            precondition(total <= bytes.count, "chunks lie in their file")
        } catch {
            // refused, as it may be
        }
    }

    private static func sealCheckpoint(_ file: UnsafeMutableRawBufferPointer, number: UInt32) {
        guard let bytes = file.baseAddress else { return }
        bytes.store(CheckpointHeader.magic, at: 0)
        bytes.store(number, at: 40)
        for offset in CheckpointHeader.size..<Block.size { bytes.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self) }
        var previous = crc32c(UnsafeRawBufferPointer(start: bytes, count: CheckpointHeader.size - 4))
        bytes.store(previous, at: CheckpointHeader.size - 4)
        var offset = Block.size
        while offset + ChunkHeader.size <= file.count {
            let chunk = bytes + offset
            let length = Int(chunk.loadUnaligned(fromByteOffset: 4, as: UInt32.self).littleEndian)
            let end = offset + ChunkHeader.size + length
            if end <= file.count { chunk.store(crc32c(UnsafeRawBufferPointer(rebasing: file[offset + ChunkHeader.size..<end])), at: 8) }
            previous = crc32c(UnsafeRawBufferPointer(start: chunk + 4, count: ChunkHeader.size - 4), continuing: previous)
            chunk.store(previous, at: 0)
            guard end <= file.count else { return }
            offset = (end + 7) & ~7
        }
    }

    /// The only file of a folder that is opened, as it is.
    package static func segment(_ input: UnsafeRawBufferPointer) {
        let storage = MemoryStorage()
        storage.replace(FileName.segment(1), with: [UInt8](input))
        do {
            _ = try Journal.open(
                storage,
                options: JournalOptions(segmentBytes: 64 << 10, random: { 1 }),
                restore: { _, _ in },
                replay: { _ in }
            )
        } catch {
            // refused, as it may be
        }
    }
}
