import Foundation

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A file that gets its name when it is whole and on disk, and that replaces none.
///
/// Until then it is called `NAME.partial`; a process that is killed leaves that behind. A failure, or letting go of it, removes it.
struct NewFile: ~Copyable {
    let path: String
    private let partial: String
    private let descriptor: Int32
    private var isFinished = false

    /// - Throws: ``CommandFailure`` (`cannotCreate`) when there is a file of either name, or none can be made.
    static func create(_ path: String) throws(CommandFailure) -> NewFile {
        let partial = path + ".partial"
        var status = stat()
        guard lstat(path, &status) != 0 else { throw .cannotCreate("\(path) is there already: nothing is overwritten, use another name") }
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            guard errno != EEXIST else {
                throw .cannotCreate("\(partial) is there already: another process writes it, or one was killed that did. Then delete it")
            }
            throw .cannotCreate("cannot create \(partial): \(String(cString: strerror(errno)))")
        }
        return NewFile(path: path, partial: partial, descriptor: descriptor)
    }

    private init(path: String, partial: String, descriptor: Int32) {
        self.path = path
        self.partial = partial
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
        if !isFinished { unlink(partial) }
    }

    func write(_ bytes: ArraySlice<UInt8>) throws {
        try Output.write(ContiguousArray(bytes), to: descriptor)
    }

    /// Makes the file durable, and gives it its name.
    consuming func finish() throws(CommandFailure) {
        guard fsync(descriptor) == 0 else { throw failure("sync", partial) }
        if link(partial, path) == 0 {
            unlink(partial)
        } else {
            guard errno != EEXIST else { throw .cannotCreate("\(path) was made meanwhile: nothing is overwritten, use another name") }
            // a file system without links; between the look and the renaming nobody else makes a file of this name
            var status = stat()
            guard lstat(path, &status) != 0, rename(partial, path) == 0 else { throw failure("name", path) }
        }
        isFinished = true
        let folder = open(URL(fileURLWithPath: path).deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw failure("sync the folder of", path) }
    }

    private borrowing func failure(_ what: String, _ file: String) -> CommandFailure {
        .failed("cannot \(what) \(file): \(String(cString: strerror(errno)))", code: "output_failed")
    }
}

extension CommandFailure {
    static func cannotCreate(_ message: String) -> CommandFailure {
        CommandFailure(exit: .cannotCreate, message: message, code: "already_exists")
    }

    static func damaged(_ message: String) -> CommandFailure {
        CommandFailure(exit: .damaged, message: message, code: "damaged")
    }
}
