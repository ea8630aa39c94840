import NIOCore
import Synchronization

/// A listener and its connections: who gets one, and how all of them end.
///
/// They end in one order: the listener first, so that nobody comes in any more, then the connections, and then alone the tasks that serve them. A
/// listener's task that is cancelled drops connections it has accepted and not begun to serve; they would stay open, with nobody there.
final class ConnectionCensus: Sendable {
    private struct State {
        var shares: ConnectionShares
        var listener: (any Channel)?
        var connections: [ObjectIdentifier: any Channel] = [:]
        var isOver = false
    }

    private let state: Mutex<State>

    init(_ options: ServerOptions) {
        state = Mutex(State(shares: ConnectionShares(limit: options.maxConnections, ofAddress: options.maxConnectionsPerAddress)))
    }

    /// Whether ``end()`` was called.
    var isOver: Bool { state.withLock { $0.isOver } }

    /// Where connections come from; closed at once when all is over already.
    func listens(_ listener: any Channel) async {
        let isLate = state.withLock { state in
            state.listener = listener
            return state.isOver
        }
        if isLate { try? await listener.close() }
    }

    func enter(_ connection: any Channel, _ block: AddressBlock) -> ConnectionShares.Place {
        state.withLock { state in
            guard !state.isOver else { return .dropped }
            let place = state.shares.enter(block)
            state.connections[ObjectIdentifier(connection)] = connection
            return place
        }
    }

    /// The connection is closed.
    func leave(_ connection: any Channel, _ block: AddressBlock, _ place: ConnectionShares.Place) {
        state.withLock { state in
            state.shares.leave(block, place)
            state.connections[ObjectIdentifier(connection)] = nil
        }
    }

    /// Closes the listener, and then each connection, whatever it is in the middle of.
    func end() async {
        let listener = state.withLock { state in
            state.isOver = true
            return state.listener
        }
        // One that is closed already says so by an error.
        try? await listener?.close()
        for connection in state.withLock({ Array($0.connections.values) }) { ConnectionEdge.cut(connection) }
    }
}
