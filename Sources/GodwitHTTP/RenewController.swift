import GodwitCore
import GodwitWire
import HTTPTypes
import Hummingbird

/// Renews many leases in one request: a worker's heartbeats.
struct RenewController: Sendable {
    /// Renewals of one request, and its bytes.
    static let limit = 10_000
    private static let requestBytes = 4 << 20

    let environment: RouteEnvironment
    private var broker: any Broker { environment.broker }

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] { [Route(.post, "leases/renew", .work, reach: .known, handler: renew)] }

    @Sendable private func renew(_ exchange: Exchange) async throws -> Response {
        let form = try BodyForm(ofBody: exchange.headers)
        let request = form == .batch ? try await frames(exchange) : try await json(exchange)
        guard (1...Self.limit).contains(request.renewals.count) else {
            throw Problem.invalid("renewals", "these are \(request.renewals.count) renewals: send 1 to \(Self.limit) at a time")
        }
        try exchange.reserveOutcomes(request.renewals.count, inFrames: form.answer(to: exchange.headers) == .batch, isWork: true)
        // A lease is renewed by whoever has its token: whose it is does not matter.
        let holder = try await broker.open(HolderOptions(id: request.holder, queues: [], capacity: 1, isEmbedded: false))
        let outcomes = try await holder.renew(request.renewals)
        switch form.answer(to: exchange.headers) {
        case .batch: return .batch(Wire.encode(outcomes))
        case .json: return answer(outcomes, to: request.renewals)
        }
    }

    private func frames(_ exchange: Exchange) async throws -> RenewRequest {
        let body = try await exchange.body(limit: Self.requestBytes)
        var request: RenewRequest
        do throws(WireError) { request = try Wire.decodeRenew(body) } catch { throw Problem(error) }
        // In frames there is no refusal for one lease alone, and the others are to be renewed: what is too short or too long lasts as it may.
        for index in request.renewals.indices {
            guard let term = request.renewals[index].term else { continue }
            request.renewals[index].term = min(max(term, Limits.shortestLease), Limits.longestLease)
        }
        return request
    }

    /// `{"holder"?, "renewals": [{"lease", "lease_time"?, "fraction"?, "note"?}, …]}`
    private func json(_ exchange: Exchange) async throws -> RenewRequest {
        guard let value = try await exchange.json(limit: Self.requestBytes) else {
            throw Problem.invalid("renewals", "send a JSON object with the member renewals")
        }
        var object = try ObjectReader(value)
        let holder = try object.text("holder", limit: Limits.holderName).map { HolderID($0) } ?? environment.sharedHolder
        guard let items = object.value("renewals")?.elements else {
            throw Problem.invalid("renewals", "say which leases are renewed: an array of objects, each with a lease")
        }
        try object.finish()
        return RenewRequest(holder: holder, renewals: try items.enumerated().map { try Self.renewal($1, path: "renewals[\($0)].") })
    }

    private static func renewal(_ value: JSONValue, path: String) throws(Problem) -> Renewal {
        var object = try ObjectReader(value, path: path)
        guard let token = object.value("lease")?.string, !token.isEmpty else {
            throw .invalid(path + "lease", "say which lease this is about")
        }
        let term = try object.duration("lease_time", in: Settlement.leaseRange)
        let progress = object.value("fraction") == nil ? nil : try Settlement.progress(&object, clamps: true)
        guard progress != nil || object.value("note") == nil else {
            throw .invalid(path + "note", "a note is said with its fraction: how far the job is, 0 to 1")
        }
        try object.finish()
        return Renewal(LeaseToken(token), term: term, progress: progress)
    }

    private func answer(_ outcomes: [RenewalOutcome], to renewals: [Renewal]) -> Response {
        let now = environment.now()
        return .json { json in
            json.object { json in
                json.key("results")
                json.array { json in
                    for (index, (outcome, renewal)) in zip(outcomes, renewals).enumerated() {
                        json.object { json in
                            json.member("lease", renewal.token.description)
                            json.settled(Settled(outcome, now: now), path: "renewals[\(index)].")
                        }
                    }
                }
            }
        }
    }
}
