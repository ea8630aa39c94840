#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

// The system calls that a file storage makes, repeated when a signal interrupted them. Each answers what the call answers, or the errno.

struct SystemError: Error {
    var number: Int32
}

/// Repeats a call until it is not interrupted.
func uninterrupted<Value: SignedInteger>(_ call: () -> Value) throws(SystemError) -> Value {
    while true {
        let value = call()
        if value >= 0 { return value }
        if errno != EINTR { throw SystemError(number: errno) }
    }
}

/// A file descriptor, closed when its last user lets go of it.
final class Descriptor: Sendable {
    let number: Int32

    init(opening path: String, _ flags: Int32) throws(SystemError) {
        number = try uninterrupted { open(path, flags | O_CLOEXEC, 0o600) }
    }

    deinit { close(number) }

    func syncData() throws(SystemError) {
        #if canImport(Darwin)
        // fsync on Darwin leaves the data in the drive's cache
        _ = try uninterrupted { fcntl(number, F_FULLFSYNC, 0) }
        #else
        _ = try uninterrupted { fdatasync(number) }
        #endif
    }

    /// Makes the entries of the folder that this is durable.
    func syncEntries() throws(SystemError) {
        #if canImport(Darwin)
        try syncData()
        #else
        _ = try uninterrupted { fsync(number) }
        #endif
    }

    /// Allocates blocks for `size` bytes and makes the file that long.
    func allocate(_ size: Int) throws(SystemError) {
        #if canImport(Darwin)
        var request = fstore_t(
            fst_flags: UInt32(F_ALLOCATEALL),
            fst_posmode: F_PEOFPOSMODE,
            fst_offset: 0,
            fst_length: off_t(size),
            fst_bytesalloc: 0
        )
        if fcntl(number, F_PREALLOCATE, &request) < 0, errno != ENOTSUP { throw SystemError(number: errno) }
        _ = try uninterrupted { ftruncate(number, off_t(size)) }
        #else
        while true {
            // answers the error itself
            let failure = posix_fallocate(number, 0, off_t(size))
            if failure == 0 { return }
            if failure == EINTR { continue }
            guard failure == EOPNOTSUPP || failure == EINVAL else { throw SystemError(number: failure) }
            // a file system that cannot allocate ahead
            _ = try uninterrupted { ftruncate(number, off_t(size)) }
            return
        }
        #endif
    }
}

/// Makes entries of the folder durable.
func syncFolder(_ path: String) throws(SystemError) {
    try Descriptor(opening: path, O_RDONLY | O_DIRECTORY).syncEntries()
}

/// Makes a folder that only its owner may enter, with all that leads to it, each durable; one that is there is left as it is.
func makeFolder(_ path: String) throws(SystemError) {
    var status = stat()
    if stat(path, &status) == 0 {
        if status.st_mode & S_IFMT != S_IFDIR { throw SystemError(number: ENOTDIR) }
        return
    }
    guard errno == ENOENT else { throw SystemError(number: errno) }
    let parent = parentFolder(of: path)
    if parent != path { try makeFolder(parent) }
    if mkdir(path, 0o700) != 0, errno != EEXIST { throw SystemError(number: errno) }
    try syncFolder(parent)
}

private func parentFolder(of path: String) -> String {
    var path = path[...]
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    guard let slash = path.lastIndex(of: "/") else { return "." }
    let parent = path[..<slash]
    return parent.isEmpty ? "/" : String(parent)
}

/// The names in a folder, without `.` and `..`.
func namesInFolder(_ path: String) throws(SystemError) -> [String] {
    guard let folder = opendir(path) else { throw SystemError(number: errno) }
    defer { closedir(folder) }
    var names: [String] = []
    while true {
        errno = 0
        guard let entry = readdir(folder) else {
            if errno != 0 { throw SystemError(number: errno) }
            return names
        }
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) { String(cString: $0) }
        }
        if name != ".", name != ".." { names.append(name) }
    }
}
