import GodwitCore
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// Leases on their way to a worker. Those whose answer never reaches the network are released, uncounted, as soon as that is known.
///
/// The answer is dropped in many ways (a write that fails, a middleware that throws it away, a connection that closes before its turn), and
/// all of them end this object, so that is where the release begins.
final class LeaseAnswer: Sendable {
    private let broker: any Broker
    private let tokens: [LeaseToken]
    private let waited: Duration
    private let isDelivered = Mutex(false)

    /// - Parameter waited: how long the request waited for jobs.
    init(_ deliveries: [Delivery], waited: Duration, broker: any Broker) {
        self.broker = broker
        self.waited = waited
        tokens = deliveries.map(\.token)
    }

    func delivered() { isDelivered.withLock { $0 = true } }

    deinit {
        guard !tokens.isEmpty, !isDelivered.withLock({ $0 }) else { return }
        Task { [broker, tokens] in
            // What fails here is a store that is closed or gone; the leases then end by themselves.
            _ = try? await broker.commit(tokens.map { Transaction(.release($0, delay: nil, counted: false, to: .untouched)) })
        }
    }

    /// The answer whose delivery decides.
    func response(_ buffer: ByteBuffer, type: String) -> Response {
        let headers: HTTPFields = [
            .contentType: type, .cacheControl: "no-store", .godwitWaited: String(max(0, waited.inMilliseconds)),
        ]
        guard !tokens.isEmpty else { return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: buffer)) }
        return Response(
            status: .ok,
            headers: headers,
            body: ResponseBody(contentLength: buffer.readableBytes) { writer in
                let connection = Connection.current
                guard connection?.closed.isSet != true else { throw ChannelError.ioOnClosedChannel }
                connection?.onResponseWritten { succeeded in
                    if succeeded { self.delivered() }
                }
                try await writer.write(buffer)
                try await writer.finish(nil)
                if connection == nil { self.delivered() }
            }
        )
    }
}
