import GodwitCore
import GodwitJournal
import Logging

/// Completes views with what the journal holds; for any thread.
struct ViewResolver: Sendable {
    let reader: JournalReader
    let identity: StoreIdentity
    let logger: Logger

    /// A job whose record cannot be read has no name then: it is not to keep others from being seen.
    func snapshots(_ views: [JobView]) -> [JobSnapshot] {
        var cold = read(views.filter { $0.hot == nil }.map(\.entry.message), reader.headers(at:), reader.header(at:))[...]
        return views.map { view in
            if let hot = view.hot { return snapshot(view, name: hot.message.name) }
            return snapshot(view, name: name(cold.removeFirst(), of: view))
        }
    }

    func lookup(_ view: LookupView) -> JobLookup {
        switch view {
        case .found(let view): .found(snapshots([view])[0])
        case .unknown: .unknown
        case .forgotten: .forgotten
        }
    }

    /// Deliveries, and the jobs whose messages cannot be read, with the reasons.
    func deliveries(_ jobs: [LeasedJob]) -> (readable: [Delivery], unreadable: [(job: LeasedJob, error: BrokerError)]) {
        var cold = read(jobs.map(\.view).filter { $0.hot == nil }.map(\.entry.message), reader.records(at:), reader.record(at:))[...]
        var readable: [Delivery] = [], unreadable: [(job: LeasedJob, error: BrokerError)] = []
        readable.reserveCapacity(jobs.count)
        for job in jobs {
            do throws(BrokerError) {
                let message = if let hot = job.view.hot { Message(hot.message) } else { try message(cold.removeFirst(), of: job.view) }
                readable.append(delivery(job, message))
            } catch {
                logger.error(
                    "a job's message cannot be read: the job is set aside as failed",
                    metadata: ["job": "\(identity.jobID(job.view.sequence))", "queue": "\(job.view.queue)", "error": "\(error)"]
                )
                unreadable.append((job, error))
            }
        }
        return (readable, unreadable)
    }

    private func delivery(_ job: LeasedJob, _ message: Message) -> Delivery {
        Delivery(
            token: identity.token(sequence: job.view.sequence, fencing: job.fencing),
            job: snapshot(job.view, name: message.name),
            payload: message.payload,
            headers: message.headers,
            timeout: message.timeout,
            remaining: job.remaining == .max ? Limits.longestLease : .milliseconds(job.remaining),
            deliveries: Int(job.view.entry.deliveries),
            fencingNumber: job.fencing
        )
    }

    func content(_ content: StoredContent) throws(BrokerError) -> Content {
        switch content {
        case .hot(let content): return content
        case .message(let location):
            return try message(try read(location), at: location).payload
        case .result(let location):
            let record = try read(location)
            guard case .completed(let completion) = try change(record, at: location)?.1, let type = completion.result?.type else {
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
        case .job(let view): .job(lookup(view))
        case .record(let view):
            if let view { .record(try record(view)) } else { .record(nil) }
        }
    }

    // MARK: Messages

    private struct Message {
        var name: String?
        var payload: Content
        var headers: [Header]
        var timeout: Duration?

        init(name: String?, payload: Content, headers: [Header], timeout: Duration?) {
            self.name = name
            self.payload = payload
            self.headers = headers
            self.timeout = timeout
        }

        init(_ message: NewMessage) {
            self.init(name: message.name, payload: message.payload, headers: message.headers, timeout: message.timeout)
        }
    }

    private typealias ReadRecord = Result<JournalReader.Record, JournalError>

    /// Reads records together; when one of them cannot be read, each alone.
    private func read(
        _ locations: [RecordLocation],
        _ together: ([RecordLocation]) throws(JournalError) -> [JournalReader.Record],
        _ alone: (RecordLocation) throws(JournalError) -> JournalReader.Record
    ) -> [ReadRecord] {
        if locations.isEmpty { return [] }
        if let records = try? together(locations) { return records.map { .success($0) } }
        return locations.map { location in
            do throws(JournalError) { return .success(try alone(location)) } catch { return .failure(error) }
        }
    }

    private func message(_ record: ReadRecord, of view: JobView) throws(BrokerError) -> Message {
        switch record {
        case .success(let record): return try message(record, at: view.entry.message)
        case .failure(let error): throw BrokerError(error)
        }
    }

    private func name(_ record: ReadRecord, of view: JobView) -> String? {
        do throws(BrokerError) { return try message(record, of: view).name } catch {
            logger.error(
                "a job's record cannot be read: it is shown without its name",
                metadata: ["job": "\(identity.jobID(view.sequence))", "error": "\(error)"]
            )
            return nil
        }
    }

    private func message(_ record: JournalReader.Record, at location: RecordLocation) throws(BrokerError) -> Message {
        guard record.kind == RecordKind.published.rawValue else { throw Self.unexpected("a job's message") }
        let stored = try decode(location) { () throws(RecordError) in try record.header.withBytes(Change.message(header:)) }
        return Message(
            name: stored.name,
            payload: Content(Bytes(record.body), type: stored.contentType),
            headers: stored.headers,
            timeout: stored.timeout.map { .milliseconds($0) }
        )
    }

    // MARK: Jobs

    private func snapshot(_ view: JobView, name: String?) -> JobSnapshot {
        let job = view.entry
        var errors: [AttemptFailure] = []
        for location in view.rarities?.failures ?? [] {
            do throws(BrokerError) { errors.append(try failure(location)) } catch {
                let message = "what was recorded of this attempt cannot be read: \(error.message)"
                errors.append(
                    AttemptFailure(message: message, code: FailureCode.unreadable, attempt: 0, at: Timestamp(milliseconds: job.created))
                )
            }
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
        guard let (stamp, change) = try change(record, at: location), case .failed(let attempt) = change else {
            throw Self.unexpected("a failed attempt")
        }
        return AttemptFailure(
            message: String(decoding: record.body, as: UTF8.self),
            code: attempt.failure.code,
            attempt: Int(attempt.attempt),
            at: Timestamp(milliseconds: stamp.wall)
        )
    }

    private func change(_ record: JournalReader.Record, at location: RecordLocation) throws(BrokerError) -> (Stamp, Change)? {
        try decode(location) { () throws(RecordError) in
            try record.header.withBytes { header throws(RecordError) in try Change.decode(kind: record.kind, header: header) }
        }
    }

    private func read(_ location: RecordLocation) throws(BrokerError) -> JournalReader.Record {
        do { return try reader.record(at: location) } catch { throw BrokerError(error) }
    }

    private func decode<T>(_ location: RecordLocation, _ body: () throws(RecordError) -> T) throws(BrokerError) -> T {
        do { return try body() } catch { throw BrokerError(error, at: location, in: reader.folder) }
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
