import GodwitCore
import GodwitWire
import Hummingbird

/// Reads and acts of administration in batch frames, many in one request: for Godwit's own clients.
struct CallController: Sendable {
    /// Calls of one request, and its bytes.
    static let limit = 1_000
    private static let requestBytes = 1 << 20

    let environment: RouteEnvironment

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] { [Route(.post, "calls", anyOf: [.publish, .work, .admin], reach: .known, handler: calls)] }

    @Sendable private func calls(_ exchange: Exchange) async throws -> Response {
        guard BodyForm.isBatch(exchange.headers) else {
            throw Problem.unsupportedType(
                "send \(WireFormat.mediaType); in JSON there is a request for each call",
                accepts: WireFormat.mediaType
            )
        }
        let body = try await exchange.body(limit: Self.requestBytes)
        let calls: [Call]
        do throws(WireError) { calls = try Wire.decodeCalls(body) } catch { throw Problem(error) }
        guard (1...Self.limit).contains(calls.count) else {
            throw Problem.invalid("calls", "these are \(calls.count) calls: send 1 to \(Self.limit) at a time")
        }
        var permissions = exchange.permissions
        try await permissions.ask(for: Set(calls.flatMap(\.needs).map(\.action)))
        var run = CallRun(
            broker: environment.broker,
            permissions: permissions,
            audit: exchange.audit,
            sharedHolder: environment.sharedHolder,
            jobBytes: exchange.limits.jobBytes,
            glance: environment.glance,
            reserve: { bytes throws(Problem) in try exchange.reserveAnswer(bytes) }
        )
        var answers: [CallAnswer] = []
        answers.reserveCapacity(calls.count)
        for call in calls { answers.append(await run.answer(call)) }
        exchange.bodyIsDone()
        return .batch(Wire.encode(answers))
    }
}

extension Call {
    /// What it needs leave for.
    var needs: [Need] {
        switch self {
        case .check: []
        case .jobs, .result: [Need(action: .watch)]
        case .records(let keys): Array(Set(keys.map(\.need)))
        case .payload: [Need(action: .admin, isOfStore: true)]
        // Those who may use some alone see those alone.
        case .queues: [Need(action: .admin)]
        case .browse(let query): [Need(action: .admin, queue: query.queue)]
        case .list(let query): [Need(action: .admin, queue: query.queue, isOfStore: query.queue == nil)]
        case .queue(let name), .pause(let name), .resume(let name), .purge(let name), .delete(let name, _), .configure(let name, _, _, _):
            [Need(action: .admin, queue: name)]
        }
    }
}
