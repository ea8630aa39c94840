#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A storage whose user gives up the descriptors that it can do without when the process has none left.
struct FrugalStorage: Storage {
    let base: any Storage
    let table: SegmentTable

    var name: String { base.name }
    func lock() throws(JournalError) { try base.lock() }
    func unlock() { base.unlock() }
    func list() throws(JournalError) -> [String] { try frugally { () throws(JournalError) in try base.list() } }
    func rename(_ file: String, to new: String) throws(JournalError) { try base.rename(file, to: new) }
    func delete(_ file: String) throws(JournalError) { try base.delete(file) }
    func syncDirectory() throws(JournalError) { try frugally { () throws(JournalError) in try base.syncDirectory() } }

    func create(_ file: String, size: Int) throws(JournalError) -> any StorageFile {
        try frugally { () throws(JournalError) in try base.create(file, size: size) }
    }

    func open(_ file: String) throws(JournalError) -> any StorageFile {
        try frugally { () throws(JournalError) in try base.open(file) }
    }

    private func frugally<Value>(_ body: () throws(JournalError) -> Value) throws(JournalError) -> Value {
        do {
            return try body()
        } catch {
            guard case .io(_, _, let errno) = error, errno == EMFILE || errno == ENFILE else { throw error }
            table.closeAll()
            return try body()
        }
    }
}
