import NIOCore

/// Stands nearest to the network, and does nothing there but to be a place that a connection can be cut off at.
///
/// Closing from the other end goes by TLS, which says goodbye and waits some seconds for an answer.
final class ConnectionEdge: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = Any

    /// Closes a connection at once: what it has not sent yet is not sent.
    static func cut(_ connection: any Channel) {
        connection.eventLoop.execute {
            // Without an edge it is closed already, or not even set up.
            guard let edge = try? connection.pipeline.syncOperations.context(handlerType: ConnectionEdge.self) else {
                return connection.close(promise: nil)
            }
            edge.close(promise: nil)
        }
    }
}
