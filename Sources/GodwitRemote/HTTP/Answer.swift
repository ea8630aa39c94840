import Foundation
import GodwitCore
import GodwitWire
import NIOHTTP1

/// What a server answered, whole.
struct Answer: Sendable {
    var status: Int
    var headers: HTTPHeaders
    var body: [UInt8]
    /// Whether a server answered at this URL before: what nobody knows anything of there now is a gateway's that does not find it just now.
    var isWhereAServerWas = false

    init(status: Int, headers: HTTPHeaders, body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    var isBatch: Bool { mediaType == WireFormat.mediaType }

    private var mediaType: String? {
        headers.first(name: "Content-Type").map { value in
            value.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces).lowercased()
        }
    }

    /// How long the server waited for jobs, as far as it says so.
    var waited: Duration? { headers.first(name: "Godwit-Waited").flatMap { Int64($0) }.map { .milliseconds($0) } }

    /// What the document in it says.
    /// - Throws: why there is none, or what the server refused.
    func document<Value>(_ decode: (Bytes) throws(WireError) -> Value) throws(ExchangeFailure) -> Value {
        guard status == 200 else { throw failure }
        guard isBatch else {
            if isWhereAServerWas { throw somebodyElses }
            throw .refused(
                BrokerError(
                    .unsupportedURL,
                    "what answers at this URL is no Godwit server that other processes can use (it answers with "
                        + "\(mediaType?.prefix(100) ?? "no content type")): check the URL, and the server's version",
                    field: "url"
                )
            )
        }
        do throws(WireError) { return try decode(Bytes(body)) } catch { throw .unreadable(error.description) }
    }

    /// What an answer that is no success says.
    var failure: ExchangeFailure {
        let said = refusal
        switch status {
        case 401:
            return .refused(
                BrokerError(
                    .unauthorized,
                    "the server wants a token, or another one (\(said?.message ?? "it answered 401")): give it as `token`, or in GODWIT_TOKEN",
                    field: "token"
                )
            )
        case 403:
            let text = said?.message ?? "the server does not let this client do that: use a token that may"
            return .refused(BrokerError(said?.code ?? .forbidden, text, field: said?.field ?? "token"))
        // A gateway says that when the server went in the middle of a request, too.
        case 503 where said == nil: return somebodyElses
        case 429, 503:
            switch said?.code {
            // What it was doing when that happened is not known.
            case .storeFailed?, .storeCorrupt?, .closed?, .unavailable?, .outcomeUnknown?: return .lost(said?.message ?? "")
            case .busy?, .diskFull?: return .busy(waiting(said ?? .busy(retryAfter: .zero)))
            default: return .busy(waiting(.busy(said?.message ?? "it answered \(status)", retryAfter: said?.retryAfter ?? .zero)))
            }
        // What came to the server was no request of this client's: something in between cut it short, or changed it.
        case 400 where said?.code.rawValue == "bad_request": return .lost(said?.message ?? "")
        case 408, 500...: return .lost(said.map { "\(status), \($0.message)" } ?? "it answered \(status)")
        case _ where isWhereAServerWas && said == nil && isNowhere: return somebodyElses
        case 404 where said == nil || said?.code.rawValue == "not_found", 405, 300..<400:
            return .refused(
                BrokerError(
                    .unsupportedURL,
                    "the server does not know what other processes use it by (\(said?.message ?? "it answered \(status)")): check the URL, "
                        + "and that the server is not older than this client",
                    field: "url"
                )
            )
        default:
            return .refused(said ?? BrokerError(.invalidArgument, "the server refused the request: it answered \(status)"))
        }
    }

    /// Whether it says that there is nothing at this URL, or elsewhere.
    private var isNowhere: Bool { status == 404 || status == 405 || (300..<400).contains(status) }

    /// It is not the server that says it, and whether the server got the request is not known.
    private var somebodyElses: ExchangeFailure { .lost("the answer (\(status)) is not the server's, but of something between") }

    /// With the wait that the answer asks for, in its document or its head.
    private func waiting(_ error: BrokerError) -> BrokerError {
        var error = error
        if error.retryAfter ?? .zero == .zero {
            let seconds = headers.first(name: "Retry-After").flatMap { Int64($0) } ?? 1
            error.retryAfter = .seconds(min(300, max(1, seconds)))
        }
        return error
    }

    private var refusal: BrokerError? {
        if isBatch { return try? Wire.decodeError(Bytes(body)) }
        guard mediaType == "application/problem+json", body.count <= 64 << 10,
            let problem = try? JSONDecoder().decode(Problem.self, from: Data(body))
        else { return nil }
        return BrokerError(
            BrokerError.Code(rawValue: problem.code),
            problem.detail ?? "it answered \(status)",
            field: problem.field,
            retryAfter: problem.retryAfterMilliseconds.map { .milliseconds($0) }
        )
    }

    /// A problem document (RFC 9457), as the server's HTTP interface writes it.
    private struct Problem: Decodable {
        var code: String
        var detail: String?
        var field: String?
        var retryAfterMilliseconds: Int64?

        enum CodingKeys: String, CodingKey {
            case code, detail, field
            case retryAfterMilliseconds = "retry_after_ms"
        }
    }
}
