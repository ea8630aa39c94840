import GodwitHTTP
import Hummingbird
import NIOCore

/// What a form sent.
struct FormBody: Sendable {
    private static let limit = 16 << 10

    private let fields: QueryItems

    /// - Parameters:
    ///   - known: the fields that it may have, each once.
    ///   - repeatable: those that may come several times.
    static func read(_ request: Request, known: [String], repeatable: Set<String> = []) async throws -> FormBody {
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
        return FormBody(fields: try QueryItems(String(decoding: text, as: UTF8.self), known: known, repeatable: repeatable))
    }

    /// A field; nil when it is not there or empty.
    subscript(name: String) -> String? { fields[name].flatMap { $0.isEmpty ? nil : $0 } }

    func all(_ name: String) -> [String] { fields.all(name) }
}
