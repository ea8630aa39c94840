/// Which dead letters of a queue get another chance.
package struct RedriveQuery: Sendable {
    package var queue: QueueName
    package var name: String?
    /// What they died of last.
    package var reason: DeathReason?
    /// How many jobs one page looks at, 1 to ``Limits/operations``.
    package var limit: Int
    /// Where the previous page ended; opaque.
    package var cursor: String?

    package init(queue: QueueName, name: String? = nil, reason: DeathReason? = nil, limit: Int = Limits.operations, cursor: String? = nil) {
        self.queue = queue
        self.name = name
        self.reason = reason
        self.limit = limit
        self.cursor = cursor
    }
}

/// What a page of ``Broker/redrive(_:)`` did: go on as long as `next` is not nil.
package struct RedrivePage: Sendable, Equatable {
    /// How many jobs got another chance.
    package var redriven: Int
    /// How many stay where they are, because the queue that they came from is gone, say: redriving one alone tells why.
    package var refused: Int
    /// How many stay because their dead letters went to another queue: they are to be redriven there.
    package var moved: Int
    package var next: String?
    /// What kept some of the page from it, a full disk, say: `next` leads to them again, and those that stay are counted then. Whoever counts takes
    /// what was done before they pass it on.
    package var failure: BrokerError?

    package init(redriven: Int, refused: Int, moved: Int = 0, next: String?, failure: BrokerError? = nil) {
        self.redriven = redriven
        self.refused = refused
        self.moved = moved
        self.next = next
        self.failure = failure
    }

    package static func == (one: RedrivePage, other: RedrivePage) -> Bool {
        (one.redriven, one.refused, one.moved, one.next, one.failure?.code)
            == (other.redriven, other.refused, other.moved, other.next, other.failure?.code)
    }
}

extension Broker {
    /// Redrives the dead letters of a queue, oldest first, a page at a time, each for itself: those that failed or expired in it, and those
    /// that came to it from other queues and wait. What comes to the queue after the first page is not looked at.
    /// - Throws: `queueNotFound`, `invalidArgument`.
    package func redrive(_ query: RedriveQuery) async throws(BrokerError) -> RedrivePage {
        guard (1...Limits.operations).contains(query.limit) else {
            throw .invalidArgument("limit", "limit must be 1 to \(Limits.operations)")
        }
        guard try await queue(query.queue) != nil else { throw .queueNotFound(query.queue.description) }
        var page = JobQuery(queue: query.queue, name: query.name, isOldestFirst: true, limit: query.limit)
        if let cursor = query.cursor {
            let parts = cursor.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw .invalidArgument("cursor", "this cursor is not one that a page gave: start without one")
            }
            page.end = String(parts[0])
            // The first page, once more.
            page.cursor = parts[1].isEmpty ? nil : String(parts[1])
        }
        let found = try await list(page)
        // Told by its place, not by its time: clocks are set back, and imported jobs are as old as they were.
        let end = page.end ?? found.end
        var letters = found.jobs.filter { $0.isDeadLetter(in: query.queue, query.reason) }
        let all = letters.count
        letters.removeAll(where: \.isDeadLettered)
        let tally = BulkTally(try await commit(each: letters.map { .redrive($0.id) }))
        if let failure = tally.failure {
            return RedrivePage(redriven: tally.done, refused: 0, next: "\(end).\(page.cursor ?? "")", failure: failure)
        }
        return RedrivePage(
            redriven: tally.done,
            refused: tally.refused,
            moved: all - letters.count,
            next: found.next.map { "\(end).\($0)" }
        )
    }
}

extension JobSnapshot {
    /// Whether it may be redriven, as far as its snapshot tells, and died of this the last time. One that was given another chance in the
    /// queue in which it died still has its history, and is none any more.
    package func isDeadLetter(in queue: QueueName, _ reason: DeathReason?) -> Bool {
        let died: DeathReason?
        switch state {
        case .failed, .expired: died = self.reason
        case .queued, .scheduled, .retrying: died = deaths.first.flatMap { $0.queue == queue ? nil : $0.reason }
        case .running, .succeeded, .cancelled: died = nil
        }
        return died != nil && (reason == nil || died == reason)
    }
}
