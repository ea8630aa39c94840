import Godwit
import HTTPTypes
import Hummingbird

/// An error as RFC 9457 says it: a stable code for programs, words for people.
struct Problem: Error {
    var status: HTTPResponse.Status
    var code: String
    var detail: String
    var field: String?
    var retryAfter: Duration?

    init(_ status: HTTPResponse.Status, _ code: String, _ detail: String, field: String? = nil) {
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
    }

    /// What the queue refuses. Busy is no failure: it is the queue's way to stay quick, and it says when to come back.
    init(_ error: BrokerError) {
        let status: HTTPResponse.Status =
            switch error.code {
            case .busy, .diskFull: .serviceUnavailable
            case .keyConflict: .unprocessableContent
            case .invalidArgument, .tooLarge: .badRequest
            default: .internalServerError
            }
        self.init(status, error.code.rawValue, error.message, field: error.field)
        retryAfter = status == .serviceUnavailable ? error.retryAfter ?? .seconds(5) : nil
    }
}

extension Problem: HTTPResponseError {
    private struct Document: Encodable {
        var title: String
        var status: Int
        var code: String
        var detail: String
        var field: String?
        var retryAfterMilliseconds: Int?

        enum CodingKeys: String, CodingKey {
            case title, status, code, detail, field
            case retryAfterMilliseconds = "retry_after_ms"
        }
    }

    func response(from request: Request, context: some RequestContext) throws -> Response {
        let milliseconds = retryAfter.map { Int(($0 / .milliseconds(1)).rounded(.up)) }
        let document = Document(
            title: status.reasonPhrase,
            status: status.code,
            code: code,
            detail: detail,
            field: field,
            retryAfterMilliseconds: milliseconds
        )
        var response = try Response(status: status, json: document)
        response.headers[.contentType] = "application/problem+json"
        // The header has whole seconds only, and at least one; the document is exact.
        response.headers[.retryAfter] = milliseconds.map { String(max(1, ($0 + 999) / 1000)) }
        return response
    }
}
