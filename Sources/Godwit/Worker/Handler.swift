import GodwitCore

/// A registered handler, its job type erased.
final class Handler: Sendable {
    let name: String
    let queue: String
    let retry: RetryPolicy
    let timeout: Duration?
    /// Decodes the payload, runs the job, and encodes its result.
    /// - Throws: ``JobFailure`` for a payload that cannot be read; whatever the handler throws.
    let run: nonisolated(nonsending) @Sendable (Bytes, JobContext) async throws -> Content?

    init<J: Job>(
        _ type: J.Type,
        retry: RetryPolicy,
        timeout: Duration?,
        body: nonisolated(nonsending) @escaping @Sendable (J, JobContext) async throws -> Content?
    ) {
        name = J.name
        queue = J.queue
        self.retry = retry
        self.timeout = timeout
        run = { payload, context in
            let job: J
            do {
                job = try JobCoding.decode(J.self, from: payload)
            } catch {
                throw JobFailure.unreadable("\(J.self)", error)
            }
            return try await body(job, context)
        }
    }
}

extension JobFailure {
    /// A payload that is no such job: repeating the attempt would not change that.
    fileprivate static func unreadable(_ type: String, _ error: any Error) -> JobFailure {
        .permanent("the payload is no \(type): \(text(error))", code: "invalid_payload")
    }

    private static func text(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "\(error)" }
        switch error {
        case .keyNotFound(let key, let context): return "the key \"\(path(context, key))\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            let place = path(context, nil)
            return (place.isEmpty ? "" : "at \"\(place)\": ") + context.debugDescription
        @unknown default: return "\(error)"
        }
    }

    private static func path(_ context: DecodingError.Context, _ key: (any CodingKey)?) -> String {
        (context.codingPath + (key.map { [$0] } ?? [])).map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
    }
}
