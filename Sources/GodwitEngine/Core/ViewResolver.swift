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
        let messages = read(views.map(\.message), reader.headers(at:), reader.header(at:))
        // A failure's message is in the record's body; a result, however large, is not shown.
        var ends = read(views.filter { $0.state != .failed }.compactMap(\.finalRecord), reader.headers(at:), reader.header(at:))[...]
        var failed = read(views.filter { $0.state == .failed }.compactMap(\.finalRecord), reader.records(at:), reader.record(at:))[...]
        var failures = failures(of: views)
        var snapshots: [JobSnapshot] = []
        snapshots.reserveCapacity(views.count)
        for index in views.indices {
            var end: ReadRecord?
            if views[index].finalRecord != nil { end = views[index].state == .failed ? failed.removeFirst() : ends.removeFirst() }
            let failures = takeFailures(of: views[index], from: &failures)
            snapshots.append(snapshot(views[index], recordedMessage(messages[index], of: views[index]), end, failures))
        }
        return snapshots
    }

    /// The records of the failed attempts of several jobs, one job's behind the other's.
    func failures(of views: some Sequence<JobView>) -> ArraySlice<ReadRecord> {
        var locations: [RecordLocation] = []
        for view in views { if let extra = view.extra { locations += extra.failures.map(\.location) } }
        return read(locations, reader.records(at:), reader.record(at:))[...]
    }

    func takeFailures(of view: JobView, from failures: inout ArraySlice<ReadRecord>) -> ArraySlice<ReadRecord> {
        let count = view.extra?.failures.count ?? 0
        if count == 0 { return [] }
        defer { failures.removeFirst(count) }
        return failures.prefix(count)
    }

    func lookups(_ views: [LookupView]) -> [JobLookup] {
        // What is read together takes fewer calls.
        var found = snapshots(views.compactMap { if case .found(let view) = $0 { view } else { nil } })[...]
        return views.map { view in
            switch view {
            case .found: .found(found.removeFirst())
            case .unknown: .unknown
            case .forgotten: .forgotten
            }
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
        let records = read(jobs.map(\.view.message), reader.records(at:), reader.record(at:))
        var readable: [Delivery] = [], unreadable: [(job: LeasedJob, error: BrokerError)] = []
        readable.reserveCapacity(jobs.count)
        var failures = failures(of: jobs.lazy.map(\.view))
        for (job, record) in zip(jobs, records) {
            let failures = takeFailures(of: job.view, from: &failures)
            do throws(BrokerError) {
                readable.append(delivery(job, try message(record, at: job.view.message), failures))
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

    private func delivery(_ job: LeasedJob, _ message: Message, _ failures: ArraySlice<ReadRecord>) -> Delivery {
        Delivery(
            token: identity.token(sequence: job.view.sequence, fencing: job.fencing),
            job: snapshot(job.view, message, nil, failures),
            payload: message.payload,
            headers: headers(of: job.view, message),
            timeout: message.job.timeout.map { .milliseconds($0) },
            remaining: job.remaining == .max ? Limits.longestLease : .milliseconds(job.remaining),
            deliveries: Int(job.view.attempts?.deliveries ?? 0),
            fencingNumber: job.fencing,
            waited: job.waited.map { .milliseconds($0) }
        )
    }

    /// The payload of a job, or its result; nil when it has none.
    func content(_ content: StoredContent) throws(BrokerError) -> Content? {
        switch content {
        case .message(let location, _):
            return try message(.success(try read(location)), at: location).payload
        case .result(let location, _):
            return try result(.success(try read(location)), at: location)
        }
    }

    /// What a record that completed a job came to; nil when it has no result.
    func result(_ record: ReadRecord, at location: RecordLocation) throws(BrokerError) -> Content? {
        let record = try found(record)
        switch try change(record, at: location)?.1 {
        case .completed(let completion): return completion.result.map { Content(Bytes(record.body), type: $0.type) }
        case .past(let past): return past.result.map { Content(Bytes(record.body), type: $0.type) }
        case .completedTogether: return nil
        default: throw Self.unexpected("a result")
        }
    }

    /// Jobs that wait, with their payloads.
    func browsed(_ views: [JobView]) -> [BrowsedJob] {
        var failures = failures(of: views)
        return zip(views, read(views.map(\.message), reader.records(at:), reader.record(at:))).map { view, record in
            let message = recordedMessage(record, of: view)
            return BrowsedJob(
                job: snapshot(view, message, nil, takeFailures(of: view, from: &failures)),
                payload: message?.payload,
                headers: message.map { headers(of: view, $0) } ?? []
            )
        }
    }

    /// A job's headers: those that were published, with what was amended since.
    func headers(of view: JobView, _ message: Message) -> [Header] {
        guard let amendment = view.extra?.amendment else { return message.stored.headers }
        do throws(BrokerError) { return message.stored.headers.amended(by: try headers(ofReleaseAt: amendment.location)) } catch {
            logger.error(
                "what was amended of a job's headers cannot be read: it is delivered with those that were published",
                metadata: ["job": "\(identity.jobID(view.sequence))", "error": "\(error)"]
            )
            return message.stored.headers
        }
    }

    func headers(ofMessageAt location: RecordLocation) throws(BrokerError) -> [Header] { try storedMessage(at: location).headers }

    /// What a message's record says of it, without its payload.
    func storedMessage(at location: RecordLocation) throws(BrokerError) -> StoredMessage {
        let header: JournalReader.Record
        do { header = try reader.header(at: location) } catch { throw BrokerError(error) }
        return try message(.success(header), at: location).stored
    }

    func headers(ofReleaseAt location: RecordLocation) throws(BrokerError) -> [Header] {
        let record = try read(location)
        guard case .released(let release) = try change(record, at: location)?.1 else { throw Self.unexpected("amended headers") }
        return release.amended
    }

    /// What is to be known of a finished job to queue it again.
    func revival(_ view: JobView) throws(BrokerError) -> Retry.Revival {
        let header: JournalReader.Record
        do { header = try reader.header(at: view.message) } catch { throw BrokerError(error) }
        let job = try message(.success(header), at: view.message).job
        var attempts = view.attempts
        if attempts == nil, let location = view.finalRecord { attempts = try end(.success(try read(location)), at: location).attempts }
        return Retry.Revival(
            size: job.size,
            priority: job.priority,
            attempts: attempts ?? Attempts(maxAttempts: job.maxAttempts),
            timeout: job.timeout,
            group: job.group,
            claim: job.claim,
            hasFollowUps: job.onFinalBytes > 0
        )
    }

    func record(_ view: RecordView) throws(BrokerError) -> Record {
        let value = try view.location.map { location throws(BrokerError) in Bytes(try read(location).body) }
        return Record(value: value ?? Bytes(), counter: view.counter, version: view.version)
    }

    func watch(_ view: WatchView) throws(BrokerError) -> WatchAnswer {
        switch view {
        case .unchanged: .unchanged
        case .job(let view): .job(lookup(view))
        case .record(let view):
            if let view { .record(try record(view)) } else { .record(nil) }
        }
    }

    // MARK: Jobs

    /// What the record that ended a job says.
    private struct End {
        var at: Int64
        var attempts: Attempts?
        var failure: AttemptFailure?
        var reason: DeathReason?
    }

    private func end(_ record: ReadRecord, at location: RecordLocation) throws(BrokerError) -> End {
        let record = try found(record)
        guard let (stamp, change) = try change(record, at: location) else { throw Self.unexpected("the end of a job") }
        switch change {
        case .completed(let completion): return End(at: stamp.wall, attempts: completion.attempts)
        case .cancelled(let cancellation): return End(at: stamp.wall, attempts: cancellation.attempts)
        case .completedTogether: return End(at: stamp.wall)
        case .expired: return End(at: stamp.wall, reason: .expired)
        case .past(let past):
            let failure = past.failure.map { self.failure(record, past.at, past.attempts, $0) }
            return End(at: past.at, attempts: past.attempts, failure: failure, reason: past.reason)
        case .failed(let attempt):
            return End(
                at: stamp.wall,
                attempts: attempt.attempts,
                failure: failure(record, stamp.wall, attempt.attempts, attempt.failure),
                reason: attempt.reason
            )
        default: throw Self.unexpected("the end of a job")
        }
    }

    /// - Parameters:
    ///   - message: nil when it cannot be read.
    ///   - record: the record that ended it, if one did.
    ///   - failures: the records of its failed attempts, in their order.
    func snapshot(_ view: JobView, _ message: Message?, _ record: ReadRecord?, _ failures: ArraySlice<ReadRecord>) -> JobSnapshot {
        var errors: [AttemptFailure] = []
        let created = message.map { $0.job.created ?? $0.stamp.wall } ?? view.attempts?.started ?? 0
        for (failure, record) in zip(view.extra?.failures ?? [], failures) {
            do throws(BrokerError) { errors.append(try self.failure(record, at: failure.location)) } catch {
                errors.append(Self.unreadable(error, at: created))
            }
        }
        var end: End?
        if case .purge(let time) = view.end {
            end = End(at: time)
        } else if let record, let location = view.finalRecord {
            do throws(BrokerError) { end = try self.end(record, at: location) } catch {
                errors.append(Self.unreadable(error, at: created))
            }
        }
        let attempts = view.attempts ?? end?.attempts ?? Attempts(maxAttempts: message?.job.maxAttempts ?? 0)
        if let ending = end.flatMap({ ending(of: view, $0, attempts) }) {
            if errors.count >= Limits.errorsKept { errors.removeFirst() }
            errors.append(ending)
        }
        return JobSnapshot(
            id: identity.jobID(view.sequence),
            queue: view.queue,
            name: message?.stored.name,
            state: view.state.jobState,
            attempt: Int(attempts.attempt),
            maxAttempts: Int(attempts.maxAttempts),
            priority: Int(message?.job.priority ?? 0),
            progress: view.extra?.progress,
            createdAt: Timestamp(milliseconds: created),
            runAt: view.runAt.map { Timestamp(milliseconds: $0) },
            startedAt: attempts.started.map { Timestamp(milliseconds: $0) },
            finishedAt: end.map { Timestamp(milliseconds: $0.at) },
            errors: errors,
            group: message?.job.group.map { String(decoding: $0, as: UTF8.self) },
            isTransient: message?.job.isTransient ?? false,
            deliveries: Int(attempts.deliveries),
            reason: end?.reason,
            deaths: message?.stored.deaths.map { $0.death(identity) } ?? [],
            isDeadLettered: view.extra?.isDeadLettered ?? false,
            holder: view.holder,
            version: Version(view.change)
        )
    }

    /// What a job's end adds to its errors.
    private func ending(of view: JobView, _ end: End, _ attempts: Attempts) -> AttemptFailure? {
        let (message, code): (String, String)
        switch view.state {
        case .failed: return end.failure
        case .expired: (message, code) = ("it was not started before it expired", FailureCode.expired)
        case .cancelled:
            if case .purge = view.end {
                (message, code) = ("its queue was purged", FailureCode.purged)
            } else {
                (message, code) = ("it was cancelled", FailureCode.cancelled)
            }
        default: return nil
        }
        return AttemptFailure(message: message, code: code, attempt: Int(attempts.attempt), at: Timestamp(milliseconds: end.at))
    }

    private static func unreadable(_ error: BrokerError, at time: Int64) -> AttemptFailure {
        let message = "what was recorded of this attempt cannot be read: \(error.message)"
        return AttemptFailure(message: message, code: FailureCode.unreadable, attempt: 0, at: Timestamp(milliseconds: time))
    }

    private func failure(_ record: ReadRecord, at location: RecordLocation) throws(BrokerError) -> AttemptFailure {
        let record = try found(record)
        switch try change(record, at: location) {
        case (let stamp, .failed(let attempt))?: return failure(record, stamp.wall, attempt.attempts, attempt.failure)
        case (_, .past(let past))?:
            guard let known = past.failure else { throw Self.unexpected("a failed attempt") }
            return failure(record, past.at, past.attempts, known)
        default: throw Self.unexpected("a failed attempt")
        }
    }

    private func failure(_ record: JournalReader.Record, _ at: Int64, _ attempts: Attempts, _ failure: Failure) -> AttemptFailure {
        AttemptFailure(
            message: String(decoding: record.body, as: UTF8.self),
            code: failure.code,
            attempt: Int(attempts.attempt),
            at: Timestamp(milliseconds: at)
        )
    }

    func change(_ record: JournalReader.Record, at location: RecordLocation) throws(BrokerError) -> (Stamp, Change)? {
        try decode(location) { () throws(RecordError) in
            try record.header.withBytes { header throws(RecordError) in
                try Change.decode(kind: record.kind, header: header, bodyBytes: record.body.count)
            }
        }
    }

    func read(_ location: RecordLocation) throws(BrokerError) -> JournalReader.Record {
        do throws(JournalError) { return original(try reader.record(at: location)) } catch { throw BrokerError(error) }
    }

    func decode<T>(_ location: RecordLocation, _ body: () throws(RecordError) -> T) throws(BrokerError) -> T {
        do { return try body() } catch { throw BrokerError(error, at: location, in: reader.folder) }
    }

    static func unexpected(_ what: String) -> BrokerError {
        BrokerError(.storeCorrupt, "the store does not hold \(what) where it was written: restore it from a backup")
    }
}

extension [UInt8] {
    func withBytes<T>(_ body: (UnsafeRawBufferPointer) throws(RecordError) -> T) throws(RecordError) -> T {
        let result: Result<T, RecordError> = withUnsafeBytes { bytes in
            do throws(RecordError) { return .success(try body(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}

extension JobView {
    /// Where the record that ended it is, if one did.
    var finalRecord: RecordLocation? { if case .record(let location) = end { location } else { nil } }
}
