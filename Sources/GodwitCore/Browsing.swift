/// Which waiting jobs a page shows, oldest first.
package struct BrowseQuery: Sendable {
    package var queue: QueueName
    /// 1 to ``Limits/page``.
    package var limit: Int
    /// Where the previous page ended; opaque.
    package var cursor: String?

    package init(queue: QueueName, limit: Int = 100, cursor: String? = nil) {
        self.queue = queue
        self.limit = limit
        self.cursor = cursor
    }
}

/// A page of waiting jobs: queued, scheduled and retrying ones. It may hold fewer than were asked for, even none, and the list goes on as long as
/// `next` is not nil; what it holds after its first job has no more than ``Limits/leaseBytes``.
package struct BrowsePage: Sendable {
    package var jobs: [BrowsedJob]
    package var next: String?

    package init(jobs: [BrowsedJob], next: String?) {
        self.jobs = jobs
        self.next = next
    }
}

/// A job that waits, with what its worker will get.
package struct BrowsedJob: Sendable {
    package var job: JobSnapshot
    /// Nil when it cannot be read back.
    package var payload: Content?
    package var headers: [Header]

    package init(job: JobSnapshot, payload: Content?, headers: [Header]) {
        self.job = job
        self.payload = payload
        self.headers = headers
    }
}

/// A broker whose server gives tickets: URLs by which one job is followed without a token.
///
/// It stands beside ``Broker``, as ``Exportable`` does.
package protocol TicketGiving: Sendable {
    /// - Returns: a whole URL of the job's events, good for `lifetime`.
    /// - Throws: `jobNotFound`, `jobForgotten`, `invalidArgument` for a lifetime that is none.
    func watchURL(of job: JobID, lifetime: Duration) async throws(BrokerError) -> String
}

/// A store that can say a single job's headers, whatever its state.
///
/// It stands beside ``Broker``, as ``Exportable`` does.
package protocol HeaderReadable: Sendable {
    /// A job's headers, with what was amended since it was published.
    /// - Throws: `jobNotFound`, `jobForgotten`, `storeCorrupt`.
    func headers(of job: JobID) async throws(BrokerError) -> [Header]
}
