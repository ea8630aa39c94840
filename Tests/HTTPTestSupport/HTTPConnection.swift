import NIOCore
import NIOPosix

/// A client's connection that says exactly what a test wants said: whole requests, halves of them, or nonsense.
package final class HTTPConnection: Sendable {
    private let channel: any Channel
    private let inbox: Inbox

    private init(channel: any Channel, inbox: Inbox) {
        self.channel = channel
        self.inbox = inbox
    }

    /// - Parameter isNarrow: whether the network takes no more than about 100 KB that nobody reads, where it would take megabytes.
    package static func open(host: String = "127.0.0.1", port: Int, isNarrow: Bool = false) async throws -> HTTPConnection {
        let inbox = Inbox()
        var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
        if isNarrow {
            bootstrap =
                bootstrap
                .channelOption(.socketOption(.so_rcvbuf), value: 4_096)
                // TCP_MAXSEG: what the other side may have under way is counted in segments.
                .channelOption(ChannelOptions.Types.SocketOption(level: .tcp, name: NIOBSDSocket.Option(rawValue: 2)), value: 1_024)
        }
        let channel =
            try await bootstrap
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(InboxHandler(inbox)) }
            }
            .connect(host: host, port: port).get()
        return HTTPConnection(channel: channel, inbox: inbox)
    }

    package func send(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)) }
    package func send(_ bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)) }

    /// Sends a request with its `Content-Length`.
    package func request(_ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil) async throws {
        var head = "\(method) \(path) HTTP/1.1\r\n"
        if !headers.contains(where: { $0.0.lowercased() == "host" }) { head += "Host: localhost\r\n" }
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        if let body { head += "Content-Length: \(body.count)\r\n" }
        var buffer = ByteBuffer(string: head + "\r\n")
        if let body { buffer.writeBytes(body) }
        try await channel.writeAndFlush(buffer)
    }

    /// The next answer's head and whole body.
    package func reply(to method: String = "GET", within limit: Duration = .seconds(20)) async throws -> HTTPReply {
        var reply = try await head(within: limit)
        if method == "HEAD" || reply.status == 204 || reply.status / 100 == 1 { return reply }
        if let length = reply["content-length"].flatMap({ Int($0) }) {
            reply.body = try await inbox.bytes(length, within: limit)
        } else if reply["transfer-encoding"]?.lowercased() == "chunked" {
            while let chunk = try await chunk(within: limit) { reply.body += chunk }
        }
        return reply
    }

    /// The next answer's head alone; its body follows by ``chunk(within:)``.
    package func head(within limit: Duration = .seconds(20)) async throws -> HTTPReply {
        try HTTPReply(head: await inbox.text(until: "\r\n\r\n", within: limit))
    }

    /// The next chunk of a chunked body; nil after the last one.
    package func chunk(within limit: Duration = .seconds(20)) async throws -> [UInt8]? {
        let line = try await inbox.text(until: "\r\n", within: limit)
        guard let count = Int(line, radix: 16) else { throw TestFailure("no chunk size: \(line)") }
        let bytes = try await inbox.bytes(count, within: limit)
        _ = try await inbox.bytes(2, within: limit)
        return count == 0 ? nil : bytes
    }

    /// Waits until the server has closed its side; false when it has not in time.
    package func isClosedByServer(within limit: Duration) async throws -> Bool { try await inbox.ended(within: limit) }

    /// What still comes stays in the network.
    package func stopReading() async throws { try await channel.setOption(.autoRead, value: false).get() }

    package func goOnReading() async throws { try await channel.setOption(.autoRead, value: true).get() }

    /// Bytes that came and were not taken by the test yet.
    package var receivedBytes: Int { inbox.count }

    package func closeOutput() async throws { try await channel.close(mode: .output) }
    package func close() async throws { try await channel.close() }
}

package struct TestFailure: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

private final class InboxHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let inbox: Inbox

    init(_ inbox: Inbox) { self.inbox = inbox }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { inbox.received(unwrapInboundIn(data)) }
    func channelInactive(context: ChannelHandlerContext) { inbox.end() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        inbox.end()
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { inbox.end() }
        context.fireUserInboundEventTriggered(event)
    }
}
