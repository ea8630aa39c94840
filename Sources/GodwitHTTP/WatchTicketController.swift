import GodwitCore
import HTTPTypes
import Hummingbird

/// Gives tickets: URLs by which a user's browser follows its own job for a while, without a token.
struct WatchTicketController: Sendable {
    /// The query item that carries a ticket.
    static let item = "ticket"
    private static let standardLifetime: Duration = .seconds(3_600)

    let environment: RouteEnvironment

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] {
        guard environment.watchKeys != nil else { return [] }
        return [Route(.post, "jobs/:job/ticket", anyOf: [.publish, .work, .admin], options: ["lifetime"], reach: .known, handler: make)]
    }

    @Sendable private func make(_ exchange: Exchange) async throws -> Response {
        let lifetime = try exchange.query.duration("lifetime", in: WatchTicket.lifetimes) ?? Self.standardLifetime
        let job = exchange.job
        switch try await environment.broker.read([job]).first {
        case .found: break
        case .forgotten: throw BrokerError.jobForgotten(job)
        case .unknown, nil: throw BrokerError.jobNotFound(job)
        }
        let end = environment.now() + lifetime
        guard let ticket = environment.watchKeys?.ticket(for: job, until: end) else { throw Problem.notFound }
        exchange.audit.note("ticket", ["job": job.description])
        return .json { json in
            json.object { json in
                json.member("ticket", ticket)
                json.member("url", "\(exchange.location(of: job))/events?\(Self.item)=\(ticket)")
                json.member("expires_at", Timestamp(milliseconds: end.milliseconds / 1_000 * 1_000))
            }
        }
    }
}
