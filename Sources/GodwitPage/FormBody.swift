import GodwitHTTP
import Hummingbird
import NIOCore

/// What a form sent.
struct FormBody: Sendable {
    private static let limit = 16 << 10

    private let fields: [(name: String, value: String)]

    static func read(_ request: Request) async throws -> FormBody {
        guard request.headers[.contentType]?.lowercased().hasPrefix("application/x-www-form-urlencoded") == true else {
            throw Problem(
                .unsupportedMediaType,
                "unsupported_media_type",
                "this is for the page's own forms: programs use the interface under /v1",
                field: "Content-Type"
            )
        }
        var text: [UInt8] = []
        for try await part in request.body {
            guard text.count + part.readableBytes <= limit else { throw Problem.tooLarge(limit: limit) }
            text.append(contentsOf: part.readableBytesView)
        }
        return try FormBody(String(decoding: text, as: UTF8.self))
    }

    init(_ text: String) throws(Problem) {
        var fields: [(name: String, value: String)] = []
        for part in text.split(separator: "&") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentCoding.decode(pair[0], plusIsSpace: true),
                let value = PercentCoding.decode(pair.count > 1 ? pair[1] : "", plusIsSpace: true)
            else { throw .invalid("body", "the form is not properly percent-encoded UTF-8") }
            fields.append((name, value))
        }
        self.fields = fields
    }

    /// A field; nil when it is not there or empty.
    subscript(name: String) -> String? {
        fields.first { $0.name == name }.flatMap { $0.value.isEmpty ? nil : $0.value }
    }
}
