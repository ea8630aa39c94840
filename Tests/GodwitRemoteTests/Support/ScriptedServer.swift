import NIOCore
import NIOPosix
import Synchronization

/// A server that is none: it notes what it is asked, and answers what a test says, or not at all.
final class ScriptedServer: Sendable {
    /// A request as it came.
    struct Request: Sendable {
        /// Such as `POST /v1/commit`.
        var line: String
        var body: [UInt8]
    }

    /// The bytes of an answer; nil to leave the request unanswered.
    typealias Script = @Sendable (Request) -> [UInt8]?

    private struct State {
        var script: Script
        var requests: [Request] = []
        var connections: [ObjectIdentifier: any Channel] = [:]
    }

    private let state: Mutex<State>
    private let listener: any Channel

    private init(_ listener: any Channel, _ script: @escaping Script) {
        self.listener = listener
        state = Mutex(State(script: script))
    }

    var url: String { "http://127.0.0.1:\(listener.localAddress?.port ?? 0)" }

    /// What was asked so far, of a path that begins so.
    func requests(_ line: String = "") -> [Request] { state.withLock { $0.requests.filter { $0.line.hasPrefix(line) } } }

    func change(_ script: @escaping Script) { state.withLock { $0.script = script } }

    /// Runs one for the time of `body`.
    static func run(_ script: @escaping Script = { _ in nil }, _ body: (ScriptedServer) async throws -> Void) async throws {
        let box = Mutex(ScriptedServer?.none)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let server = box.withLock({ $0 }) else { return }
                    server.state.withLock { $0.connections[ObjectIdentifier(channel)] = channel }
                    try channel.pipeline.syncOperations.addHandler(RequestHandler(server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = ScriptedServer(listener, script)
        box.withLock { $0 = server }
        do { try await body(server) } catch {
            try? await server.stop()
            throw error
        }
        try await server.stop()
    }

    /// Ends all connections.
    func cutAll() {
        for channel in state.withLock({ Array($0.connections.values) }) { channel.close(promise: nil) }
    }

    private func stop() async throws {
        cutAll()
        try await listener.close()
    }

    fileprivate func answer(_ request: Request) -> [UInt8]? {
        let script = state.withLock { state in
            state.requests.append(request)
            return state.script
        }
        return script(request)
    }

    fileprivate func leave(_ channel: any Channel) { state.withLock { _ = $0.connections.removeValue(forKey: ObjectIdentifier(channel)) } }

    /// An answer with a head and a body.
    static func answer(_ status: String, type: String? = nil, _ body: [UInt8] = [], headers: String = "") -> [UInt8] {
        let type = type.map { "Content-Type: \($0)\r\n" } ?? ""
        return Array("HTTP/1.1 \(status)\r\n\(type)\(headers)Content-Length: \(body.count)\r\n\r\n".utf8) + body
    }
}

private final class RequestHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let server: ScriptedServer
    private var received: [UInt8] = []

    init(_ server: ScriptedServer) { self.server = server }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += unwrapInboundIn(data).readableBytesView
        while let request = nextRequest() {
            guard let answer = server.answer(request) else { continue }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: answer)), promise: nil)
        }
    }

    private func nextRequest() -> ScriptedServer.Request? {
        guard let end = received.indices.first(where: { received[$0...].starts(with: [13, 10, 13, 10]) }) else { return nil }
        let lines = String(decoding: received[..<end], as: UTF8.self).split(separator: "\r\n")
        let length = lines.first { $0.lowercased().hasPrefix("content-length:") }.flatMap { Int($0.drop { !$0.isNumber }) } ?? 0
        guard received.count >= end + 4 + length else { return nil }
        defer { received.removeFirst(end + 4 + length) }
        let line = lines.first.map { $0.split(separator: " ").prefix(2).joined(separator: " ") } ?? ""
        return ScriptedServer.Request(line: line, body: Array(received[(end + 4)..<(end + 4 + length)]))
    }

    func channelInactive(context: ChannelHandlerContext) { server.leave(context.channel) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Waits until something is so.
func eventually(within limit: Duration = .seconds(15), _ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < end else { throw TestTrouble("it did not become so in \(limit)") }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// Counts up from 1.
final class Counter: Sendable {
    private let value = Atomic(0)
    func next() -> Int { value.add(1, ordering: .relaxed).newValue }
}
