package import GodwitCore

extension JSONWriter {
    /// A queue as every route shows it.
    package mutating func queue(_ queue: QueueStatus) {
        object { json in
            json.member("name", queue.name.description)
            json.member("paused", queue.isPaused)
            json.key("settings")
            json.settings(queue.settings)
            json.key("counts")
            json.object { json in
                for state in JobState.allCases {
                    json.key(state.rawValue)
                    json.integer(queue.counts[state])
                }
            }
            json.member("bytes", queue.bytes)
            json.member("keys", queue.keys)
            json.member("oldest_queued_at", queue.oldestQueued)
        }
    }

    mutating func settings(_ settings: QueueSettings) {
        object { json in
            json.member("max_jobs", settings.maxJobs)
            json.member("max_bytes", settings.maxBytes)
            json.member("max_attempts", settings.maxAttempts)
            json.member("lease", settings.lease.text)
            json.key("retention")
            switch settings.retention {
            case .none: json.string("none")
            case .keep(let succeeded, let failed, let count):
                json.object { json in
                    json.member("succeeded", succeeded.text)
                    json.member("failed", failed.text)
                    json.member("count", count)
                }
            }
            json.member("dedup_window", settings.dedupWindow.text)
            json.member("dedup_max", settings.dedupMax)
            json.member("max_wait", settings.maxWait?.text)
            json.member("overflow", settings.overflow.rawValue)
            json.member("ttl", settings.ttl?.text)
            json.key("max_deliveries")
            if let most = settings.maxDeliveries { json.integer(most) } else { json.null() }
            json.member("dead_letter_queue", settings.deadLetterQueue)
        }
    }
}

extension QueueSettings {
    /// These settings changed as a merge patch says (RFC 7396): a member that is null goes back to its default.
    func merging(_ patch: JSONValue) throws(Problem) -> QueueSettings {
        var settings = self
        let standard = QueueSettings()
        var object = try ObjectReader(patch)
        if let value = object.raw("max_jobs") { settings.maxJobs = try Self.integer("max_jobs", value, standard.maxJobs) }
        if let value = object.raw("max_bytes") { settings.maxBytes = try Self.integer("max_bytes", value, standard.maxBytes) }
        if let value = object.raw("max_attempts") {
            settings.maxAttempts = try Self.integer("max_attempts", value, standard.maxAttempts)
        }
        if let value = object.raw("lease") { settings.lease = try Self.duration("lease", value, standard.lease) }
        if let value = object.raw("retention") { settings.retention = try Self.retention(value, settings.retention) }
        if let value = object.raw("dedup_window") {
            settings.dedupWindow = try Self.duration("dedup_window", value, standard.dedupWindow)
        }
        if let value = object.raw("dedup_max") { settings.dedupMax = try Self.integer("dedup_max", value, standard.dedupMax) }
        if let value = object.raw("max_wait") { settings.maxWait = try Self.optionalDuration("max_wait", value) }
        if let value = object.raw("overflow") { settings.overflow = try Self.overflow(value) }
        if let value = object.raw("ttl") { settings.ttl = try Self.optionalDuration("ttl", value) }
        if let value = object.raw("max_deliveries") {
            settings.maxDeliveries = value.isNull ? nil : try Self.integer("max_deliveries", value, 0)
        }
        if let value = object.raw("dead_letter_queue") { settings.deadLetterQueue = try Self.queue("dead_letter_queue", value) }
        try object.finish(refusing: "unknown_setting")
        do throws(BrokerError) { try settings.validate() } catch { throw Problem(error) }
        return settings
    }

    private static func retention(_ value: JSONValue, _ current: Retention) throws(Problem) -> Retention {
        if value.isNull { return .standard }
        if value.string == "none" { return .none }
        guard value.kind == .object, case .keep(let succeeded, let failed, let count) = Retention.standard else {
            throw .invalid("retention", "retention must be \"none\", or an object with succeeded, failed and count")
        }
        var (time, failedTime, most) = (succeeded, failed, count)
        if case .keep(let succeeded, let failed, let count) = current { (time, failedTime, most) = (succeeded, failed, count) }
        var object = try ObjectReader(value, path: "retention.")
        if let value = object.raw("succeeded") { time = try duration("retention.succeeded", value, succeeded) }
        if let value = object.raw("failed") { failedTime = try duration("retention.failed", value, failed) }
        if let value = object.raw("count") { most = try integer("retention.count", value, count) }
        try object.finish(refusing: "unknown_setting")
        return .keep(succeeded: time, failed: failedTime, count: most)
    }

    private static func overflow(_ value: JSONValue) throws(Problem) -> Overflow {
        if value.isNull { return QueueSettings().overflow }
        guard let overflow = value.string.flatMap(Overflow.init(rawValue:)) else {
            throw .invalid("overflow", "overflow must be \(Overflow.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or "))")
        }
        return overflow
    }

    private static func queue(_ field: String, _ value: JSONValue) throws(Problem) -> String? {
        if value.isNull { return nil }
        guard let name = value.string else { throw .invalid(field, "\(field) must be a queue's name, or null for none") }
        return try QueueNames.parse(name, field: field).description
    }

    private static func optionalDuration(_ field: String, _ value: JSONValue) throws(Problem) -> Duration? {
        value.isNull ? nil : try OptionText.duration(field, value.string ?? "")
    }

    private static func integer(_ field: String, _ value: JSONValue, _ standard: Int) throws(Problem) -> Int {
        if value.isNull { return standard }
        guard let number = value.integer else { throw .invalid(field, "\(field) must be a whole number") }
        return number
    }

    private static func duration(_ field: String, _ value: JSONValue, _ standard: Duration) throws(Problem) -> Duration {
        value.isNull ? standard : try OptionText.duration(field, value.string ?? "")
    }
}
