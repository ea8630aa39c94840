import AsyncHTTPClient
import Foundation
import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// The way to a server.
struct HTTPTransport: Transport {
    private let base: String
    private let token: String?
    private let client: HTTPClient

    /// - Parameters:
    ///   - url: `http://HOST:PORT` or `https://HOST:PORT`, perhaps with a path that the routes are mounted under.
    ///   - caFile: a PEM file of the certificates that sign the server's; nil for those that the system trusts.
    ///   - connections: how many requests may be under way at a time.
    /// - Throws: ``CommandFailure`` (`usage`).
    init(url: String, token: String?, caFile: String? = nil, connections: Int = 8) throws {
        guard let parsed = URLComponents(string: url), ["http", "https"].contains(parsed.scheme?.lowercased() ?? ""),
            parsed.host?.isEmpty == false,
            parsed.query == nil, parsed.fragment == nil
        else {
            throw CommandFailure.usage("\(url) is no server's URL: use one such as http://127.0.0.1:8080")
        }
        base = url.hasSuffix("/") ? String(url.dropLast()) : url
        self.token = token
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(5)
        // Longer than any long poll, and than the time between two comments of an event stream: a peer that is silent for so long is gone.
        configuration.timeout.read = .seconds(60)
        // A refused connection is an answer: whoever may wait says so with --retry-for.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connections
        configuration.httpVersion = .http1Only
        if let caFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .certificates(try Self.certificates(in: caFile))
            configuration.tlsConfiguration = tls
        }
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    private static func certificates(in file: String) throws(CommandFailure) -> [NIOSSLCertificate] {
        let certificates: [NIOSSLCertificate]
        do {
            certificates = try NIOSSLCertificate.fromPEMFile(file)
        } catch {
            throw .usage("cannot read the certificates in \(file): name a readable PEM file (\(error))")
        }
        guard !certificates.isEmpty else { throw .usage("there is no certificate in \(file): name a PEM file that has some") }
        return certificates
    }

    var description: String { base }

    func send(_ request: StoreRequest) async throws -> StoreResponse {
        try await reaching(request) {
            let response = try await client.execute(prepared(request), timeout: timeout(request))
            let body = try await response.body.collect(upTo: StoreRequest.largestAnswer)
            return StoreResponse(response, body: Array(body.readableBytesView))
        }
    }

    func stream(_ request: StoreRequest, receive: @escaping @Sendable (ArraySlice<UInt8>) async throws -> Void) async throws
        -> StoreResponse
    {
        let response = try await reaching(request) { try await client.execute(prepared(request), timeout: timeout(request)) }
        guard response.status == .ok else {
            let body = try await reaching(request) { try await response.body.collect(upTo: StoreRequest.largestAnswer) }
            return StoreResponse(response, body: Array(body.readableBytesView))
        }
        var chunks = response.body.makeAsyncIterator()
        while let chunk = try await reaching(request, { try await chunks.next() }) {
            try await receive(Array(chunk.readableBytesView)[...])
        }
        return StoreResponse(response, body: [])
    }

    func close() async { try? await client.shutdown() }

    private func prepared(_ request: StoreRequest) -> HTTPClientRequest {
        var prepared = HTTPClientRequest(url: base + request.target)
        prepared.method = HTTPMethod(rawValue: request.method.rawValue)
        for field in request.headers { prepared.headers.add(name: field.name.rawName, value: field.value) }
        if let token { prepared.headers.replaceOrAdd(name: "Authorization", value: "Bearer \(token)") }
        prepared.headers.replaceOrAdd(name: "User-Agent", value: "godwit/\(GodwitVersion.current)")
        if !request.body.isEmpty { prepared.body = .bytes(ByteBuffer(bytes: request.body)) }
        return prepared
    }

    private func timeout(_ request: StoreRequest) -> TimeAmount {
        request.timeout.map { .milliseconds(Int64($0 / .milliseconds(1))) } ?? .hours(24 * 365)
    }

    /// Runs what talks to the server, and says in the command line's words why it could not.
    private func reaching<Value>(_ request: StoreRequest, _ operation: () async throws -> Value) async throws -> Value {
        do {
            return try await operation()
        } catch let error as CommandFailure {
            throw error
        } catch is CancellationError {
            throw CancellationError()
        } catch let error as HTTPClientError where error == .cancelled {
            throw CancellationError()
        } catch is NIOTooManyBytesError {
            throw CommandFailure.answerTooLarge(base)
        } catch {
            let reason = Self.reason(error)
            guard !Self.neverConnected(error), request.method != .get else {
                throw CommandFailure.unreachable(
                    "cannot reach \(base): \(reason). Start a server with `godwit serve`, or name one with --server or GODWIT_SERVER",
                    isCertainlyUnsent: Self.neverConnected(error)
                )
            }
            throw CommandFailure.outcomeUnknown(
                "no answer came from \(base) (\(reason)), so it is not known whether the request was carried out: look before you repeat it "
                    + "(a publish with --key can be repeated safely)"
            )
        }
    }

    private static func neverConnected(_ error: any Error) -> Bool {
        error is NIOConnectionError || isFailedHandshake(error) || error as? HTTPClientError == .connectTimeout
            || (error as? IOError)?.errnoCode == ECONNREFUSED
    }

    /// Whether TLS failed before anything was sent.
    private static func isFailedHandshake(_ error: any Error) -> Bool {
        switch error {
        case let error as NIOSSLError:
            if case .handshakeFailed = error { true } else { false }
        case is NIOSSLExtraError: true
        default: false
        }
    }

    /// Whether it did because the certificate is not believed; the library tells that in words alone.
    private static func isUntrusted(_ error: any Error) -> Bool {
        error is NIOSSLExtraError || isFailedHandshake(error) && "\(error)".contains("CERTIFICATE_VERIFY_FAILED")
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case _ where isUntrusted(error):
            return
                "its certificate is not trusted here, or is another host's; name those who signed it with --ca-file or GODWIT_CA_FILE (\(error))"
        case _ where isFailedHandshake(error):
            return "TLS could not be agreed on: look whether it serves HTTPS there (\(error))"
        case let error as NIOConnectionError:
            if let failure = error.connectionErrors.first { return reason(failure.error) }
            return error.dnsAError != nil || error.dnsAAAAError != nil ? "no such host \(error.host)" : "no connection"
        case let error as IOError: return String(cString: strerror(error.errnoCode))
        case let error as HTTPClientError where error == .connectTimeout: return "no connection within 5 s"
        case let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout: return "no answer in time"
        case let error as HTTPClientError where error == .remoteConnectionClosed: return "it closed the connection"
        case let error as HTTPClientError: return error.shortDescription
        default: return "\(error)"
        }
    }
}

extension StoreResponse {
    fileprivate init(_ response: HTTPClientResponse, body: [UInt8]) {
        var fields = HTTPFields()
        for (name, value) in response.headers {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        self.init(status: .init(code: Int(response.status.code)), headers: fields, body: body)
    }
}
