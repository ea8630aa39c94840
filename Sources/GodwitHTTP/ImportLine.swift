import GodwitCore

/// A line of an export, as the store takes it in.
enum ImportLine {
    case queue(QueueName, JSONValue, isPaused: Bool)
    case operation(Operation, isRecord: Bool)

    /// - Parameter path: what stands before a field's name in a refusal, such as `[3].`.
    /// - Returns: nil for an empty line, and for those that say something of the export itself.
    init?(_ line: Bytes, path: String, limits: JobRoutes.Limits) throws(Problem) {
        guard !line.slice.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }) else { return nil }
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue(parsing: line) } catch { throw .invalidJSON(error, field: String(path.dropLast())) }
        var object = try ObjectReader(value, path: path)
        guard let type = try object.text("type", limit: 40) else { throw .invalid(path + "type", "say the line's type") }
        switch type {
        case "export":
            guard object.value("format")?.integer == ExportController.format else {
                throw .invalid(path + "format", "a newer version of Godwit made this export: import it with that version")
            }
            return nil
        case "lost", "end": return nil
        case "queue": self = try Self.queue(&object)
        case "record": self = .operation(try Self.record(&object), isRecord: true)
        case "job": self = .operation(.enqueue(try Self.job(&object, limits)), isRecord: false)
        default: throw .invalid(path + "type", "there is no type \(type): an export has export, queue, record, job, lost and end")
        }
        try object.finish()
    }

    private static func queue(_ object: inout ObjectReader) throws(Problem) -> ImportLine {
        let name = try queueName(&object, "name")
        guard let settings = object.value("settings") else { throw .invalid(object.path + "settings", "a queue has settings") }
        return .queue(name, settings, isPaused: try object.bool("paused") ?? false)
    }

    private static func queueName(_ object: inout ObjectReader, _ field: String) throws(Problem) -> QueueName {
        guard let name = try object.text(field, limit: Limits.queueName) else {
            throw .invalid(object.path + field, "say the queue's name")
        }
        return try QueueNames.parse(name, field: object.path + field)
    }

    private static func record(_ object: inout ObjectReader) throws(Problem) -> Operation {
        var home = RecordKey.Home.own
        if object.value("queue") != nil {
            home = .queue(try queueName(&object, "queue"))
        } else if let job = try object.text("job", limit: 64) {
            home = .job(JobID(job))
        }
        guard let name = object.value("name")?.string, !name.isEmpty else { throw .invalid(object.path + "name", "say the record's name") }
        let key = RecordKey(name, home: home)
        guard ImportMark.isNone(key) else { throw .invalid(object.path + "name", "records of this name say how far imports have come") }
        let value: Bytes
        if let text = object.value("value")?.string {
            value = Bytes(text)
        } else if let bytes = object.value("value_base64")?.base64 {
            value = Bytes(bytes)
        } else {
            throw .invalid(object.path + "value", "say the record's value as a string, or value_base64 in padded base64")
        }
        let lifetime = try object.duration("lifetime", in: .milliseconds(1)...Limits.longestDuration)
        return .put(key, value: value, expecting: .absent, lifetime: lifetime)
    }

    private static func job(_ object: inout ObjectReader, _ limits: JobRoutes.Limits) throws(Problem) -> NewMessage {
        let queue = try queueName(&object, "queue")
        _ = object.value("id")
        guard let state = try object.text("state", limit: 40).flatMap(JobState.init(rawValue:)) else {
            throw .invalid(object.path + "state", "say the job's state, such as queued")
        }
        guard let job = object.value("job") else { throw .invalid(object.path + "job", "say the job as a batch takes it") }
        var wide = limits
        wide.jobBytes = limits.batchBytes
        var message = try JSONMessage(job, path: object.path + "job.", queue: queue, limits: wide, isImported: true).message
        if let text = try object.text("key_fingerprint", limit: 16) {
            guard let fingerprint = UInt64(text, radix: 16) else {
                throw .invalid(object.path + "key_fingerprint", "key_fingerprint must be a hexadecimal number")
            }
            message.deduplication?.fingerprint = fingerprint
        }
        if let past = object.value("past") {
            message.past = try Self.past(past, state, path: object.path + "past.")
        } else if state.isFinal {
            throw .invalid(object.path + "past", "a job that has ended says what it has behind it")
        }
        return message
    }

    private static func past(_ value: JSONValue, _ state: JobState, path: String) throws(Problem) -> JobPast {
        var object = try ObjectReader(value, path: path)
        guard let created = try object.time("created_at") else { throw .invalid(path + "created_at", "say when the job was published") }
        let attempt = try object.integer("attempt", in: 0...Int.max) ?? 0
        let deliveries = try object.integer("deliveries", in: 0...Int.max) ?? 0
        let started = try object.time("started_at")
        let failures = try elements(&object, "errors").map { item throws(Problem) in try failure(item.value, path: item.path) }
        let deaths = try elements(&object, "deaths").map { item throws(Problem) in try death(item.value, path: item.path) }
        var end: JobPast.End?
        if state.isFinal {
            guard let finished = try object.time("finished_at") else { throw .invalid(path + "finished_at", "say when the job ended") }
            end = JobPast.End(state: state, at: finished)
            if let error = object.value("error") { end?.failure = try failure(error, path: path + "error.") }
            end?.reason = try reason(&object)
            if let result = object.value("result") {
                var content = try ObjectReader(result, path: path + "result.", isImported: true)
                end?.result = try JSONMessage.content(&content)
                try content.finish()
            }
        }
        try object.finish()
        return JobPast(
            createdAt: created,
            attempt: attempt,
            deliveries: deliveries,
            startedAt: started,
            failures: failures,
            deaths: deaths,
            isRetrying: state == .retrying,
            end: end
        )
    }

    private static func elements(_ object: inout ObjectReader, _ name: String) throws(Problem) -> [(value: JSONValue, path: String)] {
        guard let value = object.value(name) else { return [] }
        guard let elements = value.elements else { throw .invalid(object.path + name, "\(name) must be an array") }
        return elements.enumerated().map { ($1, "\(object.path)\(name)[\($0)].") }
    }

    private static func failure(_ value: JSONValue, path: String) throws(Problem) -> AttemptFailure {
        var object = try ObjectReader(value, path: path)
        guard let message = object.value("message")?.string else { throw .invalid(path + "message", "message must be a string") }
        let code = object.value("code")?.string
        let attempt = try object.integer("attempt", in: 0...1_023) ?? 0
        guard let at = try object.time("at") else { throw .invalid(path + "at", "say when it failed") }
        try object.finish()
        return AttemptFailure(message: message, code: code, attempt: attempt, at: at)
    }

    private static func reason(_ object: inout ObjectReader) throws(Problem) -> DeathReason? {
        guard let text = try object.text("reason", limit: 40) else { return nil }
        return try OptionText.reason(object.path + "reason", text)
    }

    private static func death(_ value: JSONValue, path: String) throws(Problem) -> Death {
        var object = try ObjectReader(value, path: path)
        let queue = try queueName(&object, "queue")
        guard let reason = try reason(&object), let first = try object.time("first_at"), let last = try object.time("last_at"),
            let job = try object.text("job", limit: 64)
        else { throw .invalid(String(path.dropLast()), "a death has reason, first_at, last_at and job") }
        let death = Death(
            queue: queue,
            reason: reason,
            count: try object.integer("count", in: 1...Int(UInt32.max)) ?? 1,
            firstAt: first,
            lastAt: last,
            job: JobID(job),
            attempt: try object.integer("attempt", in: 0...1_023) ?? 0,
            deliveries: try object.integer("deliveries", in: 0...Int(UInt32.max)) ?? 0
        )
        try object.finish()
        return death
    }
}
