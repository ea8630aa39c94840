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
package struct RedrivePage: Sendable, Hashable {
    /// How many jobs got another chance.
    package var redriven: Int
    /// How many stay where they are, because the queue that they came from is gone, say: redriving one alone tells why.
    package var refused: Int
    package var next: String?

    package init(redriven: Int, refused: Int, next: String?) {
        self.redriven = redriven
        self.refused = refused
        self.next = next
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
            let parts = cursor.split(separator: ".", maxSplits: 1)
            guard parts.count == 2 else {
                throw .invalidArgument("cursor", "this cursor is not one that a page gave: start without one")
            }
            (page.end, page.cursor) = (String(parts[0]), String(parts[1]))
        }
        let found = try await list(page)
        // Told by its place, not by its time: clocks are set back, and imported jobs are as old as they were.
        let end = page.end ?? found.end
        let letters = found.jobs.filter { $0.isDeadLetter(in: query.queue, query.reason) }
        let outcomes = try await commit(letters.map { Transaction(.redrive($0.id)) })
        var redriven = 0, refused = 0
        for outcome in outcomes {
            switch outcome {
            case .committed: redriven += 1
            case .aborted(_, let error):
                switch error.code {
                // Somebody else was faster, or its dead letter is elsewhere.
                case .wrongState, .jobForgotten: break
                // It alone cannot go back, which keeps no other one from it.
                case .queueNotFound, .tooLarge, .invalidArgument: refused += 1
                default: throw error
                }
            }
        }
        return RedrivePage(redriven: redriven, refused: refused, next: found.next.map { "\(end).\($0)" })
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
