/// A folder that a journal lives in, real or simulated. The journal reaches disks through nothing else.
///
/// Names are plain file names, without a path. Calls block; they are made per group or per segment, never per record.
package protocol Storage: Sendable {
    /// What messages call the folder: its path.
    var name: String { get }

    /// Takes the folder for this opener alone, and makes it if it is missing.
    ///
    /// - Throws: ``JournalError/locked(folder:holder:isSelf:)`` when someone has it, this process included.
    func lock() throws(JournalError)

    /// Gives the folder back. Without a lock: nothing happens.
    func unlock()

    /// The names of all files in the folder, in no particular order.
    func list() throws(JournalError) -> [String]

    /// Creates a file of `size` zero bytes whose blocks are allocated. Fails if it is there. Not durable before its and the folder's sync.
    func create(_ file: String, size: Int) throws(JournalError) -> any StorageFile

    /// Opens a file that is there, for reading and writing.
    func open(_ file: String) throws(JournalError) -> any StorageFile

    /// Renames a file; a file of the new name is replaced. Not durable before ``syncDirectory()``.
    func rename(_ file: String, to new: String) throws(JournalError)

    /// Deletes a file. Not durable before ``syncDirectory()``.
    func delete(_ file: String) throws(JournalError)

    /// Makes all creations, renames and deletions so far durable.
    func syncDirectory() throws(JournalError)
}

/// An open file, closed when the last reference to it goes away. Any thread may use it; whoever writes sees to it that nobody else writes
/// the same place.
package protocol StorageFile: Sendable {
    /// Its name when it was opened, for messages.
    var name: String { get }

    /// Its length in bytes.
    func size() throws(JournalError) -> Int

    /// Writes at `offset`; answers how many bytes it took, at least one: see ``writeAll(_:at:)``.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(JournalError) -> Int

    /// Reads at `offset`; answers how many bytes it gave, 0 only at the end of the file: see ``readAll(into:at:)``.
    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(JournalError) -> Int

    /// Returns when everything written so far, and the file's length, survive a power failure.
    func syncData() throws(JournalError)

    /// Makes the file `size` bytes long. What it grows by is zeros whose blocks are allocated. Not durable before ``syncData()``.
    func resize(to size: Int) throws(JournalError)

    /// Says that a range is about to be read, so that the system may begin to fetch it. It may do nothing.
    func willRead(_ range: Range<Int>)
}

/// The calls of a storage, as errors and counters name them.
package enum StorageCall: String, Sendable, Hashable, CaseIterable {
    case lock, list, create, open, rename, delete, size, resize, write, read
    case sync = "fdatasync"
    case syncDirectory = "fsync of the folder"
}

extension StorageFile {
    package func willRead(_ range: Range<Int>) {}

    /// Writes all of `bytes` at `offset`, however few a call takes.
    package func writeAll(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(JournalError) {
        var done = 0
        while done < bytes.count {
            done += try write(UnsafeRawBufferPointer(rebasing: bytes[done...]), at: offset + done)
        }
    }

    /// Fills `bytes` from `offset` as far as the file reaches; answers how far.
    package func readAll(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(JournalError) -> Int {
        var done = 0
        while done < bytes.count {
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[done...]), at: offset + done)
            if count == 0 { break }
            done += count
        }
        return done
    }
}
