import GodwitCore
import GodwitHTTP

/// A job in the worker's hands, as the HTTP interface gave it.
struct LeasedJob: Sendable {
    let lease: String
    let id: String
    let queue: String
    let name: String?
    let attempt: Int
    /// The payload's bytes as they were published.
    let payload: [UInt8]
    let contentType: String
    /// How long the attempt may take.
    let timeout: Duration?
    /// The trace that its publisher was in.
    let trace: TraceContext?

    /// Nil when the answer does not have what every lease has.
    init?(_ json: JSONValue) {
        guard let lease = json["lease"]?.string, let job = json["job"], let id = job["id"]?.string, let queue = job["queue"]?.string else {
            return nil
        }
        self.lease = lease
        self.id = id
        self.queue = queue
        name = job["name"]?.string
        attempt = job["attempt"]?.integer ?? 1
        contentType = json["content_type"]?.string ?? Content.binary
        let headers = json["headers"]
        trace = headers?[TraceContext.parentName]?.string.flatMap {
            TraceContext(parent: $0, state: headers?[TraceContext.stateName]?.string)
        }
        timeout = (json["timeout"] ?? job["timeout"])?.string.flatMap { Duration(text: $0) }
        if let encoded = json["payload_base64"]?.string {
            guard let bytes = Base64.decode(encoded) else { return nil }
            payload = bytes
        } else if let members = try? json.members(), let value = members.first(where: { $0.name == "payload" })?.value {
            // A text payload is a JSON string; a JSON payload stands as it is, null and strings included.
            payload = MediaType.isJSON(contentType) ? value.bytes.array : Array((value.string ?? value.text).utf8)
        } else {
            payload = []
        }
    }

    /// What the command finds in its environment, on top of this process's.
    var environment: [String: String] {
        var environment = ["GODWIT_JOB_ID": id, "GODWIT_ATTEMPT": "\(attempt)", "GODWIT_QUEUE": queue, "GODWIT_CONTENT_TYPE": contentType]
        environment["GODWIT_JOB_NAME"] = name ?? ""
        return environment.merging(trace?.environment ?? [:]) { $1 }
    }

    /// The whole environment of its command. The trace that the worker itself was started in is no job's.
    func environment(on base: [String: String]) -> [String: String] {
        base.filter { $0.key != TraceContext.parentVariable && $0.key != TraceContext.stateVariable }.merging(environment) { $1 }
    }
}
