import Foundation
import GodwitCore
import GodwitJournal
import Synchronization
import Testing

@testable import GodwitEngine

/// A storage whose syncs take as long as a test wants.
private final class SlowStorage: Storage {
    /// The first file that a new store makes is its first segment; those made ahead of need are synced at times of their own.
    static let firstSegment = "spare-00000001"

    /// Called before each sync of the first segment.
    let hook = Mutex<@Sendable () -> Void>({})
    let storage = MemoryStorage()

    var name: String { storage.name }
    func lock() throws(JournalError) { try storage.lock() }
    func unlock() { storage.unlock() }
    func list() throws(JournalError) -> [String] { try storage.list() }
    func create(_ file: String, size: Int) throws(JournalError) -> any StorageFile {
        SlowFile(file: try storage.create(file, size: size), storage: self)
    }
    func open(_ file: String) throws(JournalError) -> any StorageFile { SlowFile(file: try storage.open(file), storage: self) }
    func rename(_ file: String, to new: String) throws(JournalError) { try storage.rename(file, to: new) }
    func delete(_ file: String) throws(JournalError) { try storage.delete(file) }
    func syncDirectory() throws(JournalError) { try storage.syncDirectory() }
}

private struct SlowFile: StorageFile {
    let file: any StorageFile
    let storage: SlowStorage

    var name: String { file.name }
    func size() throws(JournalError) -> Int { try file.size() }
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(JournalError) -> Int { try file.write(bytes, at: offset) }
    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(JournalError) -> Int {
        try file.read(into: bytes, at: offset)
    }
    func resize(to size: Int) throws(JournalError) { try file.resize(to: size) }
    func syncData() throws(JournalError) {
        if name.hasSuffix(SlowStorage.firstSegment) { storage.hook.withLock { $0 }() }
        try file.syncData()
    }
}

@Suite("A disk that hiccups", .timeLimit(.minutes(1)))
struct SlowDiskTests {
    @Test("after one slow sync heartbeats are answered while the next one is under way")
    func heartbeats() async throws {
        let storage = SlowStorage()
        var options = EngineOptions()
        options.segmentBytes = 1 << 20
        let engine = try await Engine.open(storage: storage, options: options)
        let message = NewMessage(queue: .work, payload: Content("1"))
        func publish() async throws { _ = try await engine.commit([Transaction(.enqueue(message))])[0].get() }
        try await publish()
        let holder = try await engine.open(HolderOptions(id: HolderID("h"), queues: [.work], capacity: 1, isEmbedded: false))
        let delivery = try #require(try await holder.lease(max: 1, term: .fixed(.seconds(60)), wait: .zero).first)

        storage.hook.withLock { $0 = { Thread.sleep(forTimeInterval: 0.1) } }
        try await publish()
        let gate = DispatchSemaphore(value: 0), isSyncing = Mutex(false)
        storage.hook.withLock {
            $0 = {
                isSyncing.withLock { $0 = true }
                _ = gate.wait(timeout: .now() + 40)
                gate.signal()
                isSyncing.withLock { $0 = false }
            }
        }
        let published = Task { try await publish() }
        try await eventually("the sync is under way") { isSyncing.withLock { $0 } }
        #expect(try await holder.renew([Renewal(delivery.token)]) == [.good(remaining: .seconds(60))])
        #expect(isSyncing.withLock { $0 }, "it was answered before the sync was over")
        gate.signal()
        try await published.value
        await engine.close()
    }
}
