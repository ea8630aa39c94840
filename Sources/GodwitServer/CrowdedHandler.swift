import GodwitHTTP
import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Answers 503 at once and closes: there are too many connections.
final class CrowdedHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    /// For the answer to be read, and for a TLS handshake before it.
    private static let patience = TimeAmount.seconds(1)

    private let refusal: ConnectionShares.Refusal

    init(_ refusal: ConnectionShares.Refusal) { self.refusal = refusal }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { refuse(context) }
    }

    func channelActive(context: ChannelHandlerContext) { refuse(context) }

    /// Whatever comes is not passed on.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    private func refuse(_ context: ChannelHandlerContext) {
        var (head, body) = Self.problem(refusal).document
        head.headerFields[.connection] = "close"
        let loopBound = NIOLoopBound(context, eventLoop: context.eventLoop)
        // With TLS the answer waits for the end of the handshake.
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenSuccess { loopBound.value.close(mode: .output, promise: nil) }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
        // Closing with unread input would reset the connection, and the client might never read the answer.
        context.eventLoop.scheduleTask(in: Self.patience) { loopBound.value.close(promise: nil) }
    }

    private static func problem(_ refusal: ConnectionShares.Refusal) -> Problem {
        let detail =
            switch refusal {
            case .crowd: "the server has as many connections as it may have: try again later, and reuse yours"
            case .address:
                "your address has as many connections as one may have: try again later, and reuse yours; many clients behind one address "
                    + "need a higher max_connections_per_address of the server"
            }
        return Problem(.serviceUnavailable, "too_many_connections", detail, retryAfter: .seconds(1))
    }
}
