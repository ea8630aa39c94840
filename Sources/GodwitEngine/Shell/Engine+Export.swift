package import GodwitCore
import GodwitJournal

extension Engine: Exportable {
    package func exportPage(_ query: ExportQuery) async throws(BrokerError) -> ExportPage {
        guard (1...Limits.page).contains(query.limit) else {
            throw .invalidArgument("limit", "limit must be 1 to \(Limits.page)")
        }
        guard case .exports(let views) = try await ask(.export(query)) else { throw Self.mixedUp }
        defer { withExtendedLifetime(views.pin) {} }
        return ExportPage(jobs: try resolver.exported(views.jobs), next: views.next)
    }

    package func exportRecords(after cursor: String?, named prefix: String?) async throws(BrokerError) -> RecordPage {
        guard case .exportedRecords(let views) = try await ask(.exportRecords(cursor: cursor, prefix: prefix)) else { throw Self.mixedUp }
        defer { withExtendedLifetime(views.pin) {} }
        var page = RecordPage(records: [], next: views.next)
        for item in views.records {
            let view = RecordView(location: item.location, version: Version(0), pin: views.pin)
            let value: Result<Bytes, BrokerError>
            // One that is damaged does not keep the others from being written.
            do throws(BrokerError) { value = .success(try resolver.record(view).value) } catch {
                guard error.code == .storeCorrupt else { throw error }
                value = .failure(error)
            }
            page.records.append(ExportedRecord(key: item.key, value: value, lifetime: item.lifetime.map { .milliseconds($0) }))
        }
        return page
    }
}

extension Engine: HeaderReadable {
    package func headers(of job: JobID) async throws(BrokerError) -> [Header] {
        guard case .lookups(let views) = try await ask(.read([job])), let view = views.first else { throw Self.mixedUp }
        switch view {
        case .found(let view):
            defer { withExtendedLifetime(view.pin) {} }
            return resolver.headers(of: view, try resolver.message(at: view.message))
        case .unknown: throw .jobNotFound(job)
        case .forgotten: throw .jobForgotten(job)
        }
    }
}

extension ViewResolver {
    /// - Throws: `storeFailed` when records cannot be read at all; those that are damaged are said with their jobs.
    func exported(_ exports: [ExportView]) throws(BrokerError) -> [ExportedJob] {
        let messages = read(exports.map(\.view.message), reader.records(at:), reader.record(at:))
        var ends = read(exports.compactMap(\.view.finalRecord), reader.records(at:), reader.record(at:))[...]
        var jobs: [ExportedJob] = [], failures = failures(of: exports.lazy.map(\.view))
        jobs.reserveCapacity(exports.count)
        for (export, record) in zip(exports, messages) {
            let end = export.view.finalRecord == nil ? nil : ends.removeFirst()
            let failures = takeFailures(of: export.view, from: &failures)
            let message: Result<NewMessage, BrokerError>
            do throws(BrokerError) { message = .success(try exported(export, record, end, failures)) } catch {
                guard error.code == .storeCorrupt else { throw error }
                message = .failure(error)
            }
            let view = export.view
            jobs.append(
                ExportedJob(id: identity.jobID(view.sequence), queue: view.queue, state: view.state.jobState, message: message)
            )
        }
        return jobs
    }

    private func exported(
        _ export: ExportView,
        _ record: ReadRecord,
        _ end: ReadRecord?,
        _ failures: ArraySlice<ReadRecord>
    ) throws(BrokerError) -> NewMessage {
        let view = export.view
        let stored = try message(record, at: view.message)
        // An end that cannot be read must not pass for one without a result.
        if let end { _ = try found(end) }
        let job = snapshot(view, stored, end, failures)
        var message = NewMessage(
            queue: view.queue,
            payload: stored.payload,
            name: stored.stored.name,
            headers: headers(of: view, stored),
            start: job.runAt.map { .at($0) } ?? .now,
            priority: Int(stored.job.priority),
            expires: export.expires.map { .milliseconds($0) },
            timeout: stored.job.timeout.map { .milliseconds($0) },
            maxAttempts: min(max(job.maxAttempts, 1), Limits.maxAttempts),
            group: job.group,
            claim: stored.job.claim.map { String(decoding: $0, as: UTF8.self) },
            onFinal: try onFinal(record, stored.job.onFinalBytes, at: view.message)
        )
        // One that is forgotten may have been used again.
        if let key = stored.job.key, stored.stamp.engine > export.keysForgotten {
            message.deduplication = .init(key: String(decoding: key, as: UTF8.self), fingerprint: stored.job.fingerprint)
        }
        message.past = try past(of: job, view, end)
        return message
    }

    /// What follows a job's end, which stands behind its payload.
    private func onFinal(_ record: ReadRecord, _ bytes: Int, at location: RecordLocation) throws(BrokerError) -> [FollowUp] {
        if bytes == 0 { return [] }
        let body = try found(record).body
        do throws(RecordError) {
            return try Array(body.suffix(bytes)).withBytes { bytes throws(RecordError) in try FollowUpCoding.decode(bytes) }
        } catch {
            throw BrokerError(error, at: location, in: reader.folder)
        }
    }

    private func past(of job: JobSnapshot, _ view: JobView, _ record: ReadRecord?) throws(BrokerError) -> JobPast {
        var failures = job.errors
        var end: JobPast.End?
        if job.state.isFinal, let at = job.finishedAt {
            end = JobPast.End(state: job.state, at: at, reason: job.reason)
            // The last one says how it ended: of a failed job what it failed of, of the others what their state says anyway.
            if job.state != .succeeded, let last = failures.popLast(), job.state == .failed { end?.failure = last }
            if job.state == .succeeded, let record, let location = view.finalRecord { end?.result = try result(record, at: location) }
        }
        return JobPast(
            createdAt: job.createdAt,
            // What is under way is not known to have failed: it is given again.
            attempt: job.state == .running ? max(job.attempt - 1, 0) : job.attempt,
            deliveries: job.deliveries,
            startedAt: job.startedAt,
            failures: failures,
            deaths: job.deaths,
            isRetrying: job.state == .retrying,
            end: end
        )
    }
}
