/// A store whose jobs and small records can be copied into another one.
///
/// It stands beside ``Broker``, as ``Archivable`` does.
package protocol Exportable: Sendable {
    /// Jobs, oldest first, by keyset paging.
    /// - Throws: `invalidArgument` for a cursor that no page gave, `queueNotFound`, `closed`, `storeFailed`.
    func exportPage(_ query: ExportQuery) async throws(BrokerError) -> ExportPage
    /// Small records, in no order that means anything, by keyset paging. A page may have few, even none, while there are more.
    /// - Parameter prefix: only records whose keys' names begin with this; nil for all.
    /// - Throws: `invalidArgument` for a cursor that no page gave, `closed`, `storeFailed`, `storeCorrupt`.
    func exportRecords(after cursor: String?, named prefix: String?) async throws(BrokerError) -> RecordPage
}

extension Exportable {
    package func exportRecords(after cursor: String?) async throws(BrokerError) -> RecordPage {
        try await exportRecords(after: cursor, named: nil)
    }
}

package struct ExportQuery: Sendable {
    /// Nil for all queues.
    package var queue: QueueName?
    /// Whether finished jobs are wanted, too.
    package var includesFinished: Bool
    /// 1 to ``Limits/page``.
    package var limit: Int
    /// Where the previous page ended; opaque.
    package var cursor: String?

    package init(queue: QueueName? = nil, includesFinished: Bool = true, limit: Int = Limits.page, cursor: String? = nil) {
        self.queue = queue
        self.includesFinished = includesFinished
        self.limit = limit
        self.cursor = cursor
    }
}

/// A page of jobs, of about ``Limits/leaseBytes`` at most (a single job may have more). The list goes on as long as `next` is not nil.
package struct ExportPage: Sendable {
    package var jobs: [ExportedJob]
    package var next: String?

    package init(jobs: [ExportedJob], next: String?) {
        self.jobs = jobs
        self.next = next
    }
}

/// A job with all that makes it what it is, but its id.
package struct ExportedJob: Sendable {
    package var id: JobID
    package var queue: QueueName
    package var state: JobState
    /// As it would be published now: with its past, at the time at which it is due, and with what is left of the time until it expires.
    /// What keeps it from being read, where it cannot be.
    package var message: Result<NewMessage, BrokerError>

    package init(id: JobID, queue: QueueName, state: JobState, message: Result<NewMessage, BrokerError>) {
        self.id = id
        self.queue = queue
        self.state = state
        self.message = message
    }
}

/// A page of small records. The list goes on as long as `next` is not nil.
package struct RecordPage: Sendable {
    package var records: [ExportedRecord]
    package var next: String?

    package init(records: [ExportedRecord], next: String?) {
        self.records = records
        self.next = next
    }
}

package struct ExportedRecord: Sendable {
    package var key: RecordKey
    /// A failure (`storeCorrupt`) says why it cannot be read any more.
    package var value: Result<Bytes, BrokerError>
    /// What is left of its lifetime; nil when it has no end.
    package var lifetime: Duration?

    package init(key: RecordKey, value: Result<Bytes, BrokerError>, lifetime: Duration?) {
        self.key = key
        self.value = value
        self.lifetime = lifetime
    }
}
