import GodwitCore
import GodwitWire
import HTTPTypes
import Hummingbird

/// Shows queues and changes them.
struct QueueController: Sendable {
    /// Bytes of a queue's settings.
    private static let settingsBytes = 64 << 10

    let environment: RouteEnvironment
    private var broker: any Broker { environment.broker }

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] {
        [
            Route(.get, "queues", .admin, reach: .known, handler: list),
            Route(.get, "queues/:queue", .admin, handler: show),
            Route(.put, "queues/:queue", .admin, handler: replace),
            Route(.patch, "queues/:queue", .admin, handler: merge),
            Route(.delete, "queues/:queue", .admin, options: ["purge"], handler: delete),
            Route(.get, "queues/:queue/browse", .admin, options: ["limit", "cursor"], handler: browse),
            Route(.post, "queues/:queue/redrive", .admin, options: ["name", "reason", "limit", "cursor"], handler: redrive),
            Route(.post, "queues/:queue/purge", .admin, handler: purge),
            Route(.post, "queues/:queue/pause", .admin, handler: pause),
            Route(.post, "queues/:queue/resume", .admin, handler: resume),
        ]
    }

    @Sendable private func list(_ exchange: Exchange) async throws -> Response {
        let queues = try await environment.glance.queues(broker).filter { exchange.permissions.allows($0.name) }
        try exchange.reserveAnswer(queues.count * QueueStatus.mostBytes)
        return .json { json in
            json.object { json in
                json.key("queues")
                json.array { json in
                    for queue in queues { json.queue(queue) }
                }
            }
        }
    }

    @Sendable private func show(_ exchange: Exchange) async throws -> Response {
        let queue = try await read(exchange)
        return .json { $0.queue(queue) }
    }

    @Sendable private func replace(_ exchange: Exchange) async throws -> Response {
        let name = try await QueueNames.creatable(try exchange.queue(), at: broker)
        let settings = try QueueSettings().merging(try await object(exchange))
        try await checkTarget(of: settings, exchange)
        let isNew = try await broker.queue(name) == nil
        let queue = try await broker.configure(name, settings, expecting: .anything)
        environment.glance.forget()
        exchange.audit.note("configure", ["queue": name.description])
        return .json(isNew ? .created : .ok) { $0.queue(queue) }
    }

    @Sendable private func merge(_ exchange: Exchange) async throws -> Response {
        let patch = try await object(exchange)
        while true {
            let current = try await read(exchange)
            let settings = try current.settings.merging(patch)
            if settings.deadLetterQueue != current.settings.deadLetterQueue { try await checkTarget(of: settings, exchange) }
            do throws(BrokerError) {
                let queue = try await broker.configure(current.name, settings, expecting: .version(current.settingsVersion))
                environment.glance.forget()
                exchange.audit.note("configure", ["queue": current.name.description])
                return .json { $0.queue(queue) }
            } catch {
                // Somebody else changed the settings in between: merge into theirs. One of the two always gets on.
                guard error.code == .versionConflict else { throw error }
            }
        }
    }

    @Sendable private func delete(_ exchange: Exchange) async throws -> Response {
        let name = try exchange.queue()
        let purges = try exchange.query.flag("purge")
        do throws(BrokerError) {
            try await broker.delete(name, purging: purges)
        } catch {
            guard error.code == .queueNotEmpty else { throw error }
            throw BrokerError(
                .queueNotEmpty,
                "the queue has unfinished jobs: wait for them, or delete it and them with ?purge=true (--purge)"
            )
        }
        environment.glance.forget()
        exchange.audit.note("delete", ["queue": name.description])
        return Response(status: .noContent)
    }

    @Sendable private func browse(_ exchange: Exchange) async throws -> Response {
        var query = BrowseQuery(queue: try exchange.queue())
        query.limit = try exchange.query.integer("limit", in: 1...Limits.page) ?? 100
        query.cursor = try exchange.query.text("cursor", limit: 1_024)
        try exchange.reserveAnswer(Call.browse(query).mostBytes(ofJob: exchange.limits.jobBytes))
        let page = try await broker.browse(query)
        return .json { json in
            json.object { json in
                json.key("jobs")
                json.array { json in
                    for job in page.jobs { json.browsed(job) }
                }
                json.member("next_cursor", page.next)
            }
        }
    }

    @Sendable private func redrive(_ exchange: Exchange) async throws -> Response {
        var query = RedriveQuery(queue: try exchange.queue())
        query.name = try exchange.query.text("name", limit: Limits.jobName)
        query.reason = try exchange.query.reason()
        query.limit = try exchange.query.integer("limit", in: 1...Limits.operations) ?? Limits.operations
        query.cursor = try exchange.query.text("cursor", limit: 1_024)
        let page = try await broker.redrive(query)
        exchange.audit.note("redrive", ["queue": query.queue.description, "jobs": String(page.redriven)])
        // Asked for once more it goes on: those that were redriven are no dead letters any more.
        if let failure = page.failure { throw failure }
        return .json { json in
            json.object { json in
                json.member("redriven", page.redriven)
                json.member("refused", page.refused)
                json.member("next_cursor", page.next)
            }
        }
    }

    @Sendable private func purge(_ exchange: Exchange) async throws -> Response {
        let name = try exchange.queue()
        let count = try await broker.purge(name)
        environment.glance.forget()
        exchange.audit.note("purge", ["queue": name.description, "jobs": String(count)])
        return .json { json in json.object { $0.member("purged", count) } }
    }

    @Sendable private func pause(_ exchange: Exchange) async throws -> Response {
        let name = try exchange.queue()
        try await broker.pause(name)
        environment.glance.forget()
        exchange.audit.note("pause", ["queue": name.description])
        return try await show(exchange)
    }

    @Sendable private func resume(_ exchange: Exchange) async throws -> Response {
        let name = try exchange.queue()
        try await broker.resume(name)
        environment.glance.forget()
        exchange.audit.note("resume", ["queue": name.description])
        return try await show(exchange)
    }

    /// A queue for dead letters that comes into being by HTTP has a name that HTTP can say.
    private func checkTarget(of settings: QueueSettings, _ exchange: Exchange) async throws {
        guard let name = settings.deadLetterQueue else { return }
        let target = try await QueueNames.creatable(QueueName(name), at: broker, field: "dead_letter_queue")
        guard exchange.permissions.allows(target) else { throw Problem.forbidden }
    }

    private func read(_ exchange: Exchange) async throws -> QueueStatus {
        let name = try exchange.queue()
        guard let queue = try await broker.queue(name) else { throw BrokerError.queueNotFound(name.description) }
        return queue
    }

    private func object(_ exchange: Exchange) async throws -> JSONValue {
        guard let value = try await exchange.json(limit: Self.settingsBytes) else {
            throw Problem.invalid("body", "send the settings as a JSON object")
        }
        return value
    }
}
