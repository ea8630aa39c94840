import GodwitCore
import GodwitWire
import HTTPTypes
import Hummingbird

/// Shows who holds which jobs, and since when.
struct WorkerController: Sendable {
    /// Up to so many queues are told to the store; of more it tells of everybody's jobs, and those that are not to be seen are left out here.
    private static let mostNamed = 1_000

    let environment: RouteEnvironment
    private var broker: any Broker { environment.broker }

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] { [Route(.get, "workers", .admin, reach: .known, handler: list)] }

    @Sendable private func list(_ exchange: Exchange) async throws -> Response {
        let queues = try await broker.queues().filter { exchange.permissions.allows($0.name) && $0.counts.running > 0 }
        let (jobs, isAll) = queues.isEmpty ? ([], true) : try await running(queues.map(\.name), exchange)
        let workers = HeldJobs.grouped(jobs.map { exchange.permissions.shown($0, hiding: environment.sharedHolder) })
        return .json { json in
            json.object { json in
                json.key("workers")
                json.array { json in
                    for worker in workers { json.worker(worker) }
                }
                json.member("complete", isAll)
            }
        }
    }

    private func running(_ queues: [QueueName], _ exchange: Exchange) async throws -> (jobs: [JobSnapshot], isAll: Bool) {
        try await HeldJobs.running { query in
            try exchange.reserveAnswer(Call.list(query).mostBytes(ofJob: exchange.limits.jobBytes))
            var page: JobPage
            if queues.count <= Self.mostNamed, !exchange.permissions.hasAllQueues, let store = broker as? any QueuesListable {
                page = try await store.list(query, within: queues)
            } else {
                page = try await broker.list(query)
            }
            page.jobs.removeAll { !exchange.permissions.allows($0.queue) }
            return page
        }
    }
}

extension JSONWriter {
    fileprivate mutating func worker(_ worker: HeldJobs) {
        object { json in
            json.member("holder", worker.holder?.description)
            json.member("held", worker.jobs.count)
            json.member("since", worker.since)
            json.key("queues")
            json.array { json in
                for queue in worker.queues { json.string(queue) }
            }
            json.key("jobs")
            json.array { json in
                for job in worker.jobs.prefix(HeldJobs.mostOfOne) { json.held(job) }
            }
        }
    }

    private mutating func held(_ job: JobSnapshot) {
        object { json in
            json.member("id", job.id.description)
            json.member("queue", job.queue.description)
            json.member("name", job.name)
            json.member("attempt", job.attempt)
            json.member("max_attempts", job.maxAttempts)
            json.member("started_at", job.startedAt)
            json.key("progress")
            json.progress(job.progress)
        }
    }
}
