import GodwitCore
import GodwitWire
import HTTPTypes
import Hummingbird

/// Shows jobs, and ends, retries and forgets them.
struct JobController: Sendable {
    let environment: RouteEnvironment
    private var broker: any Broker { environment.broker }

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] {
        [
            // Whoever knows its id may follow a job. A ticket is looked at before anybody gets here.
            Route(.get, "jobs/:job", .watch, options: [WatchTicketController.item], reach: .known, handler: show),
            Route(.get, "jobs/:job/result", .watch, options: [WatchTicketController.item], reach: .known, handler: result),
            Route(.get, "jobs/:job/events", .watch, options: [WatchTicketController.item], reach: .known, handler: events),
            Route(.get, "jobs/:job/payload", .admin, reach: .job, handler: payload),
            Route(
                .get,
                "jobs",
                .admin,
                options: ["queue", "state", "name", "reason", "oldest", "limit", "cursor"],
                reach: .known,
                handler: list
            ),
            Route(.post, "jobs/:job/cancel", .admin, reach: .job, handler: cancel),
            Route(.post, "jobs/:job/retry", .admin, reach: .job, handler: retry),
            Route(.post, "jobs/:job/redrive", .admin, reach: .job, handler: redrive),
            Route(.delete, "jobs/:job", .admin, reach: .job, handler: forget),
        ]
    }

    @Sendable private func show(_ exchange: Exchange) async throws -> Response {
        let (job, fields) = try await awaited(exchange)
        return .json(headers: fields) { $0.job(job) }
    }

    @Sendable private func result(_ exchange: Exchange) async throws -> Response {
        var (job, fields) = try await awaited(exchange)
        switch job.state {
        case .succeeded:
            guard let content = try await broker.result(of: job.id) else { return Response(status: .noContent, headers: fields) }
            var response = Response.content(content)
            for field in fields { response.headers[field.name] = field.value }
            return response
        case .failed, .cancelled, .expired:
            let reason = job.errors.last.map { ": \($0.message)" } ?? ""
            throw BrokerError(.wrongState, "the job has no result, it is \(job.state.rawValue)\(reason)")
        case .scheduled, .queued, .running, .retrying:
            fields[.retryAfter] = "1"
            return .json(.accepted, headers: fields) { $0.job(job) }
        }
    }

    @Sendable private func events(_ exchange: Exchange) async throws -> Response {
        let job = try await read(exchange.job)
        if job.state.isFinal, exchange.headers[.lastEventID] == job.version.description { return Response(status: .noContent) }
        let tenure = exchange.permissions.access.tenure
        return EventStream(job: job, environment: environment, keepAlive: exchange.limits.keepAlive, tenure: tenure).response
    }

    @Sendable private func payload(_ exchange: Exchange) async throws -> Response {
        .content(try await broker.payload(of: exchange.job))
    }

    @Sendable private func list(_ exchange: Exchange) async throws -> Response {
        var query = JobQuery()
        if let name = exchange.query["queue"] { query.queue = try QueueNames.parse(name) }
        guard query.queue.map({ exchange.permissions.allows($0) }) ?? exchange.permissions.hasAllQueues else { throw Problem.forbidden }
        if let text = exchange.query["state"] {
            guard let state = JobState(rawValue: text) else {
                throw Problem.invalid("state", "state must be one of \(JobState.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            query.state = state
        }
        query.name = try exchange.query.text("name", limit: Limits.jobName)
        query.reason = try exchange.query.reason()
        query.isOldestFirst = try exchange.query.flag("oldest")
        query.limit = try exchange.query.integer("limit", in: 1...Limits.page) ?? 100
        query.cursor = try exchange.query.text("cursor", limit: 1_024)
        try exchange.reserveAnswer(Call.list(query).mostBytes(ofJob: exchange.limits.jobBytes))
        let page = try await broker.list(query)
        return .json { json in
            json.object { json in
                json.key("jobs")
                json.array { json in
                    for job in page.jobs { json.job(shown(job, exchange), showsHolder: true) }
                }
                json.member("next_cursor", page.next)
            }
        }
    }

    @Sendable private func cancel(_ exchange: Exchange) async throws -> Response {
        try await change(exchange, .cancel(exchange.job), "cancel")
    }

    @Sendable private func retry(_ exchange: Exchange) async throws -> Response {
        try await change(exchange, .retry(exchange.job), "retry")
    }

    /// Answers the job that lives on: itself, or the new one in the queue that it came from.
    @Sendable private func redrive(_ exchange: Exchange) async throws -> Response {
        let job = try await read(try await broker.commit(.redrive(exchange.job)).jobID ?? exchange.job)
        exchange.audit.note("redrive", ["job": exchange.job.description])
        return .json(headers: [.location: exchange.location(of: job.id)]) { $0.job(shown(job, exchange), showsHolder: true) }
    }

    @Sendable private func forget(_ exchange: Exchange) async throws -> Response {
        _ = try await broker.commit(.forget(exchange.job))
        exchange.audit.note("forget", ["job": exchange.job.description])
        return Response(status: .noContent)
    }

    private func change(_ exchange: Exchange, _ operation: Operation, _ act: String) async throws -> Response {
        let before = try await broker.read([exchange.job]).first?.snapshot
        let result = try await broker.commit(operation)
        exchange.audit.note(act, ["job": exchange.job.description])
        var job: JobSnapshot
        do throws(BrokerError) { job = try await read(exchange.job) } catch {
            // It was done: where the queue keeps none that ended nothing else is left of it.
            guard error.code == .jobForgotten, let before, case .state(let state) = result else { throw error }
            job = before
            job.state = state
        }
        return .json { $0.job(shown(job, exchange), showsHolder: true) }
    }

    private func shown(_ job: JobSnapshot, _ exchange: Exchange) -> JobSnapshot {
        exchange.permissions.shown(job, hiding: environment.sharedHolder)
    }

    /// The job, at its end if the client prefers to wait and the time suffices.
    private func awaited(_ exchange: Exchange) async throws -> (JobSnapshot, HTTPFields) {
        let job = try await read(exchange.job)
        guard let preference = exchange.preferredWait else { return (job, [:]) }
        let fields: HTTPFields = [.preferenceApplied: preference.applied]
        guard let end = try await JobWait(environment).final(of: job, within: preference.wait) else {
            throw BrokerError.jobForgotten(exchange.job)
        }
        return (end, fields)
    }

    private func read(_ id: JobID) async throws(BrokerError) -> JobSnapshot {
        switch try await broker.read([id]).first {
        case .found(let job): return job
        case .forgotten: throw .jobForgotten(id)
        case .unknown, nil: throw .jobNotFound(id)
        }
    }
}
