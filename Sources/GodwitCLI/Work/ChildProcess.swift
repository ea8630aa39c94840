import Foundation
import Synchronization

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
    /// - Throws: what the system refused.
    init(path: String, arguments: [String], environment: [String: String]) throws(SpawnFailure) {
        var input = try ProcessPipe()
        var output = try ProcessPipe()
        var error = try ProcessPipe()
        do {
            pid = try Self.spawn(path, arguments, environment, streams: (input.reading, output.writing, error.writing))
        } catch let failure where failure.number == ENOEXEC {
            // A script that does not say who runs it: the shell does, as it is with execvp (POSIX, exec).
            let script = path.hasPrefix("-") ? "./\(path)" : path
            pid = try Self.spawn(
                "/bin/sh",
                ["sh", script] + arguments.dropFirst(),
                environment,
                streams: (input.reading, output.writing, error.writing)
            )
        }
        self.input = input.takeWriting()
        self.output = output.takeReading()
        self.error = error.takeReading()
        for case let descriptor? in [self.input, self.output, self.error] {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
    }

    /// Starts a program with these descriptors as its standard streams, in a process group of its own.
    private static func spawn(
        _ path: String,
        _ arguments: [String],
        _ environment: [String: String],
        streams: (input: Int32, output: Int32, error: Int32)
    ) throws(SpawnFailure) -> pid_t {
        var actions = emptyActions
        var attributes = emptyAttributes
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, streams.input, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, streams.output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, streams.error, STDERR_FILENO)
        var flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
        #if canImport(Darwin)
        flags |= POSIX_SPAWN_CLOEXEC_DEFAULT
        #else
        for descriptor in openDescriptors where descriptor > STDERR_FILENO { posix_spawn_file_actions_addclose(&actions, descriptor) }
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
        let result = ProcessPipe.starting.withLock { _ in posix_spawn(&pid, path, &actions, &attributes, &argv, &envp) }
        guard result == 0 else { throw SpawnFailure(what: "start \(path)", number: result) }
        return pid
    }

    deinit {
        for case let descriptor? in [input, output, error] { close(descriptor) }
    }

    /// Sends a signal to the command and what it started. Right until ``reap()`` has given a status, and after it while ``hasDescendants``.
    func signal(_ signal: Int32) { kill(-pid, signal) }

    /// Whether a process that the command started lives on in its group after the command itself was reaped.
    ///
    /// A process id is not given out again while it names a group (POSIX, "Process ID Reuse"): this asks after the command's own group.
    var hasDescendants: Bool {
        // Orphans become children of a container's first process, which this one may be: they would stay in the group as zombies.
        var status: Int32 = 0
        while waitpid(-pid, &status, WNOHANG) > 0 {}
        return kill(-pid, 0) == 0 || errno == EPERM
    }

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

/// What the system said to an attempt to start something.
struct SpawnFailure: Error, CustomStringConvertible {
    /// What could not be done.
    var what: String
    /// The error number.
    var number: Int32

    /// Whether the system may have room for it a moment later: it is out of processes, memory or descriptors, or the program is being written.
    var isLackOfRoom: Bool { [EAGAIN, ENOMEM, EMFILE, ENFILE, ETXTBSY].contains(number) }

    var description: String { "cannot \(what): \(String(cString: strerror(number)))" }
}

/// A pipe, both of whose ends are closed in programs that are started, and with this value unless they were taken.
struct ProcessPipe: ~Copyable {
    /// Held while a program starts, and while a pipe is not close-on-exec yet: the program would inherit it, and a command's input would not
    /// end before that program did.
    static let starting = Mutex(())

    private(set) var reading: Int32 = -1
    private(set) var writing: Int32 = -1

    init() throws(SpawnFailure) {
        var ends: [Int32] = [-1, -1]
        try Self.starting.withLock { _ throws(SpawnFailure) in
            guard pipe(&ends) == 0 else { throw SpawnFailure(what: "make a pipe", number: errno) }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        }
        reading = ends[0]
        writing = ends[1]
        // Standard streams of this process that were closed must not be taken for the pipe: dup2 onto itself would leave it close-on-exec.
        for end in ends where end <= STDERR_FILENO {
            let moved = fcntl(end, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
            guard moved >= 0 else { throw SpawnFailure(what: "make a pipe", number: errno) }
            close(end)
            if end == reading { reading = moved } else { writing = moved }
        }
    }

    deinit {
        for end in [reading, writing] where end >= 0 { close(end) }
    }

    /// Hands the reading end over to the caller, who closes it.
    mutating func takeReading() -> Int32 {
        defer { reading = -1 }
        return reading
    }

    /// Hands the writing end over to the caller, who closes it.
    mutating func takeWriting() -> Int32 {
        defer { writing = -1 }
        return writing
    }
}
