import Godwit
import GodwitCore
import HTTPTypes
import Hummingbird
import Tracing

/// The span of one request, named and described by OpenTelemetry's semantic conventions for HTTP servers and messaging. There is one only
/// where the program has bootstrapped a tracer.
struct RequestSpan: Sendable {
    /// Links from one span: a batch has more jobs than anybody follows.
    private static let mostLinks = 32

    private let span: any Span
    private let context: ServiceContext

    /// Answers a request in its span. Its parent is the span that a middleware around the routes has begun, else what the client sent.
    /// - Parameter template: the route's path as the router knows it.
    static func with(
        _ request: Request,
        route: Route,
        template: String?,
        _ answer: (RequestSpan) async throws -> Response
    ) async throws -> Response {
        let outer = ServiceContext.current
        var context = outer ?? .topLevel
        if outer == nil { InstrumentationSystem.instrument.extract(request.headers, into: &context, using: FieldExtractor()) }
        let path = (template ?? "/" + route.path).asTemplate
        let name = "\(request.method.rawValue) \(path)"
        return try await withSpan(name, context: context, ofKind: outer == nil ? .server : .internal) { span in
            describe(request, route, path, on: span)
            let response = try await answer(RequestSpan(span: span, context: span.context))
            span.attributes["http.response.status_code"] = response.status.code
            if response.status.code >= 500 {
                span.attributes["error.type"] = String(response.status.code)
                span.setStatus(SpanStatus(code: .error))
            }
            return response
        }
    }

    private static func describe(_ request: Request, _ route: Route, _ path: String, on span: any Span) {
        span.attributes["http.request.method"] = request.method.rawValue
        span.attributes["http.route"] = path
        // Who knows a lease may settle its job: it stays out of traces, which others read.
        span.attributes["url.path"] = route.pathItems.contains("lease") ? path : request.uri.path
        if let scheme = request.head.scheme { span.attributes["url.scheme"] = scheme }
        if let authority = request.head.authority { describe(server: authority, on: span) }
        if let agent = request.headers[.userAgent] { span.attributes["user_agent.original"] = agent }
        if let address = Connection.current?.address { span.attributes["client.address"] = address }
        guard let operation = route.operation else { return }
        span.attributes["messaging.system"] = "godwit"
        span.attributes["messaging.operation.name"] = operation.name
        span.attributes["messaging.operation.type"] = operation.type
    }

    /// - Parameter authority: what the client calls the server: `host`, `host:port`, `[address]:port`.
    private static func describe(server authority: String, on span: any Span) {
        var host = authority[...]
        if let colon = authority.lastIndex(of: ":"), let port = Int(authority[authority.index(after: colon)...]) {
            host = authority[..<colon]
            span.attributes["server.port"] = port
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        span.attributes["server.address"] = String(host)
    }

    /// What the jobs of the request go on with.
    var jobTrace: JobTrace {
        var headers: [String: String] = [:]
        TraceHeaders.inject(context, into: &headers)
        return JobTrace(headers.map { Header(name: $0.key, value: $0.value) }.sorted { $0.name < $1.name })
    }

    func note(queue: QueueName) { span.attributes["messaging.destination.name"] = queue.description }
    func note(job: JobID) { span.attributes["messaging.message.id"] = job.description }
    func note(jobs: Int) { span.attributes["messaging.batch.message_count"] = jobs }

    /// Links the span to the contexts that jobs bring with them, or carry; the request's own is its parent already.
    func link(to jobs: some Sequence<[Header]>, of request: HTTPFields) {
        var known: Set<String> = Set(request[values: .traceparent])
        let most = known.count + Self.mostLinks
        for headers in jobs where known.count < most {
            guard let trace = TraceContext(headers), known.insert(trace.parent).inserted else { continue }
            let named = Dictionary(trace.headers.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
            span.addLink(SpanLink(context: TraceHeaders.context(from: named), attributes: [:]))
        }
    }
}

private struct FieldExtractor: Extractor {
    func extract(key: String, from fields: HTTPFields) -> String? { HTTPField.Name(key).flatMap { fields[$0] } }
}

extension String {
    /// `/v1/queues/:queue/jobs` as OpenTelemetry writes it: `/v1/queues/{queue}/jobs`.
    fileprivate var asTemplate: String {
        split(separator: "/", omittingEmptySubsequences: false).map { $0.hasPrefix(":") ? "{\($0.dropFirst())}" : String($0) }
            .joined(separator: "/")
    }
}
