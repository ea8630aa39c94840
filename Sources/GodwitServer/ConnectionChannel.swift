import GodwitHTTP
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
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
    let census: ConnectionCensus

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let statistics = statistics, census = census
        let connection = Connection(address: channel.remoteAddress?.ipAddress)
        let block = AddressBlock(connection.address ?? "")
        let place = census.enter(channel, block)
        statistics.connections.add(1, ordering: .relaxed)
        if place != .served, !census.isOver { statistics.refusedConnections.add(1, ordering: .relaxed) }
        channel.closeFuture.whenComplete { _ in
            census.leave(channel, block, place)
            statistics.connections.subtract(1, ordering: .relaxed)
        }
        let limits = ConnectionLimits(
            request: TimeAmount(options.requestTimeout),
            idle: TimeAmount(options.idleTimeout),
            unread: options.limits.drainBytes
        )
        let http = http {
            switch place {
            case .served: ConnectionHandler(connection: connection, limits: limits, statistics: statistics)
            case .refused(let refusal): CrowdedHandler(refusal)
            case .dropped: DroppingHandler()
            }
        }
        let edged = channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(ConnectionEdge()) }
        let secured = place == .dropped ? edged : edged.flatMap { self.secured(channel) }
        // What is read in one go is decoded in one go, and a flood of small requests takes many times its bytes in memory.
        let once = channel.setOption(.maxMessagesPerRead, value: 1)
        return once.and(secured).flatMap { _ in http.setup(channel: channel, logger: logger) }.flatMapThrowing { inner in
            // A listener that ends drops what it has accepted and not begun to serve, and NIO takes it for an error of ours, which ends the process,
            // when the writer of an open connection goes: so it is kept until the connection is closed, whoever else lets go of it.
            channel.closeFuture.whenComplete { _ in withExtendedLifetime(inner) {} }
            // In front of what turns a head into one that has no target and no version any more.
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(RequestGate(), position: .before(pipeline.handler(type: HTTP1ToHTTPServerCodec.self)))
            return Value(inner: inner, connection: connection)
        }
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
