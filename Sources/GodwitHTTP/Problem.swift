package import GodwitCore
package import HTTPTypes
package import Hummingbird
package import NIOCore

/// An error as the interface says it: a problem document (RFC 9457) with a stable `code`, the `field` that is wrong and what to do.
///
/// Every answer that is not a success is made here. `type` is `about:blank`, so `title` is the status' own phrase; programs look at `code`.
package struct Problem: Error, Sendable {
    package var status: HTTPResponse.Status
    package var code: String
    /// What happened and what to do next.
    package var detail: String
    /// The option, header or setting that is wrong, as the caller spelled it.
    package var field: String?
    /// The least time before the next try makes sense.
    package var retryAfter: Duration?
    package var headers: HTTPFields = [:]

    package init(_ status: HTTPResponse.Status, _ code: String, _ detail: String, field: String? = nil, retryAfter: Duration? = nil) {
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.retryAfter = retryAfter
    }

    /// What a broker refused. Its arguments are named as this interface's options are.
    /// - Parameter path: what stands before the field's name, such as `[3].`.
    package init(_ error: BrokerError, path: String = "") {
        self.init(
            Self.status(of: error.code),
            error.code.rawValue,
            error.message,
            // A header is nobody's member.
            field: (error.field ?? Self.subject(of: error.code)).map { $0 == SessionHeader.field ? $0 : path + $0 },
            retryAfter: error.retryAfter
        )
        if field == nil, path.hasSuffix(".") { field = String(path.dropLast()) }
    }

    /// What a refusal is about where its code alone says that.
    private static func subject(of code: BrokerError.Code) -> String? {
        switch code {
        case .jobNotFound, .jobForgotten, .wrongState: "job"
        case .staleLease: "lease"
        case .queueNotFound, .queueNotEmpty: "queue"
        case .keyConflict: "key"
        default: nil
        }
    }

    private static func status(of code: BrokerError.Code) -> HTTPResponse.Status {
        switch code {
        case .invalidArgument, .crossHome, .unsupportedURL: .badRequest
        case .tooLarge: .contentTooLarge
        case .forbidden: .forbidden
        case .jobNotFound, .queueNotFound: .notFound
        case .jobForgotten: .gone
        case .wrongState, .staleLease, .versionConflict, .queueNotEmpty, .storeOutdated: .conflict
        case .keyConflict: .unprocessableContent
        case .busy, .diskFull, .storeLocked, .storeCorrupt, .storeNewer, .storeFailed, .closed, .unavailable, .outcomeUnknown:
            .serviceUnavailable
        default: .internalServerError
        }
    }
}

extension Problem {
    package static func invalid(_ field: String, _ detail: String) -> Problem {
        Problem(.badRequest, "invalid_argument", detail, field: field)
    }

    package static func unknownOption(_ name: String, known: [String]) -> Problem {
        let hint = known.isEmpty ? "this request takes none" : "this request takes \(known.joined(separator: ", "))"
        return Problem(.badRequest, "unknown_option", "unknown option \(name.prefix(100)): \(hint)", field: String(name.prefix(100)))
    }

    package static func invalidJSON(_ error: JSONError, field: String? = nil) -> Problem {
        Problem(.badRequest, "invalid_json", "this is not valid JSON: \(error.message) at byte \(error.offset)", field: field)
    }

    /// A body that was not read to its end, which is the connection's end, too.
    package static func tooLarge(limit: Int) -> Problem {
        var problem = tooLarge("body", limit: limit)
        problem.headers[.connection] = "close"
        return problem
    }

    /// One job's payload or result, wherever it stands.
    static func tooLarge(_ field: String, limit: Int) -> Problem {
        Problem(
            .contentTooLarge,
            "too_large",
            "\(field) is larger than \(limit) bytes: send less, or store it elsewhere and send a reference",
            field: field
        )
    }

    static let forbidden = Problem(BrokerError.forbidden)

    package static let notFound = Problem(.notFound, "not_found", "nothing is at this path: see /openapi.json for what is", field: "path")

    package static let draining = Problem(
        .serviceUnavailable,
        "draining",
        "the server is stopping: send the request again, it will be served after the restart",
        retryAfter: .seconds(1)
    )

    package static func methodNotAllowed(_ allowed: [String]) -> Problem {
        let list = allowed.joined(separator: ", ")
        var problem = Problem(.methodNotAllowed, "method_not_allowed", "this path does not take this method: use \(list)", field: "method")
        problem.headers[.allow] = list
        return problem
    }
}

extension Problem {
    /// The document as an answer.
    package var response: Response {
        let (head, body) = document
        return Response(status: head.status, headers: head.headerFields, body: ResponseBody(byteBuffer: body))
    }

    /// The answer's head and body, for where there is no router.
    package var document: (head: HTTPResponse, body: ByteBuffer) {
        var json = JSONWriter()
        write(to: &json)
        var headers = headers
        headers[.contentType] = "application/problem+json"
        headers[.cacheControl] = "no-store"
        headers[.contentLength] = String(json.buffer.readableBytes)
        if let seconds = retryAfterSeconds { headers[.retryAfter] = String(seconds) }
        return (HTTPResponse(status: status, headerFields: headers), json.buffer)
    }

    /// Whole seconds, rounded up, at least 1 and at most 5 minutes.
    package var retryAfterSeconds: Int64? {
        retryAfter.map { min(300, max(1, ($0.inMilliseconds + 999) / 1_000)) }
    }

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("type", "about:blank")
            json.member("title", status.reasonPhrase)
            json.member("status", status.code)
            json.member("detail", detail)
            json.member("code", code)
            if let field { json.member("field", field) }
            if let retryAfter { json.member("retry_after_ms", retryAfter.inMilliseconds) }
        }
    }
}
