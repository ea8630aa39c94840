import GodwitCore
import GodwitEngine

/// What answers tell.
extension Reference {
    /// Compares an answer with what it must be, and learns from it.
    /// - Throws: ``Finding``.
    mutating func receive(_ ticket: UInt64, _ reply: SteppedEngine.Reply, mayFail: Bool) throws {
        guard let item = open.removeValue(forKey: ticket) else {
            // Of a call that waits nothing but its failure comes unexpected.
            if case .refused = reply, mayFail { return }
            throw Finding("a request was answered that was not open: \(String(describing: reply).prefix(200))")
        }
        if case .refused(let error) = reply, mayFail, error.code == .storeFailed || error.code == .closed { return }
        let jobs = try compare(reply, with: item)
        confirm(item.unit)
        try take(reply, of: item, jobs)
    }

    /// An answer is on its way, and what it tells is seen later.
    mutating func postpone(_ ticket: UInt64) -> Open? {
        guard let item = open.removeValue(forKey: ticket) else { return nil }
        confirm(item.unit)
        return item
    }

    /// What was postponed is seen.
    mutating func receive(_ reply: SteppedEngine.Reply, late item: Open) throws {
        let jobs = try compare(reply, with: item)
        try take(reply, of: item, jobs)
    }

    /// Takes the answers to all that is open.
    /// - Returns: how they differ from what they must be; nil when they do not.
    /// - Throws: ``Finding`` when they are what they must be, and do not go with what was told before.
    mutating func receive(all replies: [(ticket: UInt64, reply: SteppedEngine.Reply)]) throws -> String? {
        var broken: Finding?
        for (ticket, reply) in replies {
            guard let item = open.removeValue(forKey: ticket) else { return "an answer that nobody waits for" }
            let jobs: Comparison.Jobs?
            do { jobs = try compare(reply, with: item) } catch let finding as Finding { return finding.description }
            confirm(item.unit)
            do { try take(reply, of: item, jobs) } catch let finding as Finding { broken = broken ?? finding }
        }
        if let ticket = open.keys.min() { return "request \(ticket) was not answered" }
        if let broken { throw broken }
        return nil
    }

    /// Answers what a list was found to show.
    private func compare(_ reply: SteppedEngine.Reply, with item: Open) throws -> Comparison.Jobs? {
        if case .jobs(let expected) = item.expected, case .page(let page) = reply {
            let jobs = Comparison.jobs(page.jobs, expected, item.wallOffset, knowledge)
            if let what = jobs.difference { throw Finding(what) }
            return jobs
        }
        if let what = Comparison.difference(reply, item, knowledge) { throw Finding(what) }
        return nil
    }

    private mutating func take(_ reply: SteppedEngine.Reply, of item: Open, _ jobs: Comparison.Jobs?) throws {
        do { try learn(reply, item, jobs) } catch let finding as Knowledge.Finding { throw Finding(finding.what) }
    }

    private mutating func learn(_ reply: SteppedEngine.Reply, _ item: Open, _ jobs: Comparison.Jobs?) throws {
        switch (item.expected, reply) {
        case (.outcomes(let expected), .outcomes(let outcomes)):
            for (expected, outcome) in zip(expected, outcomes) {
                guard case .committed(let expected) = expected, case .committed(let results) = outcome else { continue }
                for (expected, result) in zip(expected, results) { try learn(result, expected) }
            }
        case (.deliveries(let expected), .deliveries(let deliveries, _)):
            for (expected, delivery) in zip(expected, deliveries) {
                let number = expected.job.number
                try knowledge.learn(token: delivery.token, fencing: delivery.fencingNumber, of: number, serial: expected.serial)
                try learn(delivery.job, expected.job)
            }
        case (.published(let numbers), .published(let ids)):
            for (number, id) in zip(numbers, ids) { try knowledge.learn(id: id, of: number) }
        case (.batch(let expected), .batch(_, let ids)):
            for (expected, id) in zip(expected, ids) { try knowledge.learn(id: id, of: expected.job.number) }
        case (.lookups(let expected), .lookups(let lookups)):
            for (expected, lookup) in zip(expected, lookups) {
                switch (expected, lookup) {
                case (.found(let job), .found(let snapshot)), (.either(let job), .found(let snapshot)): try learn(snapshot, job)
                case (.either(let job), .forgotten) where live.job(job.number)?.unit == job.unit: drop([job.number])
                default: break
                }
            }
        case (.records(let expected), .records(let records)):
            for (expected, record) in zip(expected, records) {
                guard let unit = expected.unit, let record else { continue }
                try knowledge.learn(version: record.version, of: expected.key, unit: unit)
            }
        case (.queues(let expected), .statuses(let statuses)):
            for status in statuses {
                guard let queue = expected[status.name] else { continue }
                dropKeys(queue.keys + queue.lapsedKeys.count - status.keys, of: queue.lapsedKeys, in: status.name)
            }
        case (.jobs, .page(let page)):
            guard let comparison = jobs else { return }
            drop(comparison.gone.filter { live.job($0)?.state.isFinal == true })
            let jobs = page.jobs
            for (place, job) in comparison.found {
                try learn(jobs[place].id, jobs[place].version, finished: jobs[place].finishedAt?.milliseconds, job)
            }
        default: break
        }
    }

    private mutating func learn(_ result: OperationResult, _ expected: ExpectedResult) throws {
        switch (expected, result) {
        case (.enqueued(let number, _, _, _, let unit), .enqueued(let job)):
            try knowledge.learn(id: job.id, of: number)
            try knowledge.learn(version: job.version, of: number, unit: unit)
        case (.duplicate(let number), .duplicate(let id)): try knowledge.learn(id: id, of: number)
        case (.added(_, _, _, let numbers), .added(let added)):
            for (number, id) in zip(numbers, added.enqueued) { try knowledge.learn(id: id, of: number) }
        case (.put(let key, let unit?), .put(let version)): try knowledge.learn(version: version, of: key, unit: unit)
        default: break
        }
    }

    private mutating func learn(_ snapshot: JobSnapshot, _ job: ModelJob) throws {
        try learn(snapshot.id, snapshot.version, finished: snapshot.finishedAt?.milliseconds, job)
    }

    private mutating func learn(_ id: JobID, _ version: Version, finished: Int64?, _ job: ModelJob) throws {
        try knowledge.learn(id: id, of: job.number)
        try knowledge.learn(version: version, of: job.number, unit: job.unit)
        if job.state.isFinal, job.finished == nil { learn(finished: finished, of: job.number) }
    }
}

/// A promise that was broken.
package struct Finding: Error, CustomStringConvertible {
    package var description: String

    init(_ description: String) { self.description = description }
}
