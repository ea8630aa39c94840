/// A store whose unfinished jobs can be copied into another one, as their publishers made them.
///
/// It stands beside ``Broker``, as ``Archivable`` does.
package protocol Exportable: Sendable {
    /// Unfinished jobs, oldest first, by keyset paging.
    /// - Throws: `invalidArgument` for a cursor that no page gave, `queueNotFound`, `closed`, `storeFailed`.
    func exportPage(_ query: ExportQuery) async throws(BrokerError) -> ExportPage
}

package struct ExportQuery: Sendable {
    /// Nil for all queues.
    package var queue: QueueName?
    /// 1 to ``Limits/page``.
    package var limit: Int
    /// Where the previous page ended; opaque.
    package var cursor: String?

    package init(queue: QueueName? = nil, limit: Int = Limits.page, cursor: String? = nil) {
        self.queue = queue
        self.limit = limit
        self.cursor = cursor
    }
}

/// A page of jobs, of at most ``Limits/leaseBytes`` (a single job may have more). The list goes on as long as `next` is not nil.
package struct ExportPage: Sendable {
    package var jobs: [ExportedJob]
    package var next: String?

    package init(jobs: [ExportedJob], next: String?) {
        self.jobs = jobs
        self.next = next
    }
}

/// An unfinished job with all that its publisher can say.
package struct ExportedJob: Sendable {
    package var id: JobID
    package var state: JobState
    /// As it would be published now: at the time at which it is due, and with what is left of the time until it expires.
    package var message: NewMessage

    package init(id: JobID, state: JobState, message: NewMessage) {
        self.id = id
        self.state = state
        self.message = message
    }
}
