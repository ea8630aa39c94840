import HTTPTypes
import Hummingbird

/// What browsers need to hear before they let a page of an allowed origin use the server (Fetch standard, section 3.2).
enum CrossOrigin {
    private static let headers = [
        "Authorization", "Content-Type", "Godwit-Session", "Idempotency-Key", "Last-Event-ID", "Prefer", "Traceparent", "Tracestate",
    ]

    /// - Parameter asked: the headers that the page wants to send, as the browser lists them.
    static func preflight(_ origin: String, asked: String?) -> Response {
        Response(
            status: .noContent,
            headers: [
                .accessControlAllowOrigin: origin, .vary: "Origin, Access-Control-Request-Headers",
                .accessControlAllowMethods: "GET, HEAD, POST, PUT, PATCH, DELETE",
                .accessControlAllowHeaders: (headers + jobHeaders(asked)).joined(separator: ", "), .accessControlMaxAge: "600",
            ]
        )
    }

    static func permit(_ origin: String, in response: inout Response) {
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.accessControlExposeHeaders] = "Location, Retry-After, Preference-Applied, Idempotency-Replayed"
        response.headers[.vary] = "Origin"
    }

    /// Those that become a job's, whose names are the page's own.
    private static func jobHeaders(_ asked: String?) -> [String] {
        (asked ?? "").split(separator: ",").compactMap { HTTPField.Name(String($0.filter { $0 != " " && $0 != "\t" }))?.canonicalName }
            .filter { $0.hasPrefix("ce-") || $0.hasPrefix("godwit-header-") }
    }
}
