package import GodwitCore

/// The jobs that one holder has, oldest first.
package struct HeldJobs: Sendable {
    /// Running jobs that are looked at, the oldest first: they are what somebody looks for.
    package static let most = 5_000
    /// Jobs that are shown of one holder.
    package static let mostOfOne = 20

    /// Nil for those who named none, or whose name is not shown.
    package var holder: HolderID?
    package var jobs: [JobSnapshot]

    /// Since when it has had the oldest of them.
    package var since: Timestamp? { jobs.first?.startedAt }
    /// The queues that they are of, by name.
    package var queues: [String] { Set(jobs.map(\.queue.description)).sorted() }

    /// Jobs by who has them: who has most comes first.
    package static func grouped(_ jobs: [JobSnapshot]) -> [HeldJobs] {
        Dictionary(grouping: jobs, by: \.holder)
            .map { holder, jobs in
                HeldJobs(holder: holder, jobs: jobs.sorted { ($0.startedAt?.milliseconds ?? 0) < ($1.startedAt?.milliseconds ?? 0) })
            }
            .sorted { ($1.jobs.count, $0.holder?.description ?? "") < ($0.jobs.count, $1.holder?.description ?? "") }
    }

    /// The oldest jobs that run.
    /// - Parameter list: answers a page of the jobs that may be seen.
    /// - Returns: They, and whether they are all.
    package static func running(
        _ list: (JobQuery) async throws -> JobPage
    ) async throws -> (jobs: [JobSnapshot], isAll: Bool) {
        var query = JobQuery(state: .running, isOldestFirst: true, limit: Limits.page), jobs: [JobSnapshot] = [], looks = 0
        repeat {
            let page = try await list(query)
            jobs += page.jobs
            query.cursor = page.next
            looks += 1
        } while query.cursor != nil && looks < most / Limits.page
        return (jobs, query.cursor == nil)
    }
}
