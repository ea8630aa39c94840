import Foundation

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A command that was started in a process group of its own, with pipes to its standard streams.
///
/// `posix_spawn` and not Foundation's `Process`: the group lets a signal reach what the command itself started, and no descriptor of this
/// process (sockets, the store's lock) goes along.
struct ChildProcess: ~Copyable {
    let pid: pid_t
    /// The near ends of its standard input, output and error; closed and nil when done with.
    var input: Int32?
    var output: Int32?
    var error: Int32?

    /// Starts a command.
    /// - Parameters:
    ///   - path: the program's path; see ``path(of:)``.
    ///   - arguments: its name first.
    /// - Throws: ``CommandFailure`` that says what the system refused.
    init(path: String, arguments: [String], environment: [String: String]) throws {
        let input = try ProcessPipe()
        let output = try ProcessPipe()
        let error = try ProcessPipe()

        var actions = Self.emptyActions
        var attributes = Self.emptyAttributes
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, input.reading, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output.writing, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, error.writing, STDERR_FILENO)
        var flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
        #if canImport(Darwin)
        flags |= POSIX_SPAWN_CLOEXEC_DEFAULT
        #else
        for descriptor in Self.openDescriptors where descriptor > STDERR_FILENO { posix_spawn_file_actions_addclose(&actions, descriptor) }
        #endif
        posix_spawnattr_setflags(&attributes, Int16(flags))
        posix_spawnattr_setpgroup(&attributes, 0)
        // What this process ignores or blocks (SIGPIPE, the signals that it drains on) must work as ever in the command.
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)

        var argv = arguments.map { strdup($0) } + [nil]
        var envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer {
            argv.forEach { free($0) }
            envp.forEach { free($0) }
        }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, path, &actions, &attributes, &argv, &envp)
        close(input.reading)
        close(output.writing)
        close(error.writing)
        guard result == 0 else {
            for descriptor in [input.writing, output.reading, error.reading] { close(descriptor) }
            throw CommandFailure.failed("cannot start \(path): \(String(cString: strerror(result)))", code: "spawn_failed")
        }
        self.pid = pid
        self.input = input.writing
        self.output = output.reading
        self.error = error.reading
        for descriptor in [input.writing, output.reading, error.reading] {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
    }

    deinit {
        for case let descriptor? in [input, output, error] { close(descriptor) }
    }

    /// Sends a signal to the command and what it started. Right only until ``reap()`` has given a status.
    func signal(_ signal: Int32) { kill(-pid, signal) }

    /// How the command ended, if it has.
    func reap() -> ExitStatus? {
        var status: Int32 = 0
        var result = waitpid(pid, &status, WNOHANG)
        while result < 0 && errno == EINTR { result = waitpid(pid, &status, WNOHANG) }
        guard result != 0 else { return nil }
        // Only somebody who waits for all children of this process could have taken the status; nobody here does.
        guard result == pid else { return .exited(255) }
        let signal = status & 0x7f
        return signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
    }

    enum ExitStatus: Equatable, Sendable {
        case exited(Int32)
        case signalled(Int32)
    }

    /// The file that the shell would run for this command name, if there is one.
    static func path(of command: String, searching path: String? = ProcessInfo.processInfo.environment["PATH"]) -> String? {
        func isExecutable(_ file: String) -> Bool {
            var isDirectory: ObjCBool = false
            return access(file, X_OK) == 0 && FileManager.default.fileExists(atPath: file, isDirectory: &isDirectory)
                && !isDirectory.boolValue
        }
        guard !command.contains("/") else { return isExecutable(command) ? command : nil }
        let folders = (path ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":", omittingEmptySubsequences: false)
        return folders.lazy.map { ($0.isEmpty ? "." : String($0)) + "/" + command }.first(where: isExecutable)
    }

    /// What this process has open. Descriptors opened by other threads meanwhile are close-on-exec, as all of this program's are; this covers
    /// those that it inherited itself.
    private static var openDescriptors: [Int32] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []).compactMap { Int32($0) }
    }

    #if canImport(Darwin)
    private static var emptyActions: posix_spawn_file_actions_t? { nil }
    private static var emptyAttributes: posix_spawnattr_t? { nil }
    #else
    private static var emptyActions: posix_spawn_file_actions_t { posix_spawn_file_actions_t() }
    private static var emptyAttributes: posix_spawnattr_t { posix_spawnattr_t() }
    #endif
}

/// A pipe, both of whose ends are closed in programs that are started.
struct ProcessPipe {
    let reading: Int32
    let writing: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw CommandFailure.failed("cannot make a pipe: \(String(cString: strerror(errno)))", code: "spawn_failed")
        }
        // Standard streams of this process that were closed must not be taken for the pipe: dup2 onto itself would leave it close-on-exec.
        for index in ends.indices {
            let end = ends[index]
            if end <= STDERR_FILENO {
                ends[index] = fcntl(end, F_DUPFD, STDERR_FILENO + 1)
                close(end)
            }
            _ = fcntl(ends[index], F_SETFD, FD_CLOEXEC)
        }
        reading = ends[0]
        writing = ends[1]
    }
}
