#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// What can go wrong with a journal and its storage. Each description says what to do next.
package enum JournalError: Error, Sendable, Hashable {
    /// Another process, or this one, has the folder open. `holder` is its pid where the lock file says it.
    case locked(folder: String, holder: Int32?, isSelf: Bool)
    /// Bytes that were once synced are not what they were. Nothing was changed.
    case corrupt(file: String, offset: UInt64, what: String)
    /// A later version wrote something here that this one must not ignore.
    case newerFormat(file: String, what: String)
    /// Something needs a store of a higher format level than this one, which must stay readable for the version that made it. Nothing was changed.
    case olderFormat(level: UInt8, needed: UInt8)
    /// The disk has no room for another segment, or only the reserve is left and the purpose may not take it. Nothing was changed.
    case noSpace
    /// A transaction that fits no segment, or a part of a checkpoint that fits no chunk. Nothing was changed.
    case tooLarge(bytes: Int, limit: Int)
    /// An earlier write or sync failed, so the journal cannot know what is on disk: it confirms nothing more until it is opened again.
    indirect case failed(JournalError)
    /// A call of the operating system failed.
    case io(call: StorageCall, file: String, errno: Int32)
}

extension JournalError {
    /// Whether it refused one request and left the journal as it was.
    package var changedNothing: Bool {
        switch self {
        case .noSpace, .tooLarge, .olderFormat: true
        default: false
        }
    }

    /// The same error with the file's name made a path in the folder, unless it is one.
    func located(in folder: String) -> JournalError {
        func path(_ file: String) -> String { file.hasPrefix(folder) ? file : folder + "/" + file }
        return switch self {
        case .corrupt(let file, let offset, let what): .corrupt(file: path(file), offset: offset, what: what)
        case .newerFormat(let file, let what): .newerFormat(file: path(file), what: what)
        case .io(let call, let file, let errno): .io(call: call, file: path(file), errno: errno)
        case .failed(let cause): .failed(cause.located(in: folder))
        case .locked, .noSpace, .tooLarge, .olderFormat: self
        }
    }
}

extension JournalError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .locked(let folder, _, isSelf: true):
            "the folder \(folder) is already open in this process: share the opened client instead of opening it again"
        case .locked(let folder, let holder?, isSelf: false):
            "the folder \(folder) is open in process \(holder): stop it, or reach it through its server (`godwit serve`)"
        case .locked(let folder, nil, isSelf: false):
            "the folder \(folder) is open in another process: stop it, or reach it through its server (`godwit serve`)"
        case .corrupt(let file, let offset, let what):
            "\(file) is damaged at offset \(offset): \(what). Nothing was changed: keep a copy of the folder, check the disk, and restore "
                + "the folder from a backup"
        case .newerFormat(let file, let what):
            "\(file) was written by a newer version of Godwit (\(what)): open it with that version"
        case .olderFormat(let level, let needed):
            "the store is of format level \(level), and this needs level \(needed): close the store, then raise it with `godwit upgrade DIR`. "
                + "Older versions of Godwit cannot open it afterwards"
        case .noSpace:
            "no room for another journal segment: free disk space, or let workers finish jobs, or raise ulimit -n if that is what lacks"
        case .tooLarge(let bytes, let limit):
            "\(bytes) bytes must stay together, and at most \(limit) can: split the transaction"
        case .failed(let cause):
            "the journal stopped because it cannot know what is on disk (\(cause)): check the disk, then open the folder again"
        case .io(let call, let file, let number):
            "\(call.rawValue) of \(file) failed: \(String(cString: strerror(number))) (errno \(number)): "
                + (number == EMFILE || number == ENFILE
                    ? "let the process open more files (ulimit -n)" : "check the disk and the folder's permissions")
        }
    }
}
