import Synchronization

/// The segments that records may lie in, shared by the journal's writer, which adds and removes them, and its readers.
///
/// Few of their files are open at a time: the least recently read one is closed first. A store may have thousands of segments, and a
/// process few descriptors.
final class SegmentTable: Sendable {
    /// The folder's name, for messages.
    var folder: String { storage.name }

    private let storage: any Storage
    private let openFiles: Int

    /// Shared by nobody but the table, under its lock: a record's reader changes it in place.
    private final class Entry {
        let header: SegmentHeader
        var file: (any StorageFile)?
        /// When it was last asked for, counted in questions.
        var used: UInt64 = 0

        init(_ header: SegmentHeader) { self.header = header }
    }

    private struct State {
        var entries: [UInt32: Entry] = [:]
        var clock: UInt64 = 0
        var open = 0
    }

    private let state = Mutex(State())

    /// - Parameter openFiles: how many files may be open at a time, at least one.
    init(_ storage: any Storage, openFiles: Int) {
        self.storage = storage
        self.openFiles = max(openFiles, 1)
    }

    func add(_ header: SegmentHeader, file: (any StorageFile)? = nil) {
        let closing = state.withLock { state in
            if state.entries.updateValue(Entry(header), forKey: header.number)?.file != nil { state.open -= 1 }
            return file.map { Self.keep($0, of: header.number, in: &state, atMost: openFiles) } ?? []
        }
        _ = closing
    }

    func remove(_ number: UInt32) {
        // the file is closed after the lock is given back
        let removed = state.withLock { state in
            let removed = state.entries.removeValue(forKey: number)
            if removed?.file != nil { state.open -= 1 }
            return removed
        }
        _ = removed
    }

    /// A segment with its file open; nil when there is no such segment.
    ///
    /// - Throws: what the storage threw when the file was opened.
    func segment(_ number: UInt32) throws(JournalError) -> Segment? {
        let (found, file) = state.withLock { state -> (SegmentHeader?, (any StorageFile)?) in
            guard let entry = state.entries[number] else { return (nil, nil) }
            state.clock += 1
            entry.used = state.clock
            return (entry.header, entry.file)
        }
        guard let header = found else { return nil }
        if let file { return Segment(header: header, file: file) }
        let name = FileName.segment(number)
        let opened = try FrugalStorage(base: storage, table: self).open(name)
        let closing = state.withLock { Self.keep(opened, of: number, in: &$0, atMost: openFiles) }
        _ = closing
        return Segment(header: header, file: opened)
    }

    /// Keeps a file open; answers those that are to be closed for it, so that this happens outside of the lock.
    private static func keep(
        _ file: any StorageFile,
        of number: UInt32,
        in state: inout State,
        atMost limit: Int
    ) -> [any StorageFile] {
        guard let entry = state.entries[number], entry.file == nil else { return [] }
        var closing: [any StorageFile] = []
        while state.open >= limit {
            guard let oldest = state.entries.filter({ $0.value.file != nil }).min(by: { $0.value.used < $1.value.used }) else { break }
            if let file = oldest.value.file { closing.append(file) }
            oldest.value.file = nil
            state.open -= 1
        }
        state.clock += 1
        entry.file = file
        entry.used = state.clock
        state.open += 1
        return closing
    }

    /// Closes all files; they are opened again when they are read.
    func closeAll() {
        let closing = state.withLock { state in
            let files = state.entries.values.compactMap(\.file)
            for entry in state.entries.values { entry.file = nil }
            state.open = 0
            return files
        }
        _ = closing
    }
}
