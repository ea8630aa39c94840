import GodwitCore
import HTTPTypes
import Hummingbird

/// Makes jobs: one whose payload is the request's body, or a batch, all or nothing.
struct PublishController: Sendable {
    /// Jobs in one batch.
    static let batchLimit = 1_000

    let environment: RouteEnvironment
    private var broker: any Broker { environment.broker }

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] {
        [
            Route(.post, "queues/:queue/jobs", .publish, options: PublishOptions.queryItems, operation: .publish, handler: publish),
            Route(.post, "queues/:queue/jobs/batch", .publish, operation: .publish, handler: publishBatch),
        ]
    }

    @Sendable private func publish(_ exchange: Exchange) async throws -> Response {
        try environment.refuseWhileDraining()
        var made = try await make(exchange)
        // Nothing of the body is held any more: whoever waits for the job's end takes no room from others.
        exchange.bodyIsDone()
        exchange.span?.note(job: made.id)
        let preference = exchange.preferredWait
        if let preference {
            made.fields[.preferenceApplied] = preference.applied
            if let job = made.known { made.known = try await JobWait(environment).final(of: job, within: preference.wait) }
        }
        // A job that is not kept has ended, too.
        let status: HTTPResponse.Status = preference != nil && made.known?.state.isFinal != false ? .ok : .accepted
        return .json(status, headers: made.fields) { json in
            if let job = made.known {
                json.job(job)
            } else {
                json.forgottenJob(made.id, queue: made.queue, name: made.name, replayed: false)
            }
        }
    }

    /// What is known of a job that was made, or was there already.
    private struct Made {
        let id: JobID
        let queue: QueueName
        let name: String?
        var known: JobSnapshot?
        var fields: HTTPFields
    }

    /// Reads the body, and makes the job of it. A function of its own, so that the payload goes with it.
    private func make(_ exchange: Exchange) async throws -> Made {
        let queue = try await QueueNames.creatable(try exchange.queue(), at: broker)
        let options = try PublishOptions(exchange.query, limits: exchange.limits)
        var names = KnownNames()
        try await names.check(options.onFinal, field: "on-final", at: broker)
        let key = try IdempotencyKey.of(exchange.headers)
        let session = try SessionHeader.of(exchange.headers)
        let headers = try JobHeaders.of(exchange.headers)
        let body = try await exchange.body(limit: exchange.limits.jobBytes)
        let payload = try MediaType.content(body, type: exchange.headers[.contentType])
        let message = exchange.jobTrace.added(to: options.message(to: queue, payload: payload, headers: headers, key: key))
        var permissions = exchange.permissions
        try await permissions.check([.enqueue(message)], making: .publish, at: broker)
        let result = try await commit(message, in: session, exchange.audit)
        guard let id = result.jobID else { throw Self.unknownOutcome }
        var made = Made(id: id, queue: queue, name: message.name, fields: [.location: exchange.location(of: id)])
        if case .enqueued(let job) = result {
            made.known = JobSnapshot(job, of: message)
        } else {
            made.fields[.idempotencyReplayed] = "true"
            made.known = try await broker.read([id]).first?.snapshot
        }
        return made
    }

    private func commit(_ message: NewMessage, in session: SessionCommit?, _ audit: RequestAudit) async throws -> OperationResult {
        let transaction = Transaction(.enqueue(message))
        do throws(BrokerError) {
            let results = try await broker.commit([transaction], in: session).first?.of(transaction).get() ?? []
            guard let result = results.first else { throw Self.unknownOutcome }
            audit.note(transaction, results)
            return result
        } catch {
            var problem = Problem(error)
            // Here the key is a header.
            if problem.field == "key" { problem.field = IdempotencyKey.field }
            problem.field = problem.field.map(PublishOptions.queryItem)
            throw problem
        }
    }

    private static let unknownOutcome = BrokerError(
        .outcomeUnknown,
        "the store did not say what became of the job: look for it, or publish it again with a key"
    )

    @Sendable private func publishBatch(_ exchange: Exchange) async throws -> Response {
        try environment.refuseWhileDraining()
        let queue = try await QueueNames.creatable(try exchange.queue(), at: broker)
        guard exchange.headers[.idempotencyKey] == nil else {
            throw Problem.invalid(IdempotencyKey.field, "a batch takes a key for each of its jobs: say it as the member key")
        }
        guard let items = try await exchange.json(limit: exchange.limits.batchBytes)?.elements else {
            throw Problem.invalid("body", "send a JSON array of jobs, each an object with a payload")
        }
        guard (1...Self.batchLimit).contains(items.count) else {
            throw Problem.invalid("body", "the batch has \(items.count) jobs: send 1 to \(Self.batchLimit)")
        }
        let trace = exchange.jobTrace
        exchange.span?.note(jobs: items.count)
        let messages = try items.enumerated().map {
            trace.added(to: try JSONMessage($1, path: "[\($0)].", queue: queue, limits: exchange.limits).message)
        }
        var names = KnownNames()
        for (index, message) in messages.enumerated() {
            try await names.check(message.onFinal, field: "[\(index)].on_final", at: broker)
        }
        var permissions = exchange.permissions
        try await permissions.check(messages.map { .enqueue($0) }, making: .publish, at: broker)
        let session = try SessionHeader.of(exchange.headers)
        try exchange.reserveOutcomes(messages.count)
        let transaction = Transaction(messages.map { .enqueue($0) })
        guard let outcome = try await broker.commit([transaction], in: session).first?.of(transaction) else {
            throw BrokerError(.outcomeUnknown, "the store did not say what became of the batch: send it again with keys")
        }
        switch outcome {
        case .aborted(let index, let error): throw Problem(error, path: "[\(index)].")
        case .committed(let results):
            exchange.audit.note(transaction, results)
            let replayed = results.compactMap { if case .duplicate(let id) = $0 { id } else { nil } }
            let lookups = replayed.isEmpty ? [] : try await broker.read(replayed)
            let snapshots = Dictionary(zip(replayed, lookups.map(\.snapshot)), uniquingKeysWith: { first, _ in first })
            return .json(.accepted) { json in
                json.object { json in
                    json.key("jobs")
                    json.array { json in
                        for (message, result) in zip(messages, results) { json.published(result, message, snapshots) }
                    }
                }
            }
        }
    }
}

extension JSONWriter {
    fileprivate mutating func published(_ result: OperationResult, _ message: NewMessage, _ snapshots: [JobID: JobSnapshot?]) {
        switch result {
        case .enqueued(let job): self.job(JobSnapshot(job, of: message))
        case .duplicate(let id):
            if let snapshot = snapshots[id] ?? nil {
                job(snapshot, replayed: true)
            } else {
                forgottenJob(id, queue: message.queue, name: message.name, replayed: true)
            }
        default: null()
        }
    }
}

extension JobSnapshot {
    /// A job that was just made, as its publisher knows it without reading it again.
    init(_ job: Enqueued, of message: NewMessage) {
        self.init(
            id: job.id,
            queue: message.queue,
            name: message.name,
            state: job.state,
            attempt: 0,
            maxAttempts: job.maxAttempts,
            priority: message.priority,
            createdAt: job.createdAt,
            runAt: job.runAt,
            group: message.group,
            isTransient: message.isTransient,
            version: job.version
        )
    }
}
