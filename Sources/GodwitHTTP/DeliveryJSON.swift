import GodwitCore

extension JSONWriter {
    mutating func delivery(_ delivery: Delivery, now: Timestamp) {
        object { json in
            json.member("lease", delivery.token.description)
            json.member("expires_at", now + delivery.remaining)
            json.key("job")
            json.job(delivery.job)
            json.member("timeout", delivery.timeout?.text)
            json.key("headers")
            json.headers(delivery.headers)
            json.member("content_type", delivery.payload.type)
            json.payload(delivery.payload)
        }
    }

    /// A job that waits, with what its worker will get; without a payload when that cannot be read back.
    mutating func browsed(_ browsed: BrowsedJob) {
        object { json in
            json.key("job")
            json.job(browsed.job)
            json.key("headers")
            json.headers(browsed.headers)
            json.member("content_type", browsed.payload?.type)
            if let payload = browsed.payload { json.payload(payload) }
        }
    }

    /// Headers as an object; values of one name are joined as HTTP joins them (RFC 9110, section 5.2).
    mutating func headers(_ headers: [Header]) {
        var names: [String] = []
        var values: [String: String] = [:]
        for header in headers {
            if let value = values[header.name] {
                values[header.name] = "\(value), \(header.value)"
            } else {
                values[header.name] = header.value
                names.append(header.name)
            }
        }
        object { json in
            for name in names {
                json.key(name)
                json.string(values[name] ?? "")
            }
        }
    }

    /// JSON as it is, text as a string, everything else in base64.
    mutating func payload(_ content: Content) {
        let isJSON = MediaType.isJSON(content.type)
        if isJSON, JSONValue.isValid(content.bytes) {
            key("payload")
            raw(content.bytes)
        } else if !isJSON, MediaType.isText(content.type), let text = content.bytes.text {
            member("payload", text)
        } else {
            member("payload_base64", base64: content.bytes)
        }
    }
}
