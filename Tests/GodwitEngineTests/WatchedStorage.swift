import Foundation
import GodwitJournal
import Synchronization

/// A storage that knows which of some texts have been written and synced.
final class WatchedStorage: Storage {
    fileprivate struct State {
        /// By file; the texts that it was given and that no sync covers yet.
        var written: [String: Set<String>] = [:]
        var durable: Set<String> = []
    }

    let base: MemoryStorage
    private let texts: [String]
    fileprivate let state = Mutex(State())

    init(_ base: MemoryStorage, texts: [String]) {
        self.base = base
        self.texts = texts
    }

    /// Whether a text is on disk, whatever happens now.
    func isDurable(_ text: String) -> Bool { state.withLock { $0.durable.contains(text) } }

    var name: String { base.name }
    func lock() throws(JournalError) { try base.lock() }
    func unlock() { base.unlock() }
    func list() throws(JournalError) -> [String] { try base.list() }
    func create(_ file: String, size: Int) throws(JournalError) -> any StorageFile { watched(try base.create(file, size: size)) }
    func open(_ file: String) throws(JournalError) -> any StorageFile { watched(try base.open(file)) }
    func rename(_ file: String, to new: String) throws(JournalError) { try base.rename(file, to: new) }
    func delete(_ file: String) throws(JournalError) { try base.delete(file) }
    func syncDirectory() throws(JournalError) { try base.syncDirectory() }

    private func watched(_ file: any StorageFile) -> any StorageFile { WatchedFile(base: file, storage: self) }

    fileprivate func note(_ bytes: UnsafeRawBufferPointer, in file: String) {
        let found = texts.filter { bytes.contains(Array($0.utf8)) }
        if !found.isEmpty { state.withLock { $0.written[file, default: []].formUnion(found) } }
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func contains(_ text: [UInt8]) -> Bool {
        var rest = self
        while let base = rest.baseAddress, rest.count >= text.count,
            let found = memchr(base, Int32(text[0]), rest.count - text.count + 1)
        {
            if memcmp(found, text, text.count) == 0 { return true }
            rest = UnsafeRawBufferPointer(rebasing: rest[(UnsafeRawPointer(found) - base + 1)...])
        }
        return false
    }
}

private struct WatchedFile: StorageFile {
    let base: any StorageFile
    let storage: WatchedStorage

    var name: String { base.name }
    func size() throws(JournalError) -> Int { try base.size() }
    func resize(to size: Int) throws(JournalError) { try base.resize(to: size) }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(JournalError) -> Int {
        let count = try base.write(bytes, at: offset)
        storage.note(bytes, in: name)
        return count
    }

    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(JournalError) -> Int {
        try base.read(into: bytes, at: offset)
    }

    func syncData() throws(JournalError) {
        let covered = storage.state.withLock { $0.written.removeValue(forKey: name) } ?? []
        try base.syncData()
        storage.state.withLock { $0.durable.formUnion(covered) }
    }
}
