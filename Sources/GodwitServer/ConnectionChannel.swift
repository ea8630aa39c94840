import GodwitHTTP
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes
import NIOSSL
import Synchronization

/// Connections as this server sets them up: HTTP/1.1 with a ``ConnectionHandler`` in the pipeline, and a ``Connection``
/// that the routes find.
struct ConnectionChannel: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let inner: HTTP1Channel.Value
        let connection: Connection
        var channel: any Channel { inner.channel }
    }

    let responder: HTTPChannelHandler.Responder
    let options: ServerOptions
    let tls: TLSContext?
    let statistics: ServerStatistics

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let statistics = statistics
        let open = statistics.connections.add(1, ordering: .relaxed).newValue
        channel.closeFuture.whenComplete { _ in statistics.connections.subtract(1, ordering: .relaxed) }
        let isOver = open > options.maxConnections
        let connection = Connection(address: channel.remoteAddress?.ipAddress)
        let limits = ConnectionLimits(
            request: TimeAmount(options.requestTimeout),
            idle: TimeAmount(options.idleTimeout),
            unread: options.limits.drainBytes
        )
        let http = http {
            if isOver { return CrowdedHandler(statistics) }
            return ConnectionHandler(connection: connection, limits: limits, statistics: statistics)
        }
        return secured(channel).flatMap { http.setup(channel: channel, logger: logger) }.map { Value(inner: $0, connection: connection) }
    }

    /// TLS stands before all else; a handshake that does not end is a request that does not come, and is cut off as one.
    private func secured(_ channel: any Channel) -> EventLoopFuture<Void> {
        guard let tls else { return channel.eventLoop.makeSucceededVoidFuture() }
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls.current))
        }
    }

    func handle(value: Value, logger: Logger) async {
        await Connection.$current.withValue(value.connection) {
            await HTTP1Channel(responder: responder).handle(value: value.inner, logger: logger)
        }
    }

    private func http(_ handler: @escaping @Sendable () -> any RemovableChannelHandler) -> HTTP1Channel {
        HTTP1Channel(
            responder: responder,
            configuration: .init(
                additionalChannelHandlers: [handler()],
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: options.maxHeaderFieldBytes,
                    maxHeaderListSize: options.maxHeaderBytes,
                    maxHeaderFieldCount: options.maxHeaderFields
                )
            )
        )
    }
}

/// Answers 503 at once and closes: there are too many connections.
private final class CrowdedHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    private let statistics: ServerStatistics

    init(_ statistics: ServerStatistics) { self.statistics = statistics }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { refuse(context) }
    }

    func channelActive(context: ChannelHandlerContext) { refuse(context) }

    /// Whatever comes is not passed on.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    private func refuse(_ context: ChannelHandlerContext) {
        statistics.refusedConnections.add(1, ordering: .relaxed)
        let (head, body) = Self.refusal
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.close(mode: .output, promise: nil)
        // Closing with unread input would reset the connection, and the client might never read the answer.
        let loopBound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .seconds(1)) { loopBound.value.close(promise: nil) }
    }

    private static var refusal: (HTTPResponse, ByteBuffer) {
        let problem = Problem(
            .serviceUnavailable,
            "too_many_connections",
            "the server has as many connections as it may have: try again later, and reuse yours",
            retryAfter: .seconds(1)
        )
        var (head, body) = problem.document
        head.headerFields[.connection] = "close"
        return (head, body)
    }
}
