import GodwitCore
import GodwitWire
import HTTPTypes
import Hummingbird
import NIOCore

/// Gives jobs to workers in any language.
struct LeaseController: Sendable {
    let environment: RouteEnvironment
    private var broker: any Broker { environment.broker }

    init(environment: RouteEnvironment) { self.environment = environment }

    private static let options = ["max", "wait", "lease", "holder"]
    /// Bytes of a request for leases: as many queues as it may name.
    private static let requestBytes = 512 << 10

    var routes: [Route] {
        [
            Route(.post, "queues/:queue/leases", .work, options: Self.options, operation: .lease) { exchange in
                try await lease(exchange, from: [exchange.queue()], field: "queue")
            },
            Route(
                .post,
                "leases",
                .work,
                options: ["queue"] + Self.options,
                repeatable: ["queue"],
                reach: .known,
                operation: .lease
            ) { exchange in
                guard !BodyForm.isBatch(exchange.headers) else { return try await leaseByFrames(exchange) }
                return try await lease(exchange, from: exchange.query.all("queue").map { try QueueNames.parse($0) }, field: "queue")
            },
            Route(.delete, "holders/:holder", .work, reach: .known, handler: closeHolder),
        ]
    }

    @Sendable private func lease(_ exchange: Exchange, from names: [QueueName], field: String) async throws -> Response {
        try environment.refuseWhileDraining()
        guard !names.isEmpty else { throw Problem.invalid(field, "say at least one queue to lease from") }
        guard names.count <= Limits.queuesPerHolder else {
            throw Problem.invalid(field, "these are \(names.count) queues: lease from at most \(Limits.queuesPerHolder) at a time")
        }
        let query = exchange.query
        let count = try query.integer("max", in: 1...Limits.leases) ?? 1
        let wait = min(try query.duration("wait") ?? .zero, exchange.limits.wait)
        let term = try query.duration("lease", in: Limits.shortestLease...Limits.longestLease).map { LeaseTerm.fixed($0) } ?? .queue
        let named = try query.text("holder", limit: Limits.holderName)
        let holderID = try named.map { name throws(Problem) in try exchange.permissions.holder(name) } ?? environment.sharedHolder
        var queues: [QueueName] = []
        // What may not be leased from is not told whether it is there.
        guard names.allSatisfy({ exchange.permissions.allows($0) }) else { throw Problem.forbidden }
        for name in names { queues.append(try await QueueNames.creatable(name, at: broker, field: field)) }
        let holder = HolderOptions(id: holderID, queues: queues, capacity: count, isEmbedded: false)
        return try await answer(LeaseRequest(holder: holder, max: count, term: term, wait: wait), .json, exchange)
    }

    /// As Godwit's own clients ask: the body says it all.
    private func leaseByFrames(_ exchange: Exchange) async throws -> Response {
        try environment.refuseWhileDraining()
        guard exchange.query.isEmpty else { throw Problem.invalid("query", "a batch says everything in its body: leave the query out") }
        let body = try await exchange.body(limit: Self.requestBytes)
        var request: LeaseRequest
        do throws(WireError) { request = try Wire.decodeLease(body) } catch { throw Problem(error) }
        guard request.term != .holderLife else {
            throw Problem.invalid("lease", "a lease by HTTP lasts for a time, and is renewed: nobody here sees when its holder is gone")
        }
        request.wait = min(request.wait, exchange.limits.wait)
        if !request.holder.id.description.isEmpty { request.holder.id = try exchange.permissions.holder(request.holder.id.description) }
        return try await answer(request, .batch, exchange)
    }

    /// - Parameter form: in which the request came.
    private func answer(_ request: LeaseRequest, _ form: BodyForm, _ exchange: Exchange) async throws -> Response {
        guard request.holder.queues.allSatisfy({ exchange.permissions.allows($0) }) else { throw Problem.forbidden }
        let holder = try await broker.open(request.holder)
        let start = ContinuousClock.now
        let deliveries =
            request.wait <= .zero
            ? try await holder.lease(max: request.max, term: request.term, wait: .zero)
            : try await interruptible(by: environment.interruptions) {
                try await holder.lease(max: request.max, term: request.term, wait: request.wait)
            }
        if let span = exchange.span {
            span.note(jobs: deliveries.count)
            span.link(to: deliveries.lazy.map(\.headers), of: exchange.headers)
        }
        let answer = LeaseAnswer(deliveries, waited: ContinuousClock.now - start, broker: broker)
        // Not before there are any: workers wait for long, and for nothing mostly. Without room they are given back.
        let bytes = deliveries.reduce(0) { $0 + $1.payload.bytes.count + JobSnapshot.mostBytes }
        if !deliveries.isEmpty { try exchange.reserveAnswer(bytes, isWork: true) }
        let shown = deliveries.map { delivery in
            var delivery = delivery
            delivery.job = exchange.permissions.shown(delivery.job, hiding: environment.sharedHolder)
            return delivery
        }
        switch form.answer(to: exchange.headers) {
        case .batch: return answer.response(ByteBuffer(bytes: Wire.encode(shown)), type: WireFormat.mediaType)
        case .json: return answer.response(json(deliveries), type: "application/json")
        }
    }

    private func json(_ deliveries: [Delivery]) -> ByteBuffer {
        var json = JSONWriter(capacity: 256 + deliveries.reduce(0) { $0 + $1.payload.bytes.count + 1_024 })
        let now = environment.now()
        json.object { json in
            json.key("leases")
            json.array { json in
                for delivery in deliveries { json.delivery(delivery, now: now) }
            }
        }
        return json.buffer
    }

    @Sendable private func closeHolder(_ exchange: Exchange) async throws -> Response {
        // Whoever may work for all queues may end what tokens for some hold, by the name that is shown.
        let parts = exchange.item("holder").split(separator: Permissions.holderSeparator, maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, exchange.permissions.hasAllQueues {
            for part in parts { _ = try OptionText.text("holder", String(part), limit: Limits.holderName) }
            return try await close(HolderID(exchange.item("holder")), exchange)
        }
        let name = try OptionText.text("holder", exchange.item("holder"), limit: Limits.holderName)
        // That of all who name none is nobody's to end.
        guard HolderID(name) != environment.sharedHolder else { throw Problem.forbidden }
        return try await close(try exchange.permissions.holder(name), exchange)
    }

    private func close(_ holder: HolderID, _ exchange: Exchange) async throws -> Response {
        try await broker.open(HolderOptions(id: holder, queues: [], capacity: 1, isEmbedded: false)).close()
        exchange.audit.note("release", ["holder": PercentCoding.encode(holder.description)])
        return Response(status: .noContent)
    }
}
