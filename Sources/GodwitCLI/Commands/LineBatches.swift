import Dispatch
import Foundation
import GodwitCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Reads lines in batches on a thread of its own, at most two batches ahead of whoever takes them.
///
/// A batch is handed over when it is full, or when no further input came for ``patience``: a slow producer's lines do not wait for others.
enum LineBatches {
    /// How long an unfinished batch waits for the next line.
    static let patience: Duration = .milliseconds(20)

    struct Limits: Sendable {
        var count: Int
        /// Of all items and what stands between them.
        var bytes: Int

        /// What one request takes.
        static let batch = Limits(count: GodwitCore.Limits.operations, bytes: GodwitCore.Limits.transactionBytes)
    }

    struct Batch: Sendable {
        var items: [[UInt8]] = []
        /// The numbers of its first and last lines, from 1 on.
        var firstLine = 0
        var lastLine = 0
        /// What is wrong with the line after the last one; nothing follows.
        var failure: CommandFailure?
        fileprivate var room = DispatchSemaphore(value: 0)

        /// Lets the reader go on; called once the batch is done with.
        func done() { room.signal() }

        var name: String { firstLine == lastLine ? "line \(firstLine)" : "lines \(firstLine) to \(lastLine)" }
    }

    static func read(
        from descriptor: Int32 = STDIN_FILENO,
        limits: Limits,
        encode: @escaping @Sendable ([UInt8]) throws -> [UInt8]
    ) -> AsyncStream<Batch> {
        let (stream, continuation) = AsyncStream.makeStream(of: Batch.self)
        // Room for two batches, signalled and not given at first: a semaphore must not end below the value that it began with.
        let room = DispatchSemaphore(value: 0)
        room.signal()
        room.signal()
        let run: @Sendable () -> Void = {
            var reader = LineBatchReader(descriptor: descriptor, limits: limits, encode: encode)
            room.wait()
            while var batch = reader.next() {
                batch.room = room
                let isLast = batch.failure != nil
                continuation.yield(batch)
                if isLast { break }
                room.wait()
            }
            continuation.finish()
        }
        do throws(SystemThread.StartFailure) {
            try SystemThread.start(name: "godwit-input", run)
        } catch {
            continuation.yield(Batch(failure: CommandFailure.failed("\(error)", code: "input_failed")))
            continuation.finish()
        }
        return stream
    }
}

/// Cuts input into lines and lines into batches.
struct LineBatchReader {
    private let descriptor: Int32
    private let limits: LineBatches.Limits
    private let encode: ([UInt8]) throws -> [UInt8]
    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    private var line = 0
    /// The item that did not fit into the last batch.
    private var pending: [UInt8]?

    init(descriptor: Int32, limits: LineBatches.Limits, encode: @escaping ([UInt8]) throws -> [UInt8]) {
        self.descriptor = descriptor
        self.limits = limits
        self.encode = encode
    }

    /// The next batch; nil when the input has ended. Blocks while there is no input.
    mutating func next() -> LineBatches.Batch? {
        var batch = LineBatches.Batch()
        var bytes = 2
        if let pending {
            batch.items = [pending]
            batch.firstLine = line
            batch.lastLine = line
            bytes += pending.count + 1
            self.pending = nil
        }
        do {
            while batch.items.count < limits.count {
                guard batch.items.isEmpty || hasLine || isReadable else { break }
                guard let text = try nextLine() else { break }
                line += 1
                guard !text.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) else { continue }
                let item = try encode(text)
                guard item.count + 3 <= limits.bytes else { throw Self.tooLong(limits) }
                guard bytes + item.count + 1 <= limits.bytes else {
                    pending = item
                    break
                }
                bytes += item.count + 1
                batch.items.append(item)
                if batch.firstLine == 0 { batch.firstLine = line }
                batch.lastLine = line
            }
        } catch let failure as CommandFailure {
            var failure = failure
            failure.message = "line \(max(line, 1)): \(failure.message)"
            batch.failure = failure
        } catch {
            batch.failure = CommandFailure.failed("\(error)", code: "input_failed")
        }
        return batch.items.isEmpty && batch.failure == nil ? nil : batch
    }

    private var hasLine: Bool { isAtEnd || buffer[position...].contains(0x0a) }

    /// Whether there is input, or its end, within ``LineBatches/patience``.
    private var isReadable: Bool {
        var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&poller, 1, Int32(LineBatches.patience.inMilliseconds)) != 0
    }

    private static func tooLong(_ limits: LineBatches.Limits) -> CommandFailure {
        .usage("the line is over the \(limits.bytes >> 20) MiB of a request: store it elsewhere and publish where it is")
    }

    /// The next line without its end; nil at the end of the input.
    private mutating func nextLine() throws -> [UInt8]? {
        var searched = position
        while true {
            if let end = buffer[searched...].firstIndex(of: 0x0a) {
                let text = buffer[position..<end]
                position = end + 1
                return Array(text.last == 0x0d ? text.dropLast() : text)
            }
            if isAtEnd {
                guard position < buffer.count else { return nil }
                defer { position = buffer.count }
                return Array(buffer[position...])
            }
            searched = buffer.count - position
            buffer.removeFirst(position)
            position = 0
            guard buffer.count <= limits.bytes else {
                line += 1
                throw Self.tooLong(limits)
            }
            try fill()
        }
    }

    private mutating func fill() throws {
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &piece, piece.count)
            if count > 0 {
                buffer += piece[..<count]
            } else if count == 0 {
                isAtEnd = true
            } else if errno == EINTR {
                continue
            } else {
                throw CommandFailure.failed("cannot read the input: \(String(cString: strerror(errno)))", code: "input_failed")
            }
            return
        }
    }
}
