import Foundation

/// Keeps others from a folder as long as it lives, and no longer than this process, however that ends.
final class FolderLock: Sendable {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private let descriptor: Int32

    /// - Throws: ``Failure`` when another process has the folder, or its lock file cannot be made.
    init(_ folder: String) throws {
        let path = "\(folder)/timelines.lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Failure(description: "cannot make \(path): \(String(cString: strerror(errno)))") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw Failure(description: "another process uses the folder \(folder): stop it, or choose another one with --data")
        }
    }

    deinit { close(descriptor) }
}
