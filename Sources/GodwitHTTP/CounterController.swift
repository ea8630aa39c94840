import GodwitCore
import HTTPTypes
import Hummingbird

/// Counts steps, and shows and deletes counters.
struct CounterController: Sendable {
    let environment: RouteEnvironment
    private var broker: any Broker { environment.broker }

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] {
        [
            Route(.post, "counters/:counter", .publish, reach: .known, handler: add),
            Route(.get, "counters/:counter", .publish, reach: .known, handler: show),
            Route(.delete, "counters/:counter", .admin, handler: delete),
        ]
    }

    @Sendable private func add(_ exchange: Exchange) async throws -> Response {
        try environment.refuseWhileDraining()
        let name = try OptionText.text("counter", exchange.item("counter"), limit: Limits.counterName)
        guard let value = try await exchange.json(limit: exchange.limits.jobBytes) else {
            throw Problem.invalid("step", "say what is counted: send a JSON object with the members step and at")
        }
        let addition = try FollowUpJSON(limits: exchange.limits).addition(value, key: name, path: "")
        var permissions = exchange.permissions
        try await permissions.check([.add(addition)], making: .publish, at: broker)
        var names = KnownNames()
        try await names.check(addition.then, field: "then", at: broker)
        let session = try SessionHeader.of(exchange.headers)
        let transaction = Transaction(exchange.jobTrace.added(to: [.add(addition)]))
        let results = try await broker.commit([transaction], in: session).first?.of(transaction).get() ?? []
        guard case .added(let added)? = results.first else {
            throw BrokerError(.outcomeUnknown, "the store did not say what became of the step: count it again, it counts once")
        }
        exchange.audit.note(transaction, results)
        return .json { json in
            json.object { json in
                json.counter(name, added.counter)
                json.member("counted", added.isCounted)
                json.member("completed", added.completes)
                json.key("enqueued")
                json.array { json in
                    for job in added.enqueued { json.string(job.description) }
                }
            }
        }
    }

    @Sendable private func show(_ exchange: Exchange) async throws -> Response {
        let name = try name(exchange)
        let key = RecordKey.counter(name)
        guard var record = try await broker.read([key]).first ?? nil else { throw Problem.counterNotFound(name) }
        var fields: HTTPFields = [:]
        if let preference = exchange.preferredWait {
            fields[.preferenceApplied] = preference.applied
            guard let last = try await full(key, from: record, within: preference.wait) else { throw Problem.counterNotFound(name) }
            record = last
        }
        guard let counter = record.counter else { throw Problem.counterNotFound(name) }
        return .json(headers: fields) { json in json.object { $0.counter(name, counter) } }
    }

    /// The counter when it is full; where it stands when the time is up or nobody waits any more; nil when it went meanwhile.
    private func full(_ key: RecordKey, from record: Record, within wait: Duration) async throws -> Record? {
        let broker = broker
        return try await interruptible(by: environment.interruptions) {
            let end = ContinuousClock.now + wait
            var record = record
            while record.counter?.isComplete == false, !Task.isCancelled {
                let left = end - .now
                guard left > .zero else { break }
                let answer = try await broker.watch([.record(key, known: record.version)], wait: left).first
                guard case .record(let next)? = answer else { continue }
                guard let next else { return nil }
                record = next
            }
            return record
        }
    }

    @Sendable private func delete(_ exchange: Exchange) async throws -> Response {
        let name = try name(exchange)
        let key = RecordKey.counter(name)
        guard try await broker.read([key]).first ?? nil != nil else { throw Problem.counterNotFound(name) }
        _ = try await broker.commit(.delete(key, expecting: .anything))
        exchange.audit.note("delete", ["counter": name])
        return Response(status: .noContent)
    }

    /// A counter that is there is reached whatever its name is made of.
    private func name(_ exchange: Exchange) throws(Problem) -> String {
        try OptionText.lines("counter", exchange.item("counter"), limit: Limits.counterName)
    }
}

extension Problem {
    fileprivate static func counterNotFound(_ name: String) -> Problem {
        Problem(
            .notFound,
            "counter_not_found",
            "there is no counter \(name) (any more): the first step that is counted makes it",
            field: "counter"
        )
    }
}

extension JSONWriter {
    fileprivate mutating func counter(_ name: String, _ counter: CounterValue) {
        member("key", name)
        member("count", counter.count)
        member("at", counter.target)
        member("complete", counter.isComplete)
    }
}
