import GodwitCore
import GodwitJournal

/// A job as the core shows it: what is in memory, and where the rest is.
struct JobView: Sendable {
    var sequence: UInt64
    var snapshot: JobSnapshot
    /// Its message, while it is in memory.
    var hot: NewMessage?
    var message: RecordLocation
    var failures: [RecordLocation]
    /// What a final state adds to the errors.
    var ending: AttemptFailure?
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
    var remaining: Int64
    var deliveries: Int
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

    func snapshot(_ view: JobView) throws(BrokerError) -> JobSnapshot {
        try resolve(view, needsMessage: false).snapshot
    }

    func lookup(_ view: LookupView) throws(BrokerError) -> JobLookup {
        switch view {
        case .found(let view): .found(try snapshot(view))
        case .unknown: .unknown
        case .forgotten: .forgotten
        }
    }

    func delivery(_ job: LeasedJob) throws(BrokerError) -> Delivery {
        let (snapshot, message) = try resolve(job.view, needsMessage: true)
        let token = identity.token(sequence: job.view.sequence, fencing: job.fencing)
        guard let message else { throw BrokerError(.storeCorrupt, "a job's message is not where it was written: restore the store") }
        return Delivery(
            token: token,
            job: snapshot,
            payload: message.payload,
            headers: message.headers,
            timeout: message.timeout,
            remaining: job.remaining == .max ? Limits.longestLease : .milliseconds(job.remaining),
            deliveries: job.deliveries,
            fencingNumber: job.fencing
        )
    }

    func content(_ content: StoredContent) throws(BrokerError) -> Content {
        switch content {
        case .hot(let content): return content
        case .message(let location):
            let record = try read(location)
            let message = try decode { () throws(RecordError) in try record.header.withBytes(Change.message(header:)) }
            return Content(Bytes(record.body), type: message.contentType)
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
        var payload: Content
        var headers: [Header]
        var timeout: Duration?
    }

    private func resolve(_ view: JobView, needsMessage: Bool) throws(BrokerError) -> (snapshot: JobSnapshot, message: Message?) {
        var snapshot = view.snapshot
        snapshot.id = identity.jobID(view.sequence)
        var message: Message?
        if let hot = view.hot {
            snapshot.name = hot.name
            if needsMessage { message = Message(payload: hot.payload, headers: hot.headers, timeout: hot.timeout) }
        } else {
            let record = try read(view.message)
            let stored = try decode { () throws(RecordError) in try record.header.withBytes(Change.message(header:)) }
            snapshot.name = stored.name
            message = Message(
                payload: Content(Bytes(record.body), type: stored.contentType),
                headers: stored.headers,
                timeout: stored.timeout.map { .milliseconds($0) }
            )
        }
        for location in view.failures { snapshot.errors.append(try failure(location)) }
        if let ending = view.ending {
            snapshot.errors.append(ending)
            if snapshot.errors.count > Limits.errorsKept { snapshot.errors.removeFirst() }
        }
        return (snapshot, message)
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
