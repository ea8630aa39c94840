import GodwitCore

/// What a publisher can say about a job, in a query or in JSON.
struct PublishOptions {
    static let queryItems = [
        "name", "delay", "run-at", "priority", "expires", "timeout", "max-attempts", "group", "claim", "on-final", "transient",
    ]

    /// A field as a query calls it: `on-final[0].enqueue.max_attempts` for `on_final[0].enqueue.max_attempts`.
    static func queryItem(_ field: String) -> String {
        let end = field.firstIndex { $0 == "[" || $0 == "." } ?? field.endIndex
        let name = String(field[..<end]).replacing("_", with: "-")
        return queryItems.contains(name) ? name + field[end...] : field
    }

    var name: String?
    var start = NewMessage.Start.now
    var priority = 0
    var expires: Duration?
    var timeout: Duration?
    var maxAttempts: Int?
    var group: String?
    var claim: String?
    var onFinal: [FollowUp] = []
    var isTransient = false

    init(_ query: QueryItems, limits: JobRoutes.Limits) throws(Problem) {
        name = try query.text("name", limit: Limits.jobName)
        start = try Self.start(delay: try query.duration("delay"), runAt: try query.time("run-at"), field: "run-at")
        priority = try query.integer("priority", in: 0...255) ?? 0
        expires = try query.duration("expires", in: Self.positive)
        timeout = try query.duration("timeout", in: Self.positive)
        maxAttempts = try query.integer("max-attempts", in: 1...Limits.maxAttempts)
        group = try query.text("group", limit: Limits.group)
        claim = try query.text("claim", limit: Limits.claim)
        if let text = try query.text("on-final", limit: Limits.followUpBytes) {
            let value: JSONValue
            do throws(JSONError) { value = try JSONValue(parsing: Bytes(text)) } catch { throw .invalidJSON(error, field: "on-final") }
            onFinal = try FollowUpJSON(limits: limits).read(value, field: "on-final", hasEnds: true)
        }
        isTransient = try query.flag("transient")
    }

    init(_ object: inout ObjectReader, _ followUps: FollowUpJSON) throws(Problem) {
        name = try object.text("name", limit: Limits.jobName)
        start = try Self.start(delay: try object.duration("delay"), runAt: try object.time("run_at"), field: object.path + "run_at")
        priority = try object.integer("priority", in: 0...255) ?? 0
        expires = try object.duration("expires", in: Self.positive)
        timeout = try object.duration("timeout", in: Self.positive)
        maxAttempts = try object.integer("max_attempts", in: 1...Limits.maxAttempts)
        group = try object.text("group", limit: Limits.group)
        claim = try object.text("claim", limit: Limits.claim)
        onFinal = try followUps.read(object.value("on_final"), field: object.path + "on_final", hasEnds: true)
        isTransient = try object.bool("transient") ?? false
    }

    private static let positive: ClosedRange<Duration> = .milliseconds(1)...Limits.longestDuration

    private static func start(delay: Duration?, runAt: Timestamp?, field: String) throws(Problem) -> NewMessage.Start {
        switch (delay, runAt) {
        case (nil, nil): return .now
        case (let delay?, nil): return delay == .zero ? .now : .after(delay)
        case (nil, let time?): return .at(time)
        case (_?, _?): throw .invalid(field, "say a delay or a time to run at, not both")
        }
    }

    func message(to queue: QueueName, payload: Content, headers: [Header], key: String?) -> NewMessage {
        var message = NewMessage(
            queue: queue,
            payload: payload,
            name: name,
            headers: headers,
            start: start,
            priority: priority,
            expires: expires,
            timeout: timeout,
            maxAttempts: maxAttempts,
            group: group,
            claim: claim,
            onFinal: onFinal,
            isTransient: isTransient
        )
        if let key { message.deduplication = .init(key: key, fingerprint: message.fingerprint) }
        return message
    }
}
