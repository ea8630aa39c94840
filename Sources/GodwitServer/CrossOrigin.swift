import HTTPTypes
import Hummingbird

/// What browsers need to hear before they let a page of an allowed origin use the server (Fetch standard, section 3.2).
enum CrossOrigin {
    static func preflight(_ origin: String) -> Response {
        Response(
            status: .noContent,
            headers: [
                .accessControlAllowOrigin: origin, .vary: "Origin", .accessControlAllowMethods: "GET, HEAD, POST, PUT, PATCH, DELETE",
                .accessControlAllowHeaders: "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, Traceparent",
                .accessControlMaxAge: "600",
            ]
        )
    }

    static func permit(_ origin: String, in response: inout Response) {
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.accessControlExposeHeaders] = "Location, Retry-After, Preference-Applied, Idempotency-Replayed"
        response.headers[.vary] = "Origin"
    }
}
