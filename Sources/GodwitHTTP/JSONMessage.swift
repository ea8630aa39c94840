import GodwitCore

/// A job as it stands in JSON: `{payload, name?, key?, ...options}`, and `queue` where the path does not say it.
///
/// `payload` is kept as the bytes that came. With a `content_type` that is not JSON a string is taken as that text, and
/// `payload_base64` carries what is no text: the same words in which a lease gives jobs out.
struct JSONMessage {
    var message: NewMessage

    /// - Parameters:
    ///   - queue: the path's queue; nil when each object names its own.
    ///   - limits: on each job, which hold in a batch as they do for one.
    ///   - isImported: whether it comes from another store.
    ///   - depth: in how many others' follow-ups it stands.
    init(
        _ value: JSONValue,
        path: String,
        queue: QueueName?,
        limits: JobRoutes.Limits,
        isImported: Bool = false,
        depth: Int = 0
    ) throws(Problem) {
        var object = try ObjectReader(value, path: path, isImported: isImported)
        let target: QueueName
        if let queue {
            target = queue
        } else {
            guard let name = try object.text("queue", limit: Limits.queueName) else {
                throw .invalid(path + "queue", "say which queue this job goes to")
            }
            target = try QueueNames.parse(name, field: path + "queue")
        }
        let payload = try Self.payload(&object, limit: limits.jobBytes)
        let key = try object.text("key", limit: Limits.key)
        let headers = try JobHeaders.read(&object)
        let options = try PublishOptions(&object, FollowUpJSON(limits: limits, isImported: isImported, depth: depth))
        try object.finish()
        message = options.message(to: target, payload: payload, headers: headers, key: key)
    }

    private static func payload(_ object: inout ObjectReader, limit: Int) throws(Problem) -> Content {
        let field = object.path + (object.raw("payload_base64") == nil ? "payload" : "payload_base64")
        let content = try content(&object)
        guard content.bytes.count <= limit else { throw .tooLarge(field, limit: limit) }
        return content
    }

    /// - Parameter name: of the member with the content, beside which one in base64 and `content_type` may stand.
    static func content(_ object: inout ObjectReader, named name: String = "payload") throws(Problem) -> Content {
        let base64 = name + "_base64"
        let type = try object.text("content_type", limit: Limits.contentType)
        let value = object.raw(name)
        let encoded = object.raw(base64)
        switch (value, encoded) {
        case (let value?, nil):
            guard let type, !MediaType.isJSON(type) else {
                if !object.isImported {
                    do throws(JSONError) { try value.checkPayloadDepth() } catch {
                        throw .invalidJSON(error, field: object.path + name)
                    }
                }
                return Content(value.bytes, type: type ?? Content.json)
            }
            guard let text = value.string else {
                throw .invalid(object.path + name, "\(name) must be a string when content_type is \(type)")
            }
            return Content(Bytes(text), type: type)
        case (nil, let encoded?):
            guard let bytes = encoded.base64 else {
                throw .invalid(object.path + base64, "\(base64) must be a string in padded base64")
            }
            let content = Content(Bytes(bytes), type: type ?? Content.binary)
            if !object.isImported, MediaType.isJSON(content.type), !JSONValue.isValid(content.bytes) {
                throw .invalid(object.path + base64, "the \(name) is not the JSON that content_type says, or nested too deep")
            }
            return content
        case (nil, nil): throw .invalid(object.path + name, "say the job's \(name), any JSON value")
        case (_?, _?): throw .invalid(object.path + base64, "say \(name) or \(base64), not both")
        }
    }
}
