import GodwitCore
import GodwitHTTP
import HTTPTypes

/// A way to a store that speaks the HTTP interface: over the network, or to the same routes within this process.
///
/// Every command is written once, against requests and answers; see "The command line speaks HTTP, also to a folder" in the decisions.
protocol Transport: Sendable {
    /// Sends a request and gives the whole answer.
    /// - Throws: ``CommandFailure`` (`unreachable`; `answer_too_large`), `CancellationError`.
    func send(_ request: StoreRequest) async throws -> StoreResponse

    /// Sends a request and hands the answer's body over as it comes; answers of errors come back whole.
    /// - Throws: what `receive` throws, ``CommandFailure`` (`unreachable`), `CancellationError`.
    func stream(_ request: StoreRequest, receive: @escaping @Sendable (ArraySlice<UInt8>) async throws -> Void) async throws
        -> StoreResponse

    /// Ends what the transport keeps; nothing may be sent afterwards.
    func close() async

    /// What the store is called in messages: a URL or a folder.
    var description: String { get }
}

/// A request of the HTTP interface.
struct StoreRequest: Sendable {
    /// The most that is read of an answer. Any one job fits: each byte of a text can take six in JSON (`\u0000`).
    static let largestAnswer = 6 * Limits.transactionBytes + 16 << 20

    var method: HTTPRequest.Method
    /// The path's items; each is percent-encoded.
    var path: [String]
    var query: [(name: String, value: String)]
    var headers: HTTPFields
    var body: [UInt8]
    /// How long the answer may take; as long as the server holds a long poll, and some.
    var timeout: Duration?

    init(
        _ method: HTTPRequest.Method,
        _ path: [String],
        query: [(name: String, value: String)] = [],
        headers: HTTPFields = [:],
        body: [UInt8] = [],
        timeout: Duration? = .seconds(60)
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.timeout = timeout
    }

    /// Path and query as they stand in the request line.
    var target: String {
        var text = path.map { "/" + PercentCoding.encode($0) }.joined()
        for (index, item) in query.enumerated() {
            text += (index == 0 ? "?" : "&") + PercentCoding.encode(item.name) + "=" + PercentCoding.encode(item.value)
        }
        return text
    }
}

struct StoreResponse: Sendable {
    var status: HTTPResponse.Status
    var headers: HTTPFields
    var body: [UInt8]
}
