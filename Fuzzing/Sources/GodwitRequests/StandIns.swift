package import GodwitCore
package import HTTPTypes

// What the decoders know of the rest of GodwitHTTP, which has a web framework under it.

/// A refusal, without the answer that is made of it.
package struct Problem: Error, Sendable {
    package var status: HTTPResponse.Status
    package var code: String
    package var detail: String
    package var field: String?

    package init(_ status: HTTPResponse.Status, _ code: String, _ detail: String, field: String? = nil) {
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
    }

    package static func invalid(_ field: String, _ detail: String) -> Problem {
        Problem(.badRequest, "invalid_argument", detail, field: field)
    }

    package static func unknownOption(_ name: String, known: [String]) -> Problem {
        Problem(.badRequest, "unknown_option", known.joined(separator: ", "), field: String(name.prefix(100)))
    }

    package static func invalidJSON(_ error: JSONError, field: String? = nil) -> Problem {
        Problem(.badRequest, "invalid_json", "\(error.message) at byte \(error.offset)", field: field)
    }

    static func tooLarge(_ field: String, limit: Int) -> Problem {
        Problem(.contentTooLarge, "too_large", "\(limit)", field: field)
    }
}

enum JobRoutes {
    struct Limits {
        var jobBytes = 1 << 20
        var batchBytes = 16 << 20
    }
}

enum CommitController {
    static func check(_ count: Int) throws(Problem) {
        guard (1...1_000).contains(count) else { throw .invalid("transactions", "\(count)") }
    }

    static func check(operations count: Int) throws(Problem) {
        guard count <= 10_000 else { throw .invalid("transactions", "\(count)") }
    }
}

enum ExportController {
    static let format = 1
}

enum ImportMark {
    static func isNone(_ key: RecordKey) -> Bool { !key.name.hasPrefix("import:") }
}
