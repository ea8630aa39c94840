import GodwitCore
import GodwitHTTP
import HTTPTypes

extension StoreResponse {
    /// Writes the body as it is, or as one JSON object in the form that leases have: JSON as is, text as a string, else base64.
    func show(asJSON: Bool) throws {
        guard asJSON else { return try Output.write(body) }
        let type = headers[.contentType] ?? Content.binary
        try Output.line(
            JSONWriter.text { json in
                json.object { json in
                    json.member("content_type", status == .noContent ? nil : type)
                    if status == .noContent {
                        json.key("payload")
                        json.null()
                    } else if type == Content.json, let value = JSONValue(body) {
                        json.key("payload")
                        json.raw(value.bytes)
                    } else if type.hasPrefix("text/"), let text = String(validating: body, as: UTF8.self) {
                        json.member("payload", text)
                    } else {
                        json.member("payload_base64", base64: Bytes(body))
                    }
                }
            }
        )
    }
}
