import AsyncHTTPClient
import GodwitCore
import GodwitWire
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// Sends requests to one server, over connections that are kept. Everything happens on one event loop: no request waits for a thread of the
/// cooperative pool, which a worker's handlers may block.
final class Exchanger: Sendable {
    /// A request and its whole answer.
    struct Request: Sendable {
        enum Method: Sendable { case get, post, delete }

        var method: Method
        /// From the server's URL on: `/v1/commit`.
        var path: String
        var body: [UInt8]
        /// When the whole answer must be there.
        var deadline: ContinuousClock.Instant
        /// Bytes that the answer may have.
        var limit: Int
        /// Which trace it belongs to.
        var trace: TraceContext?

        init(
            _ method: Method,
            _ path: String,
            body: [UInt8] = [],
            deadline: ContinuousClock.Instant,
            limit: Int = 64 << 20,
            trace: TraceContext? = nil
        ) {
            self.method = method
            self.path = path
            self.body = body
            self.deadline = deadline
            self.limit = limit
            self.trace = trace
        }
    }

    /// A request under way.
    struct Ongoing: Sendable {
        fileprivate let fail: @Sendable () -> Void
        /// Ends it: it is answered as ``ExchangeFailure/closed`` when it was not sent, and as lost when it may have been.
        func cancel() { fail() }
    }

    let configuration: RemoteConfiguration
    private let client: HTTPClient
    private let loop: any EventLoop
    private let headers: HTTPHeaders
    /// Whether a server was ever heard at the URL.
    private let wasHeard = Atomic(false)

    /// - Throws: ``BrokerError`` (`invalidArgument`) for trust roots that cannot be read.
    init(_ configuration: RemoteConfiguration) throws(BrokerError) {
        self.configuration = configuration
        var settings = HTTPClient.Configuration()
        settings.redirectConfiguration = .disallow
        settings.timeout.connect = TimeAmount(configuration.connectTimeout)
        // Who asks decides whether a connection is worth another try.
        settings.connectionPool.retryConnectionEstablishment = false
        // Each long poll has a connection for itself. How many requests there are at a time is bounded by those who send them.
        settings.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 10_000
        // Before the server ends an idle connection, so that no request meets its end.
        settings.connectionPool.idleTimeout = .seconds(50)
        settings.httpVersion = .http1Only
        settings.tlsConfiguration = try Self.tls(configuration.trustRoots)
        let group = MultiThreadedEventLoopGroup.singleton
        client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: settings)
        loop = group.next()
        var headers: HTTPHeaders = [
            "Accept": WireFormat.mediaType, "Content-Type": WireFormat.mediaType, "User-Agent": "godwit-swift",
        ]
        if let token = configuration.token { headers.add(name: "Authorization", value: "Bearer \(token)") }
        self.headers = headers
    }

    deinit { client.shutdown { _ in } }

    private static func tls(_ roots: RemoteConfiguration.TrustRoots) throws(BrokerError) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        do {
            switch roots {
            case .system: break
            case .file(let path): tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(path))
            case .pem(let bytes): tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(bytes))
            }
        } catch {
            let place = if case .file(let path) = roots { "the file \(path)" } else { "the text given" }
            var invalid = BrokerError.invalidArgument(
                "trustRoots",
                "no certificates can be read in \(place): see that it is there, and holds certificates as blocks of PEM"
            )
            invalid.cause = error
            throw invalid
        }
        return tls
    }

    /// Sends a request; `done` is called once, on the event loop.
    @discardableResult
    func send(_ request: Request, done: @escaping @Sendable (Result<Answer, ExchangeFailure>) -> Void) -> Ongoing {
        let reception = Reception(limit: request.limit)
        return start(request, reception, deadline: NIODeadline(request.deadline)) { result in
            done(self.heard(result, wasSent: reception.wasSent))
        }
    }

    /// Asks for a stream, whose pieces come on the event loop until `done` is called once, there.
    func stream(
        _ path: String,
        receive: @escaping @Sendable (ByteBuffer) -> Void,
        done: @escaping @Sendable (Result<Answer, ExchangeFailure>) -> Void
    ) -> Ongoing {
        let reception = StreamReception(receive: receive)
        let request = Request(.get, path, deadline: .now)
        return start(request, reception, deadline: nil) { result in
            done(self.heard(result, wasSent: reception.wasSent))
        }
    }

    private func heard(_ result: Result<Answer, any Error>, wasSent: Bool) -> Result<Answer, ExchangeFailure> {
        do {
            var answer = try result.get()
            answer.isWhereAServerWas = wasHeard.load(ordering: .relaxed)
            if !answer.isWhereAServerWas, answer.isBatch { wasHeard.store(true, ordering: .relaxed) }
            return .success(answer)
        } catch {
            return .failure(ExchangeFailure(error, wasSent: wasSent))
        }
    }

    private func start<Delegate: HTTPClientResponseDelegate>(
        _ request: Request,
        _ delegate: Delegate,
        deadline: NIODeadline?,
        _ done: @escaping @Sendable (Result<Delegate.Response, any Error>) -> Void
    ) -> Ongoing {
        var headers = headers
        for header in request.trace?.headers ?? [] { headers.add(name: header.name, value: header.value) }
        let prepared: HTTPClient.Request
        do {
            prepared = try HTTPClient.Request(
                url: configuration.url.description + request.path,
                method: request.method.http,
                headers: headers,
                body: request.body.isEmpty ? nil : .byteBuffer(ByteBuffer(bytes: request.body))
            )
        } catch {
            loop.execute { done(.failure(error)) }
            return Ongoing {}
        }
        let task = client.execute(request: prepared, delegate: delegate, eventLoop: .delegate(on: loop), deadline: deadline)
        task.futureResult.whenComplete(done)
        return Ongoing { task.cancel() }
    }

    /// Calls back on the event loop, after a while.
    @discardableResult
    func after(_ wait: Duration, _ body: @escaping @Sendable () -> Void) -> Ongoing {
        guard wait > .zero else {
            loop.execute(body)
            return Ongoing {}
        }
        let scheduled = loop.scheduleTask(in: TimeAmount(wait), body)
        return Ongoing { scheduled.cancel() }
    }

    /// Waits, on the event loop.
    /// - Parameter isInterruptible: whether it ends early when the task is cancelled, or was.
    nonisolated(nonsending) func rest(_ wait: Duration, isInterruptible: Bool) async {
        let alarm = loop.scheduleTask(in: TimeAmount(wait)) {}
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in alarm.futureResult.whenComplete { _ in continuation.resume() } }
        } onCancel: {
            if isInterruptible { alarm.cancel() }
        }
    }

    /// Ends all connections and whatever is under way on them.
    func close() async { try? await client.shutdown() }

    /// The same, without waiting for it.
    func abandon() { client.shutdown { _ in } }
}

extension Exchanger.Request.Method {
    fileprivate var http: HTTPMethod {
        switch self {
        case .get: .GET
        case .post: .POST
        case .delete: .DELETE
        }
    }
}

extension TimeAmount {
    fileprivate init(_ duration: Duration) { self = .milliseconds(max(1, duration.inMilliseconds)) }
}

extension NIODeadline {
    fileprivate init(_ instant: ContinuousClock.Instant) {
        self = .now() + .milliseconds(max(1, (instant - ContinuousClock.now).inMilliseconds))
    }
}
