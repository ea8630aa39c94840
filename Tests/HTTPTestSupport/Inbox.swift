import NIOCore
import Synchronization

/// What came and was not read yet, and who waits for more.
final class Inbox: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var hasEnded = false
        var waiting: CheckedContinuation<Void, Never>?

        mutating func wake() -> CheckedContinuation<Void, Never>? {
            defer { waiting = nil }
            return waiting
        }
    }

    private let state = Mutex(State())

    func received(_ buffer: ByteBuffer) {
        state.withLock {
            $0.bytes.append(contentsOf: buffer.readableBytesView)
            return $0.wake()
        }?.resume()
    }

    var count: Int { state.withLock { $0.bytes.count } }

    func end() {
        state.withLock {
            $0.hasEnded = true
            return $0.wake()
        }?.resume()
    }

    func bytes(_ count: Int, within limit: Duration) async throws -> [UInt8] {
        try await take(within: limit) { bytes in bytes.count >= count ? (count, Array(bytes.prefix(count))) : nil }
    }

    /// The text before a mark, which is taken with it.
    func text(until mark: String, within limit: Duration) async throws -> String {
        let mark = Array(mark.utf8)
        return try await take(within: limit) { bytes in
            guard let start = bytes.firstRange(of: mark)?.lowerBound else { return nil }
            return (start + mark.count, String(decoding: bytes[..<start], as: UTF8.self))
        }
    }

    func ended(within limit: Duration) async throws -> Bool {
        do {
            _ = try await take(within: limit) { _ in Optional<(Int, Void)>.none }
            return false
        } catch let failure as Ended {
            return failure.isEnd
        }
    }

    private struct Ended: Error, CustomStringConvertible {
        let isEnd: Bool
        let description: String
    }

    private func take<Value>(within limit: Duration, _ part: ([UInt8]) -> (Int, Value)?) async throws -> Value {
        let alarm = Task { [weak self] in
            try await Task.sleep(for: limit)
            self?.state.withLock { $0.wake() }?.resume()
        }
        defer { alarm.cancel() }
        let deadline = ContinuousClock.now + limit
        while true {
            let (value, hasEnded) = state.withLock { state -> (Value?, Bool) in
                guard let (count, value) = part(state.bytes) else { return (nil, state.hasEnded) }
                state.bytes.removeFirst(count)
                return (value, state.hasEnded)
            }
            if let value { return value }
            let rest = state.withLock { String(decoding: $0.bytes.prefix(300), as: UTF8.self) }
            if hasEnded { throw Ended(isEnd: true, description: "the connection ended; unread: \(rest)") }
            guard ContinuousClock.now < deadline else {
                throw Ended(isEnd: false, description: "nothing more came in \(limit); unread: \(rest)")
            }
            await withCheckedContinuation { continuation in
                let isLate = state.withLock { state in
                    // What came in between is looked at first.
                    if part(state.bytes) != nil || state.hasEnded || ContinuousClock.now >= deadline { return true }
                    state.waiting = continuation
                    return false
                }
                if isLate { continuation.resume() }
            }
        }
    }
}
