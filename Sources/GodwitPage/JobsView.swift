import GodwitCore
import GodwitHTTP

/// Jobs by state, queue, name and reason, a page at a time; the whole filter is in the address.
enum JobsView {
    static let options = ["state", "queue", "name", "reason", "order", "cursor"]
    /// Jobs on a page, about.
    private static let most = 50
    /// How long a page looks for jobs before it shows those that it has found: longer where somebody searches, and never while nobody asks.
    private static let patience: Duration = .milliseconds(50)
    private static let searchPatience: Duration = .seconds(1)
    /// Queues that are suggested.
    private static let suggestions = 200

    static func content(_ look: Look) async throws -> PageContent {
        let query = try self.query(look)
        let queues = try await look.queues()
        let expected = count(of: query, in: queues.queues)
        var page = JobPage(jobs: [], next: nil, end: "")
        if expected != 0 { page = try await find(query, look) }
        let columns: [View] = ["State", "Job", "Queue", "Attempt", "Created", "What is known"].map { ["label": $0] }
        return PageContent(
            title: "Jobs",
            section: "jobs",
            head: "filter",
            template: "jobs",
            view: [
                "columns": columns, "rows": page.jobs.map { row($0, look) }, "empty": page.jobs.isEmpty,
                "next": page.next.map { address(look, cursor: $0) }.orFalse,
                "first": look["cursor"].map { _ in address(look, cursor: nil) }.orFalse,
                "sparse": page.next != nil && page.jobs.count < most, "total": expected.map { Formatting.count($0, "job") }.orFalse,
                "states": choices(JobState.allCases.map(\.rawValue), look["state"]),
                "reasons": choices(DeathReason.allCases.map(\.rawValue), look["reason"]),
                "queue": PageEscaping.attribute(look["queue"] ?? ""), "name": PageEscaping.attribute(look["name"] ?? ""),
                "oldest": query.isOldestFirst,
                "queues": queues.queues.prefix(suggestions).map { ["queueName": PageEscaping.attribute($0.name.description)] as View },
            ],
            refresh: .every(.seconds(5))
        )
    }

    private static func query(_ look: Look) throws -> JobQuery {
        // What a filter leaves out is left out after a page was cut: few of many are found by large pages alone.
        let isSearch = look["name"] != nil || look["reason"] != nil
        var query = JobQuery(limit: isSearch ? Limits.page : most)
        if let text = look["queue"] {
            let name = try QueueName(text)
            try look.access.require(.admin, name)
            query.queue = name
        }
        if let text = look["state"] {
            guard let state = JobState(rawValue: text) else {
                throw Problem.invalid("state", "state must be one of \(JobState.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            query.state = state
        }
        if let text = look["reason"] {
            guard let reason = DeathReason(rawValue: text) else {
                throw Problem.invalid("reason", "reason must be one of \(DeathReason.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            query.reason = reason
        }
        query.name = look["name"]
        query.isOldestFirst = look["order"] == "oldest"
        query.cursor = look["cursor"]
        return query
    }

    /// How many jobs the filter lets through in all, from the queues' kept numbers; nil where these do not say it.
    private static func count(of query: JobQuery, in queues: [QueueStatus]) -> Int? {
        let queues = queues.filter { query.queue == nil || $0.name == query.queue }
        let states = query.state.map { [$0] } ?? JobState.allCases
        let count = queues.reduce(0) { sum, queue in states.reduce(sum) { $0 + queue.counts[$1] } }
        // A name or a reason leaves some out; of none nothing is left.
        return query.name == nil && query.reason == nil || count == 0 ? count : nil
    }

    /// Looks for a page's worth of jobs as long as patience lasts: each call looks at a limited part of the store.
    private static func find(_ query: JobQuery, _ look: Look) async throws -> JobPage {
        var query = query
        let start = ContinuousClock.now
        let patience = query.limit > most && !look.isLive ? searchPatience : patience
        var found: [JobSnapshot] = []
        while true {
            let page = try await look.broker.list(query)
            found += page.jobs.filter { look.access.allows(.admin, $0.queue) }
            guard let next = page.next, found.count < most, start.duration(to: .now) < patience else {
                return JobPage(jobs: found, next: page.next, end: page.end)
            }
            query.cursor = next
        }
    }

    private static func row(_ job: JobSnapshot, _ look: Look) -> View {
        [
            "key": job.id.description, "state": job.state.rawValue, "id": job.id.description, "short": String(job.id.description.suffix(8)),
            "link": Address.job(job.id), "name": job.name ?? "", "hasName": job.name != nil, "queue": job.queue.description,
            "queueLink": Address.queue(job.queue), "attempt": "\(job.attempt) of \(job.maxAttempts)",
            "created": Formatting.time(job.createdAt, now: look.now), "known": known(job, look.now),
        ]
    }

    /// What is worth saying of a job in a line.
    private static func known(_ job: JobSnapshot, _ now: Timestamp) -> String {
        switch job.state {
        case .scheduled: return job.runAt.map { "due \(Formatting.relative($0, to: now))" } ?? ""
        case .queued: return job.errors.last.map { "tried before: \($0.message)" } ?? ""
        case .running:
            let since = job.startedAt.map { "since \(Formatting.span(now - $0))" }
            let progress = job.progress.map { "\(Int(($0.fraction * 100).rounded())) %" }
            return [since, progress, job.progress?.note].compactMap { $0 }.joined(separator: " · ")
        case .retrying:
            let due = job.runAt.map { "again \(Formatting.relative($0, to: now))" }
            return [due, job.errors.last?.message].compactMap { $0 }.joined(separator: " · ")
        case .succeeded:
            guard let started = job.startedAt, let finished = job.finishedAt else { return "" }
            return "took \(Formatting.took(finished - started))"
        case .failed, .expired: return [job.reason?.rawValue, job.errors.last?.message].compactMap { $0 }.joined(separator: " · ")
        case .cancelled: return job.errors.last?.message ?? ""
        }
    }

    private static func choices(_ values: [String], _ chosen: String?) -> [View] {
        values.map { ["choice": $0, "chosen": $0 == chosen] }
    }

    private static func address(_ look: Look, cursor: String?) -> String {
        Address.path("jobs", ["state", "queue", "name", "reason", "order"].map { ($0, look[$0]) } + [("cursor", cursor)])
    }
}
