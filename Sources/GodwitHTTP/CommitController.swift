import GodwitCore
import GodwitWire
import HTTPTypes
import Hummingbird

/// Commits transactions of any operations: for Godwit's own clients in batch frames, for every language in JSON.
struct CommitController: Sendable {
    static let path = "commit"
    /// Transactions of one request, and operations of all of them together.
    static let limit = 1_000
    static let operations = 10_000
    /// What frames may take beside the bytes that a broker counts against a transaction: 2 KiB for each of as many operations as one may have, for
    /// names, keys and the frames themselves.
    static let framing = Limits.operations << 11

    let environment: RouteEnvironment
    private var broker: any Broker { environment.broker }

    init(environment: RouteEnvironment) { self.environment = environment }

    var routes: [Route] {
        [
            Route(.post, Self.path, anyOf: [.work, .publish, .admin], reach: .known, operation: .commit, handler: commit),
            Route(.delete, "sessions/:session", anyOf: [.work, .publish, .admin], reach: .known, handler: endSession),
        ]
    }

    /// Whoever knows a session's id could use it, too.
    @Sendable private func endSession(_ exchange: Exchange) async throws -> Response {
        try await broker.end(session: try OptionText.text("session", exchange.item("session"), limit: Limits.sessionName))
        return Response(status: .noContent)
    }

    static func check(_ count: Int) throws(Problem) {
        guard (1...limit).contains(count) else {
            throw .invalid("transactions", "these are \(count) transactions: send 1 to \(limit) at a time")
        }
    }

    /// - Parameter count: of all transactions' operations, or of those up to here.
    static func check(operations count: Int) throws(Problem) {
        guard count <= operations else {
            throw .invalid("transactions", "the transactions have more than \(operations) operations together: send fewer at a time")
        }
    }

    @Sendable private func commit(_ exchange: Exchange) async throws -> Response {
        let form = try BodyForm(ofBody: exchange.headers)
        guard exchange.headers[.idempotencyKey] == nil else {
            throw Problem.invalid(IdempotencyKey.field, "a commit takes a key for each of its jobs: say it as the member key")
        }
        var request = form == .batch ? try await frames(exchange) : try await json(exchange)
        if let span = exchange.span {
            span.note(jobs: request.transactions.count)
            span.link(to: request.transactions.lazy.flatMap(\.operations).compactMap(\.enqueuedHeaders), of: exchange.headers)
        }
        request.transactions = exchange.jobTrace.added(to: request.transactions)
        let admission = try await Admission(of: request.transactions, making: .publish, exchange, environment)
        guard !admission.forbidsAll(of: request.transactions) else { throw Problem.forbidden }
        let operations = request.transactions.lazy.flatMap(\.operations)
        try exchange.reserveOutcomes(
            operations.count,
            inFrames: form.answer(to: exchange.headers) == .batch,
            isWork: operations.contains(where: \.settlesLease)
        )
        let outcomes = try await broker.commit(request.transactions, in: request.session, admission, audit: exchange.audit)
        switch form.answer(to: exchange.headers) {
        case .batch: return .batch(Wire.encode(outcomes))
        case .json: return .json { $0.outcomes(outcomes, of: request.transactions) }
        }
    }

    // MARK: Reading

    private func frames(_ exchange: Exchange) async throws -> CommitRequest {
        guard exchange.headers[.godwitSession] == nil else {
            throw Problem.invalid(SessionHeader.field, "a batch says its session itself: leave the header out")
        }
        let body = try await exchange.body(limit: exchange.limits.batchBytes + Self.framing)
        let request: CommitRequest
        do throws(WireError) { request = try Wire.decodeCommit(body) } catch { throw Problem(error) }
        try Self.check(request.transactions.count)
        try Self.check(operations: request.transactions.reduce(0) { $0 + $1.operations.count })
        return request
    }

    private func json(_ exchange: Exchange) async throws -> CommitRequest {
        let session = try SessionHeader.of(exchange.headers)
        guard let value = try await exchange.json(limit: exchange.limits.batchBytes) else {
            throw Problem.invalid("transactions", "send a JSON object with the member transactions")
        }
        let transactions = try CommitJSON(limits: exchange.limits).transactions(value)
        var names = KnownNames()
        for (index, transaction) in transactions.enumerated() {
            try await names.check(transaction.operations, field: "transactions[\(index)].operations", at: broker)
        }
        return CommitRequest(transactions, in: session)
    }
}

extension GodwitCore.Operation {
    fileprivate var enqueuedHeaders: [Header]? { if case .enqueue(let message) = self { message.headers } else { nil } }
}
