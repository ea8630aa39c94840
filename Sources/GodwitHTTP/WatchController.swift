import GodwitCore
import GodwitWire
import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle

/// One event stream for all that a client of Godwit's own watches.
struct WatchController: Sendable {
    /// Watches that are asked for, or given up, in one request, and its bytes.
    static let limit = 2 * WatchHub.watchesPerStream
    private static let requestBytes = 4 << 20
    /// When a stream that ends may be opened again.
    private static let retryAfter: Duration = .seconds(1)
    private static let writeBytes = 64 << 10

    let environment: RouteEnvironment

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] {
        [
            Route(.get, "watch", anyOf: [.publish, .work, .admin], reach: .known, handler: open),
            Route(.post, "watch/:stream", anyOf: [.publish, .work, .admin], reach: .known, handler: ask),
        ]
    }

    @Sendable private func open(_ exchange: Exchange) async throws -> Response {
        // Nobody else could read it, and many would wait for its end.
        guard BodyForm.acceptsBatch(exchange.headers) else {
            throw Problem(
                .notAcceptable,
                "not_acceptable",
                "this stream is for clients that accept \(WireFormat.mediaType): follow a job at /jobs/{id}/events",
                field: "Accept"
            )
        }
        try environment.refuseWhileDraining()
        let headers: HTTPFields = [
            .contentType: WireFormat.mediaType, .cacheControl: "no-store", HTTPField.Name("X-Accel-Buffering")!: "no",  // a literal token
        ]
        let keepAlive = exchange.limits.keepAlive, permissions = exchange.permissions
        return Response(
            status: .ok,
            headers: headers,
            body: ResponseBody { writer in
                try await write(to: &writer, keepAlive: keepAlive, permissions)
                try await writer.finish(nil)
            }
        )
    }

    /// The stream lives as long as it is written.
    private func write(to writer: inout any ResponseBodyWriter, keepAlive: Duration, _ permissions: Permissions) async throws {
        let sharedHolder = environment.sharedHolder
        let stream = environment.watches.openStream(on: environment.broker, for: permissions.access) {
            permissions.shown($0, hiding: sharedHolder)
        }
        let tenure = permissions.access.tenure
        let ticker = Task { [now = environment.now] in
            while !tenure.isOver(at: now()) {
                try await Task.sleep(for: tenure.left(at: now(), atMost: keepAlive))
                stream.tick()
            }
            stream.close()
        }
        let revocation = tenure.revoked.map { latch in (latch, latch.onSet { stream.close() }) }
        let connection = Connection.current
        let drain = environment.draining.map { latch in (latch, latch.onSet { stream.close() }) }
        let hangUp = (connection?.closed).map { latch in (latch, latch.onSet { stream.drop() }) }
        defer {
            ticker.cancel()
            stream.drop()
            for case let (latch, id)? in [drain, hangUp, revocation] { latch.remove(id) }
        }
        try await withTaskCancellationHandler {
            try await withGracefulShutdownHandler {
                try await write(stream, to: &writer)
            } onGracefulShutdown: {
                stream.close()
            }
        } onCancel: {
            stream.drop()
        }
    }

    private func write(_ stream: WatchStream, to writer: inout any ResponseBodyWriter) async throws {
        try await writer.write(ByteBuffer(bytes: WatchStreamWriter.preamble + WatchStreamWriter.frame(.opened(stream: stream.id))))
        while true {
            switch await stream.next() {
            case .events(let events):
                var buffer = ByteBuffer()
                for event in events {
                    buffer.writeBytes(WatchStreamWriter.frame(await stream.written(event)))
                    guard buffer.readableBytes >= Self.writeBytes else { continue }
                    try await writer.write(buffer)
                    buffer = ByteBuffer()
                }
                if buffer.readableBytes > 0 { try await writer.write(buffer) }
            case .alive: try await writer.write(ByteBuffer(bytes: WatchStreamWriter.frame(.alive)))
            case .closing:
                try await writer.write(ByteBuffer(bytes: WatchStreamWriter.frame(.closing(retryAfter: Self.retryAfter))))
                return
            case .gone: return
            }
        }
    }

    @Sendable private func ask(_ exchange: Exchange) async throws -> Response {
        guard BodyForm.isBatch(exchange.headers) else {
            throw Problem.unsupportedType("send \(WireFormat.mediaType)", accepts: WireFormat.mediaType)
        }
        try environment.refuseWhileDraining()
        let body = try await exchange.body(limit: Self.requestBytes)
        let requests: [WatchRequest]
        do throws(WireError) { requests = try Wire.decodeWatches(body) } catch { throw Problem(error) }
        guard requests.count <= Self.limit else {
            throw Problem.invalid("watches", "these are \(requests.count) watches: send at most \(Self.limit) at a time")
        }
        guard let stream = environment.watches.stream(exchange.item("stream")) else { throw Problem.streamNotFound }
        var permissions = exchange.permissions
        try await permissions.ask(for: Set(requests.compactMap { $0.need?.action }))
        // What is given up makes room for the others, and is given up whatever becomes of them. A watch that this request gives up is not begun.
        var givenUp: [UInt64: Int] = [:]
        for (index, request) in requests.enumerated() {
            guard case .unwatch(let number) = request else { continue }
            stream.unwatch(number)
            givenUp[number] = index
        }
        for (index, request) in requests.enumerated() {
            guard case .watch(let number, let item, let wait) = request, givenUp[number] ?? -1 < index else { continue }
            if let need = request.need, !permissions.allows(need) {
                try stream.refuse(number, .forbidden)
            } else {
                try stream.watch(number, item, wait: wait)
            }
        }
        return Response(status: .noContent)
    }
}

extension WatchRequest {
    /// What it needs leave for; nil for what is given up.
    fileprivate var need: Need? {
        switch self {
        case .watch(_, .job, _): Need(action: .watch)
        case .watch(_, .record(let key, _), _): key.need
        case .unwatch: nil
        }
    }
}
