import GodwitCore
import GodwitJournal

/// A job as the core shows it: what is in memory, and where the rest is. What it looks like to callers is worked out on their threads.
struct JobView: Sendable {
    var sequence: UInt64
    var entry: JobEntry
    var queue: QueueName
    /// Wall time.
    var runAt: Int64?
    var rarities: Rarities?
    /// Its message, while it is in memory.
    var hot: MessageBox?
}

enum LookupView: Sendable {
    case found(JobView)
    case unknown
    case forgotten
}

/// A job in the hands of a holder, as the core shows it.
struct LeasedJob: Sendable {
    var view: JobView
    var fencing: UInt64
    /// Milliseconds; `Int64.max` for as long as the holder lives.
    var remaining: Int64
}

/// Where a payload or a result is.
enum StoredContent: Sendable {
    case hot(Content)
    case message(RecordLocation)
    case result(RecordLocation)
}

struct RecordView: Sendable {
    var location: RecordLocation
    var version: Version
}

enum WatchView: Sendable {
    case unchanged
    case job(LookupView)
    case record(RecordView?)
}

/// Completes views with what the journal holds; for any thread.
struct ViewResolver: Sendable {
    let reader: JournalReader
    let identity: StoreIdentity

    func snapshots(_ views: [JobView]) throws(BrokerError) -> [JobSnapshot] {
        let messages = try stored(views)
        var snapshots: [JobSnapshot] = []
        snapshots.reserveCapacity(views.count)
        for (view, message) in zip(views, messages) { snapshots.append(try snapshot(view, name: message.name)) }
        return snapshots
    }

    private func snapshot(_ view: JobView) throws(BrokerError) -> JobSnapshot { try snapshots([view])[0] }

    func lookup(_ view: LookupView) throws(BrokerError) -> JobLookup {
        switch view {
        case .found(let view): .found(try snapshot(view))
        case .unknown: .unknown
        case .forgotten: .forgotten
        }
    }

    func deliveries(_ jobs: [LeasedJob]) throws(BrokerError) -> [Delivery] {
        let messages = try stored(jobs.map(\.view))
        var deliveries: [Delivery] = []
        deliveries.reserveCapacity(jobs.count)
        for (job, message) in zip(jobs, messages) {
            deliveries.append(
                Delivery(
                    token: identity.token(sequence: job.view.sequence, fencing: job.fencing),
                    job: try snapshot(job.view, name: message.name),
                    payload: message.payload,
                    headers: message.headers,
                    timeout: message.timeout,
                    remaining: job.remaining == .max ? Limits.longestLease : .milliseconds(job.remaining),
                    deliveries: Int(job.view.entry.deliveries),
                    fencingNumber: job.fencing
                )
            )
        }
        return deliveries
    }

    func content(_ content: StoredContent) throws(BrokerError) -> Content {
        switch content {
        case .hot(let content): return content
        case .message(let location):
            return try message(try read(location)).payload
        case .result(let location):
            let record = try read(location)
            guard case .completed(let completion) = try change(record), let type = completion.result?.type else {
                throw Self.unexpected("a result")
            }
            return Content(Bytes(record.body), type: type)
        }
    }

    func record(_ view: RecordView) throws(BrokerError) -> Record {
        Record(value: Bytes(try read(view.location).body), version: view.version)
    }

    func watch(_ view: WatchView) throws(BrokerError) -> WatchAnswer {
        switch view {
        case .unchanged: .unchanged
        case .job(let view): .job(try lookup(view))
        case .record(let view):
            if let view { .record(try record(view)) } else { .record(nil) }
        }
    }

    private struct Message {
        var name: String?
        var payload: Content
        var headers: [Header]
        var timeout: Duration?
    }

    /// The views' messages; those that are not in memory are read together.
    private func stored(_ views: [JobView]) throws(BrokerError) -> [Message] {
        let cold = views.filter { $0.hot == nil }.map(\.entry.message)
        var records: ArraySlice<JournalReader.Record> = []
        if !cold.isEmpty {
            do { records = try reader.records(at: cold)[...] } catch { throw BrokerError(error) }
        }
        var messages: [Message] = []
        messages.reserveCapacity(views.count)
        for view in views {
            if let hot = view.hot?.message {
                messages.append(Message(name: hot.name, payload: hot.payload, headers: hot.headers, timeout: hot.timeout))
            } else if let record = records.popFirst() {
                messages.append(try message(record))
            }
        }
        return messages
    }

    private func message(_ record: JournalReader.Record) throws(BrokerError) -> Message {
        guard record.kind == RecordKind.published.rawValue else { throw Self.unexpected("a job's message") }
        let stored = try decode { () throws(RecordError) in try record.header.withBytes(Change.message(header:)) }
        return Message(
            name: stored.name,
            payload: Content(Bytes(record.body), type: stored.contentType),
            headers: stored.headers,
            timeout: stored.timeout.map { .milliseconds($0) }
        )
    }

    private func snapshot(_ view: JobView, name: String?) throws(BrokerError) -> JobSnapshot {
        let job = view.entry
        var errors: [AttemptFailure] = []
        if let rarities = view.rarities {
            for location in rarities.failures { errors.append(try failure(location)) }
        }
        if let ending = ending(of: job) {
            if errors.count >= Limits.errorsKept { errors.removeFirst() }
            errors.append(ending)
        }
        return JobSnapshot(
            id: identity.jobID(view.sequence),
            queue: view.queue,
            name: name,
            state: job.state.jobState,
            attempt: Int(job.attempt),
            maxAttempts: Int(job.maxAttempts),
            priority: Int(job.priority),
            progress: view.rarities?.progress,
            createdAt: Timestamp(milliseconds: job.created),
            runAt: view.runAt.map { Timestamp(milliseconds: $0) },
            startedAt: job.deliveries > 0 ? Timestamp(milliseconds: job.started) : nil,
            finishedAt: job.state.isFinal ? Timestamp(milliseconds: job.time) : nil,
            errors: errors,
            version: Version(job.change)
        )
    }

    /// What a job's final state adds to its errors.
    private func ending(of job: JobEntry) -> AttemptFailure? {
        let (message, code): (String, String)
        switch job.state {
        case .expired: (message, code) = ("it was not started before it expired", FailureCode.expired)
        case .cancelled where job.flags.contains(.purged): (message, code) = ("its queue was purged", FailureCode.purged)
        case .cancelled: (message, code) = ("it was cancelled", FailureCode.cancelled)
        default: return nil
        }
        return AttemptFailure(message: message, code: code, attempt: Int(job.attempt), at: Timestamp(milliseconds: job.time))
    }

    private func failure(_ location: RecordLocation) throws(BrokerError) -> AttemptFailure {
        let record = try read(location)
        let decoded = try decode { () throws(RecordError) in
            try record.header.withBytes { header throws(RecordError) in try Change.decode(kind: record.kind, header: header) }
        }
        guard let (stamp, change) = decoded, case .failed(let attempt) = change else { throw Self.unexpected("a failed attempt") }
        return AttemptFailure(
            message: String(decoding: record.body, as: UTF8.self),
            code: attempt.failure.code,
            attempt: Int(attempt.attempt),
            at: Timestamp(milliseconds: stamp.wall)
        )
    }

    private func change(_ record: JournalReader.Record) throws(BrokerError) -> Change? {
        try decode { () throws(RecordError) in
            try record.header.withBytes { header throws(RecordError) in try Change.decode(kind: record.kind, header: header) }
        }?.1
    }

    private func read(_ location: RecordLocation) throws(BrokerError) -> JournalReader.Record {
        do { return try reader.record(at: location) } catch { throw BrokerError(error) }
    }

    private func decode<T>(_ body: () throws(RecordError) -> T) throws(BrokerError) -> T {
        do { return try body() } catch { throw BrokerError(error) }
    }

    private static func unexpected(_ what: String) -> BrokerError {
        BrokerError(.storeCorrupt, "the store does not hold \(what) where it was written: restore it from a backup")
    }
}

extension [UInt8] {
    fileprivate func withBytes<T>(_ body: (UnsafeRawBufferPointer) throws(RecordError) -> T) throws(RecordError) -> T {
        let result: Result<T, RecordError> = withUnsafeBytes { bytes in
            do throws(RecordError) { return .success(try body(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
