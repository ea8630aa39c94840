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
}

extension ViewResolver {
    /// - Throws: `storeCorrupt` when a job's message cannot be read: an export that lacks a job would pass for a whole one.
    func exported(_ views: [ExportView]) throws(BrokerError) -> [ExportedJob] {
        let records: [JournalReader.Record]
        do throws(JournalError) { records = try reader.records(at: views.map(\.view.message)) } catch { throw BrokerError(error) }
        var jobs: [ExportedJob] = []
        jobs.reserveCapacity(views.count)
        for (view, record) in zip(views, records) { jobs.append(try exported(view, record)) }
        return jobs
    }

    private func exported(_ export: ExportView, _ record: JournalReader.Record) throws(BrokerError) -> ExportedJob {
        let view = export.view
        let job: Publication, stored: StoredMessage, payload: Bytes, onFinal: [FollowUp]
        do throws(RecordError) {
            let record = try record.original()
            (_, job, stored) = try record.header.withBytes(Change.message(header:))
            payload = Bytes(record.body.dropLast(job.onFinalBytes))
            onFinal =
                job.onFinalBytes == 0
                ? []
                : try Array(record.body.suffix(job.onFinalBytes)).withBytes { bytes throws(RecordError) in
                    try FollowUpCoding.decode(bytes)
                }
        } catch {
            throw BrokerError(error, at: view.message, in: reader.folder)
        }
        var message = NewMessage(
            queue: view.queue,
            payload: Content(payload, type: stored.contentType),
            name: stored.name,
            headers: stored.headers,
            start: view.runAt.map { .at(Timestamp(milliseconds: $0)) } ?? .now,
            priority: Int(job.priority),
            expires: export.expires.map { .milliseconds($0) },
            timeout: job.timeout.map { .milliseconds($0) },
            maxAttempts: view.attempts.map { Int($0.maxAttempts) } ?? Int(job.maxAttempts),
            onFinal: onFinal
        )
        if let key = job.key { message.deduplication = .init(key: String(decoding: key, as: UTF8.self)) }
        return ExportedJob(id: identity.jobID(view.sequence), state: view.state.jobState, message: message)
    }
}
