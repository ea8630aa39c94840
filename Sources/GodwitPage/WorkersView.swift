import GodwitCore
import GodwitHTTP

/// Who holds which jobs, and since when.
enum WorkersView {
    static func content(_ look: Look) async throws -> PageContent {
        let (jobs, isAll) = try await running(look)
        let workers: [View] = HeldJobs.grouped(jobs).map { held in
            let (holder, jobs, queues) = (held.holder?.description ?? "", held.jobs, held.queues)
            return [
                "key": holder, "holder": holder.isEmpty ? "an unknown holder" : holder, "jobs": Formatting.count(jobs.count, "job"),
                "longest": held.since.map { Formatting.span(look.now - $0) } ?? "–",
                "from": queues.prefix(3).joined(separator: ", ") + (queues.count > 3 ? " and \(queues.count - 3) more" : ""),
                "rows": jobs.prefix(HeldJobs.mostOfOne).map { row($0, look.now) },
                "more": (jobs.count > HeldJobs.mostOfOne ? Formatting.count(jobs.count - HeldJobs.mostOfOne) : nil as String?).orFalse,
            ]
        }
        return PageContent(
            title: "Workers",
            section: "workers",
            template: "workers",
            view: [
                "workers": workers, "none": workers.isEmpty && isAll, "holders": Formatting.count(workers.count, "worker"),
                "hold": workers.count == 1 ? "holds" : "hold",
                "held": Formatting.count(jobs.count, "job"), "partial": (isAll ? nil : Formatting.count(HeldJobs.most)).orFalse,
                "all": Address.path("jobs", [("state", JobState.running.rawValue)]),
            ],
            refresh: .every(.seconds(2))
        )
    }

    private static func running(_ look: Look) async throws -> (jobs: [JobSnapshot], isAll: Bool) {
        let queues = try await look.queues()
        // Nothing runs: nothing is looked for.
        guard queues.queues.contains(where: { $0.counts.running > 0 }) else { return ([], true) }
        return try await HeldJobs.running { query in try await queues.list(query, look.broker, look.access) }
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
