extension Storage {
    /// Deletes files, and makes that and all other changes of the folder durable.
    func deleteDurably(_ files: [String]) throws(JournalError) {
        for file in files { try delete(file) }
        try syncDirectory()
    }

    /// Keeps bytes that are cut in a file of their own. It is durable with the next sync of the folder.
    func keep(_ tail: ChainWalk.Tail, names: Set<String>) throws(JournalError) -> JournalRecovery.Cut {
        let source = FileWindow(try tail.segment.open(), limit: tail.segment.limit)
        var copy = 0
        var name = FileName.cut(segment: tail.segment.number, offset: UInt32(tail.range.lowerBound), copy: copy)
        // the same bytes may have been kept by an opening that was cut short itself
        while names.contains(name), try !holdsSame(name, source, tail.range) {
            copy += 1
            name = FileName.cut(segment: tail.segment.number, offset: UInt32(tail.range.lowerBound), copy: copy)
        }
        if !names.contains(name) {
            do {
                let file = try create(name, size: tail.range.count)
                try forEachPiece(of: tail.range) { (offset, count) throws(JournalError) in
                    guard let bytes = try source.bytes(at: offset, count: count) else { return }
                    try file.writeAll(UnsafeRawBufferPointer(bytes), at: offset - tail.range.lowerBound)
                }
                try file.syncData()
            } catch {
                // what was thrown says more than a failure to clean up
                try? delete(name)
                throw .creating(error)
            }
        }
        return JournalRecovery.Cut(tail, keptAs: name)
    }

    private func holdsSame(_ name: String, _ source: FileWindow, _ range: Range<Int>) throws(JournalError) -> Bool {
        let file = try open(name)
        guard try file.size() == range.count else { return false }
        let kept = FileWindow(file, limit: range.count)
        var isSame = true
        try forEachPiece(of: range) { (offset, count) throws(JournalError) in
            guard isSame, let old = try kept.bytes(at: offset - range.lowerBound, count: count),
                let new = try source.bytes(at: offset, count: count)
            else {
                isSame = false
                return
            }
            isSame = old.elementsEqual(new)
        }
        return isSame
    }

    private func forEachPiece(
        of range: Range<Int>,
        _ body: (_ offset: Int, _ count: Int) throws(JournalError) -> Void
    ) throws(JournalError) {
        let piece = 1 << 20
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = min(piece, range.upperBound - offset)
            try body(offset, count)
            offset += count
        }
    }
}

extension JournalRecovery.Cut {
    init(_ tail: ChainWalk.Tail, keptAs name: String) {
        self.init(file: tail.segment.name, offset: UInt64(tail.range.lowerBound), bytes: tail.range.count, keptAs: name)
    }
}

extension FileName {
    /// A name for a cut that no other file has.
    static func cut(of tail: ChainWalk.Tail, besides names: Set<String>) -> String {
        var copy = 0
        while true {
            let name = cut(segment: tail.segment.number, offset: UInt32(tail.range.lowerBound), copy: copy)
            if !names.contains(name) { return name }
            copy += 1
        }
    }
}
