import GodwitCore
import GodwitHTTP

/// Who holds which jobs, and since when.
enum WorkersView {
    /// Running jobs that are looked at, the oldest first: they are what somebody looks for.
    private static let most = 5_000
    /// Jobs that are shown of one worker.
    private static let mostOfOne = 20

    static func content(_ look: Look) async throws -> PageContent {
        let (jobs, isAll) = try await running(look)
        let groups = Dictionary(grouping: jobs) { $0.holder?.description ?? "" }
        let workers: [View] = groups.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }.map { holder, jobs in
            let jobs = jobs.sorted { ($0.startedAt?.milliseconds ?? 0) < ($1.startedAt?.milliseconds ?? 0) }
            let queues = Set(jobs.map(\.queue.description)).sorted()
            return [
                "key": holder, "holder": holder.isEmpty ? "an unknown holder" : holder, "jobs": Formatting.count(jobs.count, "job"),
                "longest": jobs.first?.startedAt.map { Formatting.span(look.now - $0) } ?? "–",
                "from": queues.prefix(3).joined(separator: ", ") + (queues.count > 3 ? " and \(queues.count - 3) more" : ""),
                "rows": jobs.prefix(mostOfOne).map { row($0, look.now) },
                "more": (jobs.count > mostOfOne ? Formatting.count(jobs.count - mostOfOne) : nil as String?).orFalse,
            ]
        }
        return PageContent(
            title: "Workers",
            section: "workers",
            template: "workers",
            view: [
                "workers": workers, "none": workers.isEmpty && isAll, "holders": Formatting.count(workers.count, "worker"),
                "hold": workers.count == 1 ? "holds" : "hold",
                "held": Formatting.count(jobs.count, "job"), "partial": (isAll ? nil : Formatting.count(most)).orFalse,
                "all": Address.path("jobs", [("state", JobState.running.rawValue)]),
            ],
            refresh: .every(.seconds(2))
        )
    }

    private static func running(_ look: Look) async throws -> (jobs: [JobSnapshot], isAll: Bool) {
        let queues = try await look.queues()
        // Nothing runs: nothing is looked for.
        guard queues.queues.contains(where: { $0.counts.running > 0 }) else { return ([], true) }
        var query = JobQuery(state: .running, isOldestFirst: true, limit: Limits.page), jobs: [JobSnapshot] = [], looks = 0
        repeat {
            let page = try await queues.list(query, look.broker, look.access)
            jobs += page.jobs
            query.cursor = page.next
            looks += 1
        } while query.cursor != nil && looks < most / Limits.page
        return (jobs, query.cursor == nil)
    }

    private static func row(_ job: JobSnapshot, _ now: Timestamp) -> View {
        [
            "link": Address.job(job.id), "name": job.name ?? String(job.id.description.suffix(8)), "queue": job.queue.description,
            "queueLink": Address.queue(job.queue), "since": job.startedAt.map { Formatting.span(now - $0) } ?? "–",
            "attempt": "\(job.attempt) of \(job.maxAttempts)",
            "doing": job.progress.map { "\(Int(($0.fraction * 100).rounded())) %\($0.note.map { " · \($0)" } ?? "")" } ?? "",
        ]
    }
}
