import Foundation
import GodwitCore
import GodwitHTTP
import HTTPTypes

/// A job that is to be published: its payload as it is, and its options in the interface's spelling.
struct NewJob: Sendable {
    var payload: [UInt8]
    /// Nil lets the store find out: JSON if it parses, else text if it is UTF-8, else bytes.
    var contentType: String?
    /// Names as query items spell them (`run-at`), values as given.
    var options: [(name: String, value: String)]
    var key: String?
    /// The trace that it belongs to.
    var trace = TraceContext(environment: ProcessInfo.processInfo.environment)

    /// What a request's first line may take: servers and proxies that are set up as usual take as much.
    private static let longestTarget = 8 << 10

    /// Publishes this one job: in a batch where its options are too long for a query.
    func publish(to queue: String, at store: Store) async throws -> JSONValue {
        let request = request(queue: queue)
        guard request.target.utf8.count > Self.longestTarget else { return try await store.json(request) }
        var batch = StoreRequest(.post, ["v1", "queues", queue, "jobs", "batch"])
        batch.body = [UInt8(ascii: "[")] + batchItem + [UInt8(ascii: "]")]
        batch.headers[.contentType] = Content.json
        batch.join(trace)
        guard let job = try await store.json(batch)["jobs"]?.elements?.first else {
            throw CommandFailure.notGodwit(store.transport.description)
        }
        return job
    }

    /// Publishes this one job.
    func request(queue: String) -> StoreRequest {
        var request = StoreRequest(.post, ["v1", "queues", queue, "jobs"], query: options, body: payload)
        request.headers[.contentType] = contentType
        if let key { request.headers[.idempotencyKey] = Self.quoted(key) }
        request.join(trace)
        return request
    }

    /// The key as a structured field's string (RFC 9651, section 3.3.3).
    static func quoted(_ key: String) -> String {
        "\"" + key.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    /// The job as an item of a batch, in the words that a lease gives it out with.
    var batchItem: [UInt8] {
        let bytes = Bytes(payload)
        let text = bytes.text
        let type = contentType ?? (JSONValue.isValid(bytes) ? Content.json : text == nil ? Content.binary : Content.text)
        return JSONWriter.bytes { json in
            json.object { json in
                if type == Content.json {
                    json.key("payload")
                    json.raw(bytes)
                } else {
                    json.member("content_type", type)
                    if let text, type.hasPrefix("text/") {
                        json.member("payload", text)
                    } else {
                        json.member("payload_base64", base64: bytes)
                    }
                }
                if let key { json.member("key", key) }
                for option in options {
                    json.key(option.name.replacing("-", with: "_"))
                    // Numbers and truths are such in JSON; everything else stays the text that it is.
                    if ["priority", "max-attempts"].contains(option.name), let number = Int(option.value) {
                        json.integer(number)
                    } else if option.name == "on-final" {
                        json.raw(Bytes(option.value))
                    } else if option.name == "transient", let truth = Bool(option.value) {
                        json.bool(truth)
                    } else {
                        json.string(option.value)
                    }
                }
            }
        }
    }
}
