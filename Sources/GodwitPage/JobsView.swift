import GodwitCore
import GodwitHTTP

/// Jobs by state, queue, name and reason, a page at a time; the whole filter is in the address.
enum JobsView {
    static let options = JobFilter.options + ["order", "cursor", "shown", "next"]
    /// Jobs on a page, about.
    static let most = 50
    /// How long a page looks for jobs before it shows those that it has found: longer where somebody searches, and never while nobody asks.
    private static let patience: Duration = .milliseconds(50)
    private static let searchPatience: Duration = .seconds(1)
    /// Steps, each of a limited part of the store, in which a page that is kept up to date may look for its jobs each time.
    private static let mostSteps = 5
    /// How many more jobs are looked at in one step when the step before has found few.
    private static let growth = 5
    /// Jobs that an address can name: more do not fit into one.
    static let mostNamed = 100
    /// Queues that are suggested.
    private static let suggestions = 200

    static func content(_ look: Look) async throws -> PageContent {
        let filter = try JobFilter(look.access) { look[$0] }
        let queues = try await look.queues()
        let expected = filter.count(in: queues.queues)
        // What somebody searches for may be far apart: a page that is kept up to date shows what was found, and looks for nothing again.
        var isSearch = filter.isSearched || !queues.isAll && filter.queue == nil
        var page = JobPage(jobs: [], next: nil, end: "")
        if look.isLive, let shown = look["shown"] {
            page = JobPage(jobs: try await read(shown, look), next: look["next"], end: "")
        } else if expected != 0 {
            // Of some that there are, and that are few under many others, none is to be missed.
            let isPatient = !look.isLive && (isSearch || expected != nil)
            let found = try await find(filter, look, queues, patience: isPatient ? searchPatience : patience, expected: expected)
            page = found.page
            if found.isDeep, !look.isLive { isSearch = true }
        }
        let columns: [View] = ["State", "Job", "Queue", "Attempt", "Created", "What is known"].map { ["label": $0] }
        let isOldestFirst = look["order"] == "oldest"
        let here = address(filter, look, [("cursor", look["cursor"])])
        let deeds = deeds(filter, expected, here)
        return PageContent(
            title: "Jobs",
            section: "jobs",
            head: "filter",
            template: "jobs",
            view: [
                "columns": columns, "rows": page.jobs.enumerated().map { row($1, look, here, isChoosable: $0 < mostNamed) },
                "empty": page.jobs.isEmpty,
                "next": page.next.map { address(filter, look, [("cursor", $0)]) }.orFalse,
                "first": look["cursor"].map { _ in address(filter, look) }.orFalse,
                "sparse": page.next != nil && page.jobs.count < most, "total": expected.map { Formatting.count($0, "job") }.orFalse,
                "states": choices(JobState.allCases.map(\.rawValue), look["state"]),
                "reasons": choices(DeathReason.allCases.map(\.rawValue), look["reason"]),
                "queue": PageEscaping.attribute(look["queue"] ?? ""), "name": PageEscaping.attribute(look["name"] ?? ""),
                "oldest": isOldestFirst, "deeds": deeds, "hasDeeds": !deeds.isEmpty && !page.jobs.isEmpty,
                "back": here, "chosen": [Deed.retryChosen, .cancelChosen].map { ["deed": $0.rawValue, "label": $0.label] as View },
                "queues": queues.queues.prefix(suggestions).map { ["queueName": PageEscaping.attribute($0.name.description)] as View },
            ],
            // Of nothing nothing changes: to search again is for who asks.
            refresh: isSearch && (page.jobs.isEmpty || page.jobs.count > mostNamed) ? .never : .every(.seconds(5)),
            stream: isSearch && !look.isLive ? stream(filter, look, page) : nil
        )
    }

    /// Looks for a page's worth of jobs as long as patience lasts: each call looks at a limited part of the store.
    /// - Parameter expected: how many there are in all, where that is known.
    private static func find(
        _ filter: JobFilter,
        _ look: Look,
        _ queues: SeenQueues,
        patience: Duration,
        expected: Int?
    ) async throws -> (page: JobPage, isDeep: Bool) {
        let isSearched = filter.isSearched || filter.queue == nil && queues.isSearched
        var query = filter.query(limit: most)
        query.isOldestFirst = look["order"] == "oldest"
        query.cursor = look["cursor"]
        let start = ContinuousClock.now
        var found: [JobSnapshot] = [], steps = 0
        while true {
            let page = try await queues.list(query, look.broker, look.access)
            found += page.jobs
            steps += 1
            // A whole store is not walked to its end for nothing.
            let isAll = look["cursor"] == nil && expected.map { found.count >= $0 } ?? false
            guard !isAll, let next = page.next, found.count < most, start.duration(to: .now) < patience else {
                // Found again and again they would cost as much each time.
                let isDeep = steps > mostSteps
                return (JobPage(jobs: found, next: isAll ? nil : page.next, end: page.end), isDeep)
            }
            query.cursor = next
            // What is left out is left out after a page was cut: few of many are found by large pages, and of many a few are enough.
            if isSearched, page.jobs.count < query.limit / growth { query.limit = min(query.limit * growth, Limits.page) }
        }
    }

    // MARK: Keeping it up to date

    /// The jobs that are shown already, as they are now; those that are gone are left out.
    private static func read(_ shown: String, _ look: Look) async throws -> [JobSnapshot] {
        let ids = shown.split(separator: ",").prefix(mostNamed).map { JobID(String($0)) }
        guard !ids.isEmpty else { return [] }
        return try await look.broker.read(ids).compactMap { lookup in
            guard case .found(let job) = lookup, look.access.allows(.admin, job.queue) else { return nil }
            return job
        }
    }

    private static func stream(_ filter: JobFilter, _ look: Look, _ page: JobPage) -> String {
        address(
            filter,
            look,
            [
                ("cursor", look["cursor"]), ("shown", page.jobs.prefix(mostNamed).map(\.id.description).joined(separator: ",")),
                ("next", page.next),
            ]
        )
    }

    // MARK: What is shown

    /// - Parameter here: this page, to which the job's leads back.
    /// - Parameter isChoosable: whether it can be ticked: an address names only so many.
    private static func row(_ job: JobSnapshot, _ look: Look, _ here: String, isChoosable: Bool) -> View {
        [
            "choosable": isChoosable,
            "key": job.id.description, "state": job.state.rawValue, "id": job.id.description, "short": String(job.id.description.suffix(8)),
            "link": Address.job(job.id, backTo: here == Address.path("jobs", []) ? nil : here), "name": job.name ?? "",
            "hasName": job.name != nil, "queue": job.queue.description,
            "queueLink": Address.queue(job.queue), "attempt": "\(job.attempt) of \(job.maxAttempts)",
            "created": Formatting.time(job.createdAt, now: look.now), "known": known(job, look.now),
        ]
    }

    /// What is worth saying of a job in a line.
    private static func known(_ job: JobSnapshot, _ now: Timestamp) -> String {
        switch job.state {
        case .scheduled: return job.runAt.map { "due \(Formatting.relative($0, to: now)), at \(Formatting.clock($0))" } ?? ""
        case .queued: return job.errors.last.map { "tried before: \($0.message)" } ?? ""
        case .running:
            let since = job.startedAt.map { "since \(Formatting.span(now - $0))" }
            let progress = job.progress.map { "\(Int(($0.fraction * 100).rounded())) %" }
            return [since, progress, job.progress?.note].compactMap { $0 }.joined(separator: " · ")
        case .retrying:
            let due = job.runAt.map { "again \(Formatting.relative($0, to: now)), at \(Formatting.clock($0))" }
            return [due, job.errors.last?.message].compactMap { $0 }.joined(separator: " · ")
        case .succeeded:
            guard let started = job.startedAt, let finished = job.finishedAt else { return "" }
            return "took \(Formatting.took(finished - started))"
        case .failed, .expired: return [job.reason?.rawValue, job.errors.last?.message].compactMap { $0 }.joined(separator: " · ")
        case .cancelled: return job.errors.last?.message ?? ""
        }
    }

    /// What can be done with all jobs that the filter lets through. Where there are none, each button keeps its place.
    private static func deeds(_ filter: JobFilter, _ expected: Int?, _ here: String) -> [View] {
        [Deed.redriveThese, .retryThese, .cancelThese].map { deed in
            var view = deed.view(filter.items + [("back", here)], isOff: !BulkDeed.fits(deed, filter.state) || expected == 0)
            if deed == .retryThese, filter.state?.isFinal == false { view["label"] = "Run these now…" }
            return view
        }
    }

    private static func choices(_ values: [String], _ chosen: String?) -> [View] {
        values.map { ["choice": $0, "chosen": $0 == chosen] }
    }

    private static func address(_ filter: JobFilter, _ look: Look, _ more: [(name: String, value: String?)] = []) -> String {
        Address.path("jobs", filter.items + [("order", look["order"])] + more)
    }
}
