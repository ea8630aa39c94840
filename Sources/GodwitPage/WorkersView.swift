import GodwitCore
import GodwitHTTP

/// Who holds which jobs, and since when.
enum WorkersView {
    static let options = ["holder"]
    /// Workers that are shown: those that have held a job the longest.
    static let mostWorkers = 100
    /// Jobs that are shown of one worker alone.
    private static let mostOfOnlyOne = 500

    static func content(_ look: Look) async throws -> PageContent {
        let (jobs, isAll) = try await running(look)
        var workers = HeldJobs.grouped(jobs).sorted { began($0) < began($1) }
        let wanted = look["holder"]
        if let wanted { workers.removeAll { $0.holder?.description != wanted } }
        let held = workers.reduce(0) { $0 + $1.jobs.count }
        return PageContent(
            title: wanted.map(Formatting.holder) ?? "Workers",
            section: "workers",
            template: "workers",
            view: [
                "workers": workers.prefix(mostWorkers).map { view($0, look, isOnlyOne: wanted != nil) },
                "none": workers.isEmpty && (isAll || wanted != nil), "only": wanted.map(Formatting.holder).orFalse,
                "holders": Formatting.count(workers.count, "worker"), "hold": workers.count == 1 ? "holds" : "hold",
                "others": (workers.count > mostWorkers ? Formatting.count(workers.count - mostWorkers, "more worker") : nil).orFalse,
                "held": Formatting.count(held, "job"), "partial": (isAll ? nil : Formatting.count(HeldJobs.most)).orFalse,
                "all": Address.path("jobs", [("state", JobState.running.rawValue)]),
            ],
            refresh: .every(.seconds(2))
        )
    }

    private static func began(_ worker: HeldJobs) -> Int64 { worker.since?.milliseconds ?? 0 }

    private static func running(_ look: Look) async throws -> (jobs: [JobSnapshot], isAll: Bool) {
        let queues = try await look.queues()
        // Nothing runs: nothing is looked for.
        guard queues.queues.contains(where: { $0.counts.running > 0 }) else { return ([], true) }
        return try await HeldJobs.running { query in try await queues.list(query, look.broker, look.access) }
    }

    private static func view(_ worker: HeldJobs, _ look: Look, isOnlyOne: Bool) -> View {
        let holder = worker.holder?.description ?? "", jobs = worker.jobs, queues = worker.queues
        let shown = isOnlyOne ? mostOfOnlyOne : HeldJobs.mostOfOne
        return [
            "key": holder, "holder": holder.isEmpty ? "an unknown holder" : Formatting.holder(holder),
            "jobs": Formatting.count(jobs.count, "job"),
            "alone": (holder.isEmpty || isOnlyOne ? nil : Address.path("workers", [("holder", holder)])).orFalse,
            "longest": worker.since.map { Formatting.span(look.now - $0) } ?? "–",
            "from": queues.prefix(3).joined(separator: ", ") + (queues.count > 3 ? " and \(queues.count - 3) more" : ""),
            "rows": jobs.prefix(shown).map { row($0, look.now) },
            "more": (jobs.count > shown ? Formatting.count(jobs.count - shown) : nil as String?).orFalse,
        ]
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
