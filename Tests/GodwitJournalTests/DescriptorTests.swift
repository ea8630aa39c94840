import GodwitJournal
import Synchronization
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

@Suite("File descriptors")
struct DescriptorTests {
    /// A storage that knows how many of its files are open, and has few descriptors to give.
    private final class Scarce: Storage {
        private struct Count {
            var open = 0
            var peak = 0
        }

        let base: MemoryStorage
        private let state: Mutex<Count>
        private let limit: Int

        init(_ base: MemoryStorage, limit: Int) {
            self.base = base
            self.limit = limit
            state = Mutex(Count())
        }

        var peak: Int { state.withLock(\.peak) }
        var name: String { base.name }
        func lock() throws(JournalError) { try base.lock() }
        func unlock() { base.unlock() }
        func list() throws(JournalError) -> [String] { try base.list() }
        func rename(_ file: String, to new: String) throws(JournalError) { try base.rename(file, to: new) }
        func delete(_ file: String) throws(JournalError) { try base.delete(file) }
        func syncDirectory() throws(JournalError) { try base.syncDirectory() }

        func create(_ file: String, size: Int) throws(JournalError) -> any StorageFile {
            try take(file)
            return File(try base.create(file, size: size), self)
        }

        func open(_ file: String) throws(JournalError) -> any StorageFile {
            try take(file)
            return File(try base.open(file), self)
        }

        private func take(_ file: String) throws(JournalError) {
            let isTaken = state.withLock { state in
                guard state.open < limit else { return false }
                state.open += 1
                state.peak = max(state.peak, state.open)
                return true
            }
            if !isTaken { throw .io(call: .open, file: file, errno: EMFILE) }
        }

        fileprivate func giveBack() { state.withLock { $0.open -= 1 } }
    }

    private final class File: StorageFile {
        private let base: any StorageFile
        private let storage: Scarce

        init(_ base: any StorageFile, _ storage: Scarce) {
            self.base = base
            self.storage = storage
        }

        deinit { storage.giveBack() }

        var name: String { base.name }
        func size() throws(JournalError) -> Int { try base.size() }
        func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(JournalError) -> Int { try base.write(bytes, at: offset) }
        func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(JournalError) -> Int {
            try base.read(into: bytes, at: offset)
        }
        func syncData() throws(JournalError) { try base.syncData() }
        func resize(to size: Int) throws(JournalError) { try base.resize(to: size) }
    }

    @Test("a store of many segments is opened, read and written with few descriptors")
    func fewDescriptors() throws {
        let small = options(segment: 16 << 10, first: 16 << 10, openFiles: 3)
        let storage = MemoryStorage()
        let scarce = Scarce(storage, limit: 9)
        let journal = try open(scarce, small)
        var locations: [RecordLocation] = []
        for number in 0..<60 {
            locations += try journal.commit([entry(number, bytes: 5000)])
            #expect(journal.maintainAll() == nil)
        }
        #expect(journal.segments.count > 50)
        for (number, location) in locations.enumerated() {
            #expect(try journal.reader.body(at: location) == entry(number, bytes: 5000).body)
        }
        try journal.close()
        let again = try open(Scarce(storage, limit: 7), small)
        #expect(again.entries.count == 60)
        #expect(try again.reader.records(at: locations).map(\.body) == (0..<60).map { entry($0, bytes: 5000).body })
    }

    @Test("when the process has no descriptor left, the reader gives its own up for the one it needs")
    func noneLeft() throws {
        let small = options(segment: 16 << 10, first: 16 << 10, openFiles: 64)
        let storage = MemoryStorage()
        let scarce = Scarce(storage, limit: 8)
        let journal = try open(scarce, small)
        var locations: [RecordLocation] = []
        for number in 0..<20 { locations += try journal.commit([entry(number, bytes: 5000)]) }
        for _ in 0..<2 {
            for (number, location) in locations.enumerated() {
                #expect(try journal.reader.body(at: location) == entry(number, bytes: 5000).body)
            }
        }
        #expect(scarce.peak == 8)
    }

    @Test("files that were read lately stay open")
    func stayOpen() throws {
        let small = options(segment: 16 << 10, first: 16 << 10, openFiles: 4)
        let storage = MemoryStorage()
        let journal = try open(storage, small)
        var locations: [RecordLocation] = []
        for number in 0..<12 { locations += try journal.commit([entry(number, bytes: 5000)]) }
        for location in locations[2..<5] { _ = try journal.reader.body(at: location) }
        let opens = storage.calls[.open] ?? 0
        for _ in 0..<5 {
            for location in locations[2..<5] { _ = try journal.reader.body(at: location) }
        }
        #expect(storage.calls[.open] ?? 0 == opens)
    }
}
