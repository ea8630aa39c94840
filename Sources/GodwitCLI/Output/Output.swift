import Foundation

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Where commands write: results to standard output, messages to standard error.
///
/// Writes go straight to the file descriptor, whole, so that what was said is out before anything else happens; a line is one write.
enum Output {
    /// Standard output's reader is gone (`godwit jobs | head -1`): the command ends without a word, as by SIGPIPE.
    struct BrokenPipe: Error {}

    /// Makes a write to a reader that is gone an error of that write, instead of the end of the process: `serve` and `work` live on without
    /// one, and so they do without commands that do not read their input.
    static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

    /// Ends the process as a broken pipe ends others: by SIGPIPE, without a word.
    static func endByBrokenPipe() {
        signal(SIGPIPE, SIG_DFL)
        raise(SIGPIPE)
    }

    /// Whether standard error is a terminal: only then is progress shown.
    static var isErrorTerminal: Bool { isatty(STDERR_FILENO) == 1 }
    static var isInputTerminal: Bool { isatty(STDIN_FILENO) == 1 }
    static var isOutputTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    static func line(_ text: String) throws { try write(Array(text.utf8) + [0x0a]) }

    static func write(_ bytes: some Collection<UInt8>) throws { try write(ContiguousArray(bytes), to: STDOUT_FILENO) }

    /// Writes to a reader that may be slow, and keeps no task from running meanwhile: what listens for signals is one.
    static func writePatiently(_ bytes: ArraySlice<UInt8>) async throws {
        let bytes = ContiguousArray(bytes)
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
            writer.async { done.resume(with: Result { try write(bytes, to: STDOUT_FILENO) }) }
        }
    }

    private static let writer = DispatchQueue(label: "godwit.output")

    /// A message for people; nothing is done about a standard error that is closed.
    static func message(_ text: String) { try? write(ContiguousArray("\(text)\n".utf8), to: STDERR_FILENO) }

    /// Asks something, in the same line as the answer.
    static func prompt(_ text: String) { try? write(ContiguousArray(text.utf8), to: STDERR_FILENO) }

    /// A message in the form that was asked for.
    static func report(_ failure: CommandFailure, asJSON: Bool) {
        message(asJSON ? failure.json : "godwit: \(failure.message)")
    }

    /// Shows how far a long command is in one line that the next one replaces; on a terminal only.
    static func progress(_ text: String) {
        guard isErrorTerminal, getenv("TERM").map({ String(cString: $0) }) != "dumb" else { return }
        try? write(ContiguousArray("\r\u{1b}[K\(text)".utf8), to: STDERR_FILENO)
    }

    /// Takes the progress line away.
    static func endProgress() { progress("") }

    static func write(_ bytes: ContiguousArray<UInt8>, to descriptor: Int32) throws {
        try bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let piece = UnsafeRawBufferPointer(rebasing: rest)
                #if canImport(Darwin)
                let written = Darwin.write(descriptor, piece.baseAddress, piece.count)
                #elseif canImport(Musl)
                let written = Musl.write(descriptor, piece.baseAddress, piece.count)
                #else
                let written = Glibc.write(descriptor, piece.baseAddress, piece.count)
                #endif
                if written >= 0 {
                    rest = rest.dropFirst(written)
                } else if errno == EAGAIN {
                    var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&poller, 1, -1)
                } else if errno == EPIPE {
                    throw BrokenPipe()
                } else if errno != EINTR {
                    let reason = String(cString: strerror(errno))
                    throw CommandFailure.failed("cannot write to the output: \(reason)", code: "output_failed")
                }
            }
        }
    }
}
