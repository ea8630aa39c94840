import GodwitCore

/// One item of `POST leases/batch`.
struct BatchItem {
    static let verbs = ["complete", "fail", "dead_letter", "release", "extend", "progress"]

    let lease: LeaseToken
    let settlement: Settlement
    /// The jobs that a completion enqueues.
    let followUps: [NewMessage]

    init(_ value: JSONValue, path: String, limits: JobRoutes.Limits) throws(Problem) {
        var object = try ObjectReader(value, path: path)
        guard let token = object.value("lease")?.string, !token.isEmpty else {
            throw .invalid(path + "lease", "say which lease this is about")
        }
        lease = LeaseToken(token)
        let said = Self.verbs.compactMap { verb in object.raw(verb).map { (verb, $0) } }
        guard said.count == 1, let (verb, detail) = said.first else {
            throw .invalid(String(path.dropLast()), "say exactly one of \(Self.verbs.joined(separator: ", "))")
        }
        let enqueue = object.raw("enqueue")
        guard enqueue == nil || verb == "complete" else {
            throw .invalid(path + "enqueue", "only a completion can enqueue jobs")
        }
        try object.finish()
        followUps = try Self.messages(enqueue, path: path, limits: limits)
        switch verb {
        case "complete":
            settlement = .complete(lease, result: try Self.result(detail, path: path, limit: limits.jobBytes), enqueueing: followUps)
        case "fail": settlement = try .failure(of: lease, detail, path: path + "fail.")
        case "dead_letter": settlement = try .deadLetter(of: lease, detail, path: path + "dead_letter.")
        case "progress": settlement = try .progress(of: lease, detail, path: path + "progress.")
        case "extend": settlement = .renew(Renewal(lease, term: try Self.term(detail, path: path)))
        default:
            if detail.bool == true {
                settlement = try .release(of: lease, nil)
            } else {
                guard detail.kind == .object else { throw .invalid(path + "release", "release must be true, or an object") }
                settlement = try .release(of: lease, detail, path: path + "release.")
            }
        }
    }

    private static func result(_ value: JSONValue, path: String, limit: Int) throws(Problem) -> Content? {
        if value.isNull { return nil }
        guard value.bytes.count <= limit else { throw .tooLarge(path + "complete", limit: limit) }
        do throws(JSONError) { try value.checkPayloadDepth() } catch { throw .invalidJSON(error, field: path + "complete") }
        return Content(value.bytes)
    }

    private static func messages(_ value: JSONValue?, path: String, limits: JobRoutes.Limits) throws(Problem) -> [NewMessage] {
        guard let value else { return [] }
        guard let items = value.elements else { throw .invalid(path + "enqueue", "enqueue must be an array of jobs") }
        guard items.count < Limits.operations else {
            throw .invalid(path + "enqueue", "these are \(items.count) jobs: enqueue at most \(Limits.operations - 1) with one completion")
        }
        var messages: [NewMessage] = []
        for (index, item) in items.enumerated() {
            messages.append(try JSONMessage(item, path: "\(path)enqueue[\(index)].", queue: nil, limits: limits).message)
        }
        return messages
    }

    private static func term(_ value: JSONValue, path: String) throws(Problem) -> Duration? {
        if value.bool == true { return nil }
        guard let text = value.string else { throw .invalid(path + "extend", "extend must be a duration such as 30s, or true") }
        return try OptionText.duration(path + "extend", text, in: Settlement.leaseRange)
    }
}
