import GodwitCore
import HTTPTypes
import Hummingbird

/// Ends and renews leases: one by one, or many in one request.
struct SettleController: Sendable {
    /// Leases in one batch.
    static let batchLimit = 1_000
    /// Bytes of a failure or a progress report.
    private static let reportBytes = 64 << 10

    let environment: RouteEnvironment
    private var broker: any Broker { environment.broker }

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] {
        [
            Route(.post, "leases/:lease/complete", .work, reach: .known, operation: .settle, handler: complete),
            Route(.post, "leases/:lease/fail", .work, reach: .known, operation: .settle, handler: fail),
            Route(.post, "leases/:lease/dead-letter", .work, reach: .known, operation: .settle, handler: deadLetter),
            Route(.post, "leases/:lease/release", .work, reach: .known, operation: .settle, handler: release),
            Route(.post, "leases/:lease/extend", .work, options: ["lease"], reach: .known, handler: extend),
            Route(.post, "leases/:lease/progress", .work, reach: .known, handler: progress),
            Route(.post, "leases/batch", .work, reach: .known, operation: .settle, handler: batch),
        ]
    }

    @Sendable private func complete(_ exchange: Exchange) async throws -> Response {
        let body = try await exchange.body(limit: exchange.limits.jobBytes)
        let result = body.isEmpty ? nil : try MediaType.content(body, type: exchange.headers[.contentType])
        return try await answer(.complete(exchange.lease, result: result), exchange)
    }

    @Sendable private func fail(_ exchange: Exchange) async throws -> Response {
        guard let value = try await exchange.json(limit: Self.reportBytes) else {
            throw Problem.invalid("error", "say what failed: send a JSON object with the member error")
        }
        return try await answer(.failure(of: exchange.lease, value), exchange)
    }

    @Sendable private func deadLetter(_ exchange: Exchange) async throws -> Response {
        guard let value = try await exchange.json(limit: Self.reportBytes) else {
            throw Problem.invalid("error", "say why: send a JSON object with the member error")
        }
        return try await answer(.deadLetter(of: exchange.lease, value), exchange)
    }

    @Sendable private func release(_ exchange: Exchange) async throws -> Response {
        try await answer(.release(of: exchange.lease, try await exchange.json(limit: Self.reportBytes)), exchange)
    }

    @Sendable private func extend(_ exchange: Exchange) async throws -> Response {
        try await answer(.renew(Renewal(exchange.lease, term: try exchange.query.duration("lease", in: Settlement.leaseRange))), exchange)
    }

    @Sendable private func progress(_ exchange: Exchange) async throws -> Response {
        guard let value = try await exchange.json(limit: Self.reportBytes) else {
            throw Problem.invalid("fraction", "send a JSON object with the member fraction")
        }
        return try await answer(.progress(of: exchange.lease, value), exchange)
    }

    @Sendable private func batch(_ exchange: Exchange) async throws -> Response {
        guard let values = try await exchange.json(limit: exchange.limits.batchBytes)?.elements else {
            throw Problem.invalid("body", "send a JSON array of objects, each with a lease and what to do with it")
        }
        guard (1...Self.batchLimit).contains(values.count) else {
            throw Problem.invalid("body", "the batch has \(values.count) leases: send 1 to \(Self.batchLimit)")
        }
        let items = try values.enumerated().map { try BatchItem($1, path: "[\($0)].", limits: exchange.limits) }
        var names = KnownNames()
        for (index, item) in items.enumerated() {
            for (number, message) in item.followUps.enumerated() {
                try await names.check(message.queue, field: "[\(index)].enqueue[\(number)].queue", at: broker)
                try await names.check(message.onFinal, field: "[\(index)].enqueue[\(number)].on_final", at: broker)
            }
            if let target = item.settlement.target { try await names.check(target, field: "[\(index)].dead_letter.to", at: broker) }
        }
        let trace = exchange.jobTrace
        exchange.span?.note(jobs: items.count)
        try exchange.reserveOutcomes(items.count, isWork: true)
        let settlements = items.map { $0.settlement.traced(trace) }
        let results = try await carryOut(settlements, exchange)
        return .json { json in
            json.object { json in
                json.key("results")
                json.array { json in
                    for (index, (item, result)) in zip(items, results).enumerated() {
                        json.object { json in
                            json.member("lease", item.lease.description)
                            json.settled(result, path: "[\(index)].")
                        }
                    }
                }
            }
        }
    }

    private func answer(_ settlement: Settlement, _ exchange: Exchange) async throws -> Response {
        // One for dead letters that comes into being by HTTP has a name that HTTP can say.
        if let target = settlement.target { _ = try await QueueNames.creatable(target, at: broker, field: "to") }
        let result = try await carryOut([settlement], exchange).first
        switch result {
        case .failed(_, let error): throw error
        case let result?: return .json { json in json.object { $0.settled(result) } }
        case nil: throw BrokerError.noOutcome
        }
    }

    /// All settles in one commit, all renewals in one call; one result each, in order. What goes with a settle goes into queues that the client
    /// may use: one that goes elsewhere is refused, the others are not.
    private func carryOut(_ settlements: [Settlement], _ exchange: Exchange) async throws -> [Settled] {
        let session = try SessionHeader.of(exchange.headers)
        var transactions: [Transaction] = []
        var renewals: [Renewal] = []
        for settlement in settlements {
            switch settlement {
            case .settle(let transaction): transactions.append(transaction)
            case .renew(let renewal): renewals.append(renewal)
            }
        }
        // Renewals first: a lease is not to expire while the settles of others are synced.
        var renewed = try await renew(renewals)[...]
        var outcomes: ArraySlice<TransactionOutcome> = []
        if !transactions.isEmpty {
            let admission = try await Admission(of: transactions, making: .work, exchange, environment)
            outcomes = try await broker.commit(transactions, in: session, admission, audit: exchange.audit)[...]
        }
        return settlements.map { settlement in
            switch settlement {
            case .settle: outcomes.popFirst().map { Settled($0) } ?? .failed(operation: 0, .noOutcome)
            case .renew: renewed.popFirst() ?? .failed(operation: 0, .noOutcome)
            }
        }
    }

    private func renew(_ renewals: [Renewal]) async throws(BrokerError) -> [Settled] {
        guard !renewals.isEmpty else { return [] }
        let holder = try await broker.open(HolderOptions(id: environment.sharedHolder, queues: [], capacity: 1, isEmbedded: false))
        let outcomes = try await holder.renew(renewals)
        let now = environment.now()
        return outcomes.map { Settled($0, now: now) }
    }
}

extension BrokerError {
    fileprivate static let noOutcome = BrokerError(.outcomeUnknown, "the store did not say what became of the lease: look at the job")
}
