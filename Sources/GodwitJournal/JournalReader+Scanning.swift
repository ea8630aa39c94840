extension JournalReader {
    /// Hands out the records of a segment in their order, group by group, verified. What is not sound is passed over: whoever needs a record
    /// that was not handed out finds the damage when it is read.
    ///
    /// - Parameters:
    ///   - number: a segment that is not the current one; see to it that it is pinned.
    ///   - offset: where to begin: 0, or what the call before answered.
    ///   - limit: about how many bytes to look at; a group is handed out whole.
    ///   - body: called for each record.
    /// - Returns: where to go on; nil at the end of the segment.
    /// - Throws: what `body` throws, a read error, or that there is no such segment.
    package func forEachRecord(
        of number: UInt32,
        from offset: Int,
        atMost limit: Int,
        _ body: (borrowing ReplayedRecord) throws -> Void
    ) throws -> Int? {
        guard let segment = try table.segment(number) else {
            throw JournalError.corrupt(file: FileName.segment(number), offset: UInt64(offset), what: "the segment is missing")
        }
        let window = FileWindow(segment.file, limit: segment.capacity)
        var at = max(offset, Block.size)
        let end = at + limit
        while at < end {
            guard let block = try window.bytes(at: at, count: Block.size), let bytes = block.baseAddress else { return nil }
            guard let group = GroupHeader(reading: bytes, seed: segment.seed, segment: number, offset: UInt32(at)), !group.isMark,
                GroupHeader.newer(bytes) == nil, let whole = try window.bytes(at: at, count: Block.roundUp(Int(group.length))),
                group.isSound(UnsafeRawBufferPointer(whole), seed: segment.seed, at: at)
            else {
                at += Block.size
                continue
            }
            try replayRecords(
                of: UnsafeRawBufferPointer(whole),
                header: group,
                at: RecordLocation(segment: number, offset: UInt32(at)),
                to: body
            )
            at += max(Block.roundUp(Int(group.length)), Block.size)
        }
        return at
    }
}

extension GroupHeader {
    fileprivate func isSound(_ group: UnsafeRawBufferPointer, seed: HeaderSeed, at offset: Int) -> Bool {
        do throws(GroupDamage) {
            try verify(group, seed: seed, offset: offset)
            return true
        } catch {
            return false
        }
    }
}
