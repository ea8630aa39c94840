import GodwitCore

/// The lines of an export.
extension JSONWriter {
    mutating func exportHead(_ created: Timestamp) {
        line { json in
            json.member("type", "export")
            json.member("format", ExportController.format)
            json.member("id", Base32.text(.random(in: .min ... .max), .random(in: .min ... .max)))
            json.member("created_at", created)
        }
    }

    mutating func exportEnd(_ counts: ExportCounts) {
        line { json in
            json.member("type", "end")
            json.member("queues", counts.queues)
            json.member("records", counts.records)
            json.member("jobs", counts.jobs)
            json.member("lost", counts.lost)
            json.member("lost_records", counts.lostRecords)
        }
    }

    mutating func exported(_ queue: QueueStatus) {
        line { json in
            json.member("type", "queue")
            json.member("name", queue.name.description)
            json.member("paused", queue.isPaused)
            json.key("settings")
            json.settings(queue.settings)
        }
    }

    mutating func exported(_ record: ExportedRecord, _ value: Bytes) {
        line { json in
            json.member("type", "record")
            json.home(of: record.key)
            json.member("name", record.key.name)
            if let lifetime = record.lifetime { json.member("lifetime", lifetime.text) }
            if let text = value.text { json.member("value", text) } else { json.member("value_base64", base64: value) }
        }
    }

    /// A record that cannot be read any more.
    mutating func lost(_ record: ExportedRecord, _ error: BrokerError) {
        line { json in
            json.member("type", "lost")
            json.home(of: record.key)
            json.member("record", record.key.name)
            json.member("error", error.message)
        }
    }

    private mutating func home(of key: RecordKey) {
        switch key.home {
        case .own: break
        case .queue(let queue): member("queue", queue.description)
        case .job(let job): member("job", job.description)
        }
    }

    /// A job that cannot be read any more.
    mutating func lost(_ job: ExportedJob, _ error: BrokerError) {
        line { json in
            json.member("type", "lost")
            json.member("queue", job.queue.description)
            json.member("id", job.id.description)
            json.member("state", job.state.rawValue)
            json.member("error", error.message)
        }
    }

    /// The job as a batch takes it, beside what it is called here and what it has behind it.
    mutating func exported(_ job: ExportedJob, _ message: NewMessage) {
        line { json in
            json.member("type", "job")
            json.member("queue", message.queue.description)
            json.member("id", job.id.description)
            json.member("state", job.state.rawValue)
            json.key("job")
            json.object { $0.message(message) }
            if let fingerprint = message.deduplication?.fingerprint {
                json.member("key_fingerprint", String(fingerprint, radix: 16))
            }
            if let past = message.past {
                json.key("past")
                json.past(past)
            }
        }
    }

    /// A payload or a result with its type, so that an import takes it for what it was.
    mutating func content(_ content: Content) {
        guard MediaType.isJSON(content.type) else {
            member("content_type", content.type)
            return payload(content)
        }
        // JSON that has lines would be several here.
        let hasLines = content.bytes.slice.contains { $0 == 0x0a || $0 == 0x0d }
        guard !hasLines, JSONValue.isValid(content.bytes) else {
            member("content_type", content.type)
            return member("payload_base64", base64: content.bytes)
        }
        if content.type != Content.json { member("content_type", content.type) }
        key("payload")
        raw(content.bytes)
    }

    private mutating func past(_ past: JobPast) {
        object { json in
            json.member("created_at", past.createdAt)
            json.member("attempt", past.attempt)
            json.member("deliveries", past.deliveries)
            if let started = past.startedAt { json.member("started_at", started) }
            if !past.failures.isEmpty {
                json.key("errors")
                json.array { json in
                    for failure in past.failures { json.failure(failure) }
                }
            }
            if !past.deaths.isEmpty {
                json.key("deaths")
                json.array { json in
                    for death in past.deaths { json.death(death) }
                }
            }
            guard let end = past.end else { return }
            json.member("finished_at", end.at)
            if let failure = end.failure {
                json.key("error")
                json.failure(failure)
            }
            if let reason = end.reason { json.member("reason", reason.rawValue) }
            if let result = end.result {
                json.key("result")
                json.object { $0.content(result) }
            }
        }
    }
}
