import Foundation
import Godwit
import GodwitCore
import GodwitHTTP
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Synchronization

/// The way to a folder that no server holds: the HTTP interface's routes in this process, without a socket.
struct LocalTransport: Transport {
    private let client: JobClient
    private let routes: RouterResponder<LocalContext>
    private let logger: Logger
    let description: String

    /// Opens the folder's store.
    /// - Parameter creating: whether a store that is not there is made, and its folder.
    /// - Throws: ``CommandFailure`` when there is no such folder, or no store in it, ``BrokerError`` `storeLocked` (names the process that
    ///   has it), `storeCorrupt`.
    static func open(folder: String, creating: Bool) async throws -> LocalTransport {
        let path = Folder.absolutePath(folder)
        if !creating {
            guard FileManager.default.fileExists(atPath: path) else {
                throw CommandFailure.unreachable("there is no folder \(path): name the one that `godwit serve --data` was given")
            }
            try Folder.refuseWithoutStore(path)
        }
        let logger = Folder.quietLogger
        let (client, _) = try await Folder.open(path, logger: logger)
        return LocalTransport(client: client, description: path, logger: logger)
    }

    init(client: JobClient, description: String, logger: Logger) {
        self.client = client
        self.description = description
        self.logger = logger
        let router = Router(context: LocalContext.self)
        // Whoever can open the folder may do everything with it.
        JobRoutes(broker: client.broker, serving: Set(JobRoutes.Action.allCases), logger: logger).add(to: router.group("v1"))
        routes = router.buildResponder()
    }

    func send(_ request: StoreRequest) async throws -> StoreResponse {
        let (response, body) = try await respond(to: request)
        let collected = Mutex<[UInt8]>([])
        try await body.write(BodyReceiver { bytes in collected.withLock { $0 += bytes } })
        return StoreResponse(status: response.status, headers: response.headerFields, body: collected.withLock { $0 })
    }

    func stream(_ request: StoreRequest, receive: @escaping @Sendable (ArraySlice<UInt8>) async throws -> Void) async throws
        -> StoreResponse
    {
        let (response, body) = try await respond(to: request)
        let collected = Mutex<[UInt8]>([])
        try await body.write(
            BodyReceiver { bytes in
                if response.status == .ok { try await receive(bytes) } else { collected.withLock { $0 += bytes } }
            }
        )
        return StoreResponse(status: response.status, headers: response.headerFields, body: collected.withLock { $0 })
    }

    func close() async { await client.close() }

    private func respond(to request: StoreRequest) async throws -> (HTTPResponse, ResponseBody) {
        let head = HTTPRequest(
            method: request.method,
            scheme: nil,
            authority: nil,
            path: request.target,
            headerFields: request.headers
        )
        let body = RequestBody(buffer: ByteBuffer(bytes: request.body))
        let response = try await routes.respond(
            to: Request(head: head, body: body),
            context: LocalContext(source: LocalContext.Source(logger: logger))
        )
        return (response.head, response.body)
    }
}

/// A request that came by no connection.
private struct LocalContext: RequestContext {
    struct Source: RequestContextSource {
        let logger: Logger
    }

    var coreContext: CoreRequestContextStorage

    init(source: Source) { coreContext = CoreRequestContextStorage(source: source) }
}

/// Takes a response's body as it is written.
private struct BodyReceiver: ResponseBodyWriter {
    private let receive: @Sendable (ArraySlice<UInt8>) async throws -> Void

    init(_ receive: @escaping @Sendable (ArraySlice<UInt8>) async throws -> Void) { self.receive = receive }

    mutating func write(_ buffer: ByteBuffer) async throws { try await receive(Array(buffer.readableBytesView)[...]) }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
