import GodwitHTTP
import HTTPTypes
import NIOHTTP1

extension Problem {
    /// What came is no request that HTTP/1.1 allows (RFC 9112), or is larger than a request's head may be.
    static func violation(_ error: HTTPParserError) -> Problem {
        switch error {
        case .headerOverflow:
            Problem(
                .requestHeaderFieldsTooLarge,
                "head_too_large",
                "the request's line and headers are larger than this server takes: send fewer and shorter ones",
                field: "head"
            )
        case .invalidMethod:
            Problem(
                .notImplemented,
                "method_unknown",
                "no request has this method: see /openapi.json for those that there are",
                field: "method"
            )
        case .invalidEOFState, .closedConnection:
            Problem(.badRequest, "bad_request", "the connection ended before the request did: send it again")
        default:
            Problem(.badRequest, "bad_request", "this is not valid HTTP/1.1 (\(error)): check what sends it, and any proxy in between")
        }
    }
}
