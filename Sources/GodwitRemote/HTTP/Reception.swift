import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization

/// Takes one answer, piece by piece, into one array.
final class Reception: HTTPClientResponseDelegate {
    /// The answer is larger than one can be.
    struct TooLarge: Error {}

    private struct State {
        var wasSent = false
        var head: HTTPResponseHead?
        var body: [UInt8] = []
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Whether the request, or a part of it, was given to a connection.
    var wasSent: Bool { state.withLock { $0.wasSent } }

    func didSendRequestHead(task: HTTPClient.Task<Answer>, _ head: HTTPRequestHead) { state.withLock { $0.wasSent = true } }

    func didReceiveHead(task: HTTPClient.Task<Answer>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        let length = head.headers.first(name: "Content-Length").flatMap { Int($0) } ?? 0
        guard length <= limit else { return task.eventLoop.makeFailedFuture(TooLarge()) }
        state.withLock {
            $0.head = head
            $0.body.reserveCapacity(length)
        }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Answer>, _ part: ByteBuffer) -> EventLoopFuture<Void> {
        let fits = state.withLock { state in
            guard state.body.count + part.readableBytes <= limit else { return false }
            part.withUnsafeReadableBytes { state.body.append(contentsOf: $0) }
            return true
        }
        return fits ? task.eventLoop.makeSucceededVoidFuture() : task.eventLoop.makeFailedFuture(TooLarge())
    }

    func didFinishRequest(task: HTTPClient.Task<Answer>) throws -> Answer {
        try state.withLock { state in
            guard let head = state.head else { throw HTTPClientError.remoteConnectionClosed }
            return Answer(status: Int(head.status.code), headers: head.headers, body: state.body)
        }
    }
}

/// Passes the pieces of a stream on; what is no stream is an answer.
final class StreamReception: HTTPClientResponseDelegate {
    private struct State {
        var wasSent = false
        var answer: Answer?
    }

    private static let longestRefusal = 64 << 10

    private let receive: @Sendable (ByteBuffer) -> Void
    private let state = Mutex(State())

    init(receive: @escaping @Sendable (ByteBuffer) -> Void) { self.receive = receive }

    var wasSent: Bool { state.withLock { $0.wasSent } }

    func didSendRequestHead(task: HTTPClient.Task<Answer>, _ head: HTTPRequestHead) { state.withLock { $0.wasSent = true } }

    func didReceiveHead(task: HTTPClient.Task<Answer>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        state.withLock { $0.answer = Answer(status: Int(head.status.code), headers: head.headers, body: []) }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Answer>, _ part: ByteBuffer) -> EventLoopFuture<Void> {
        let isStream = state.withLock { state in
            guard var answer = state.answer, !answer.isStream else { return true }
            // The array is the state's alone while it grows.
            state.answer = nil
            answer.body.append(contentsOf: part.readableBytesView.prefix(max(0, Self.longestRefusal - answer.body.count)))
            state.answer = answer
            return false
        }
        if isStream { receive(part) }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<Answer>) throws -> Answer {
        guard let answer = state.withLock({ $0.answer }) else { throw HTTPClientError.remoteConnectionClosed }
        return answer
    }
}

extension Answer {
    /// Whether the body is a stream of events.
    var isStream: Bool { status == 200 && isBatch }
}
