#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// What goes into a command and comes out of it.
struct CommandStreams {
    private let payload: [UInt8]
    private let limits: CommandRun.Limits
    private let echo: Bool
    private var sent = 0
    private(set) var output: [UInt8] = []
    private(set) var isTruncated = false
    private(set) var errorTail: [UInt8] = []

    init(payload: [UInt8], limits: CommandRun.Limits, echo: Bool) {
        self.payload = payload
        self.limits = limits
        self.echo = echo
    }

    /// Waits until a stream can be used, or somebody wrote to `wake`.
    func wait(_ child: borrowing ChildProcess, wake: Int32, atMost milliseconds: Int32) {
        var descriptors = [pollfd(fd: wake, events: Int16(POLLIN), revents: 0)]
        if let input = child.input { descriptors.append(pollfd(fd: input, events: Int16(POLLOUT), revents: 0)) }
        for case let stream? in [child.output, child.error] { descriptors.append(pollfd(fd: stream, events: Int16(POLLIN), revents: 0)) }
        guard poll(&descriptors, nfds_t(descriptors.count), milliseconds) > 0, descriptors[0].revents != 0 else { return }
        var byte: UInt8 = 0
        _ = read(wake, &byte, 1)
    }

    /// Moves what can be moved without waiting; true when anything was.
    @discardableResult
    mutating func transfer(_ child: inout ChildProcess) -> Bool {
        var moved = false
        if let input = child.input {
            let (count, isDone) = feed(input)
            moved = count > 0
            if isDone {
                close(input)
                child.input = nil
            }
        }
        if let stream = child.output {
            let isOpen = drain(stream) { bytes, streams in
                streams.keepOutput(bytes); moved = true
            }
            if !isOpen {
                close(stream)
                child.output = nil
            }
        }
        if let stream = child.error {
            let isOpen = drain(stream) { bytes, streams in
                streams.keepError(bytes); moved = true
            }
            if !isOpen {
                close(stream)
                child.error = nil
            }
        }
        return moved
    }

    /// Writes as much of the payload as the pipe takes. A command that does not read all of it is within its rights.
    private mutating func feed(_ descriptor: Int32) -> (count: Int, isDone: Bool) {
        let before = sent
        while sent < payload.count {
            let count = payload[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                sent += count
            } else if count < 0 && errno == EINTR {
                continue
            } else {
                return (sent - before, errno != EAGAIN)
            }
        }
        return (sent - before, true)
    }

    /// Reads what is there; false at the stream's end.
    private mutating func drain(_ descriptor: Int32, _ keep: (ArraySlice<UInt8>, inout CommandStreams) -> Void) -> Bool {
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        // At most 1 MiB a turn, so that a command that never stops writing can still be ended.
        for _ in 0..<16 {
            let count = read(descriptor, &piece, piece.count)
            if count > 0 {
                keep(piece[..<count], &self)
            } else if count == 0 {
                return false
            } else if errno != EINTR {
                return errno == EAGAIN
            }
        }
        return true
    }

    private mutating func keepOutput(_ bytes: ArraySlice<UInt8>) {
        let room = limits.output - output.count
        output += bytes.prefix(room)
        if bytes.count > room { isTruncated = true }
    }

    private mutating func keepError(_ bytes: ArraySlice<UInt8>) {
        if echo { try? Output.write(ContiguousArray(bytes), to: STDERR_FILENO) }
        errorTail += bytes
        if errorTail.count > limits.error { errorTail.removeFirst(errorTail.count - limits.error) }
    }
}
