import GodwitCore
import GodwitHTTP

/// The queues that somebody may see.
struct SeenQueues: Sendable {
    /// Up to so many are told to the store; of more it tells of everybody's jobs, and those that are not to be seen are left out here.
    private static let mostNamed = 1_000

    let queues: [QueueStatus]
    /// Whether these are all there are.
    let isAll: Bool

    static func all(_ environment: PageEnvironment, _ access: PageAccess, isLive: Bool = false) async throws -> SeenQueues {
        // Who may see none is not worth the look.
        guard access.isOperator else { return SeenQueues(queues: [], isAll: false) }
        let all = try await environment.glance.queues(environment.broker, isLive: isLive)
        if access.hasAllQueues { return SeenQueues(queues: all, isAll: true) }
        let seen = all.filter { access.allows(.admin, $0.name) }
        return SeenQueues(queues: seen, isAll: seen.count == all.count)
    }

    /// Whether jobs that may be seen are looked for among all others one by one.
    var isSearched: Bool { !isAll && queues.count > Self.mostNamed }

    /// A page of the jobs that may be seen.
    func list(_ query: JobQuery, _ broker: any Broker, _ access: PageAccess) async throws(BrokerError) -> JobPage {
        var page: JobPage
        if !isAll, query.queue == nil, queues.count <= Self.mostNamed, let store = broker as? any QueuesListable {
            page = try await store.list(query, within: queues.map(\.name))
        } else {
            page = try await broker.list(query)
        }
        page.jobs.removeAll { !access.allows(.admin, $0.queue) }
        return page
    }
}
