import GodwitCore
import GodwitHTTP
import HTTPTypes

/// What the commands do with a store, said in requests of the HTTP interface.
struct Store: Sendable {
    /// How long one long poll lasts; the server may answer sooner.
    static let longPoll: Duration = .seconds(25)
    /// How long to wait before asking again what was answered too soon.
    static let pause: Duration = .milliseconds(500)

    let transport: any Transport

    /// Sends a request and throws what the store refused.
    @discardableResult
    func send(_ request: StoreRequest) async throws -> StoreResponse {
        let response = try await transport.send(request)
        guard (200..<300).contains(response.status.code) else { throw CommandFailure(response, from: transport.description) }
        return response
    }

    /// Sends a request whose answer is JSON.
    func json(_ request: StoreRequest) async throws -> JSONValue {
        let response = try await send(request)
        guard let json = JSONValue(response.body) else { throw CommandFailure.notGodwit(transport.description) }
        return json
    }

    // MARK: - Jobs

    func job(_ id: String, wait: Duration? = nil) async throws -> JSONValue {
        var request = StoreRequest(.get, ["v1", "jobs", id])
        request.prefer(wait: wait)
        return try await json(request)
    }

    /// Waits, as long as it takes, until the job is final.
    func finalJob(_ id: String) async throws -> JSONValue {
        try await polling {
            try await job(id, wait: Self.longPoll)
        } until: {
            JobText.isFinal($0)
        }
    }

    /// Asks by long polls, as long as it takes, until the answer is the one that is waited for.
    func polling(_ ask: () async throws -> JSONValue, until isLast: (JSONValue) -> Bool) async throws -> JSONValue {
        while true {
            let asked = ContinuousClock.now
            let answer = try await ask()
            if isLast(answer) { return answer }
            // A server that is stopping does not hold its answers: it is not asked again and again until it is gone.
            if asked.duration(to: .now) < Self.pause { try await Task.sleep(for: Self.pause) }
        }
    }

    func payload(of id: String) async throws -> StoreResponse { try await send(StoreRequest(.get, ["v1", "jobs", id, "payload"])) }

    func result(of id: String) async throws -> StoreResponse { try await send(StoreRequest(.get, ["v1", "jobs", id, "result"])) }

    func cancel(_ id: String) async throws -> JSONValue { try await json(StoreRequest(.post, ["v1", "jobs", id, "cancel"])) }

    func retry(_ id: String) async throws -> JSONValue { try await json(StoreRequest(.post, ["v1", "jobs", id, "retry"])) }

    func forget(_ id: String) async throws { try await send(StoreRequest(.delete, ["v1", "jobs", id])) }

    /// Gives a dead letter another chance; answers the job that lives on.
    func redrive(_ id: String) async throws -> JSONValue { try await json(StoreRequest(.post, ["v1", "jobs", id, "redrive"])) }

    /// A page of jobs, and where the next one begins.
    func jobs(_ query: [(String, String)], limit: Int, cursor: String?) async throws -> (jobs: [JSONValue], next: String?) {
        try await page(["v1", "jobs"], query, limit, cursor)
    }

    private func page(
        _ path: [String],
        _ query: [(String, String)],
        _ limit: Int,
        _ cursor: String?
    ) async throws -> (jobs: [JSONValue], next: String?) {
        var request = StoreRequest(.get, path)
        for (name, value) in query { request.query.append((name, value)) }
        request.query.append(("limit", "\(limit)"))
        if let cursor { request.query.append(("cursor", cursor)) }
        let page = try await json(request)
        return (page["jobs"]?.elements ?? [], page["next_cursor"]?.string)
    }

    /// Follows a job's server-sent events until its final state, over reconnections that lose nothing.
    /// - Parameter show: gets the job's JSON, its present state first.
    /// - Returns: The job's final JSON.
    func follow(_ id: String, show: @escaping @Sendable (JSONValue) async throws -> Void) async throws -> JSONValue {
        let follower = JobFollower(show: show)
        while true {
            var request = StoreRequest(.get, ["v1", "jobs", id, "events"], timeout: nil)
            request.headers[.accept] = "text/event-stream"
            let before = await follower.version
            if let before { request.headers[.lastEventID] = before }
            do {
                let response = try await transport.stream(request) { try await follower.receive($0) }
                guard response.status == .ok || response.status == .noContent else {
                    throw CommandFailure(response, from: transport.description)
                }
            } catch let failure as CommandFailure where failure.exit == .unreachable {
                // The stream broke off. Unless the store itself is gone, it goes on after the last version seen.
                guard before != nil || !failure.isCertainlyUnsent else { throw failure }
                _ = try await self.job(id)
            }
            if let final = await follower.final { return final }
            await follower.reconnect()
            let job = try await self.job(id)
            if JobText.isFinal(job) {
                try await show(job)
                return job
            }
            // A stream that ends again and again, as that of a stopping server does, is not opened in a busy loop.
            try await Task.sleep(for: Self.pause)
        }
    }

    // MARK: - Queues

    func queues() async throws -> [JSONValue] { try await json(StoreRequest(.get, ["v1", "queues"]))["queues"]?.elements ?? [] }

    func queue(_ name: String) async throws -> JSONValue { try await json(StoreRequest(.get, ["v1", "queues", name])) }

    /// Merges settings into a queue's, creating it if it is new.
    func configure(_ name: String, settings: [UInt8]) async throws -> JSONValue {
        var request = StoreRequest(.patch, ["v1", "queues", name], body: settings)
        request.headers[.contentType] = "application/merge-patch+json"
        do {
            return try await json(request)
        } catch let failure as CommandFailure where failure.code == BrokerError.Code.queueNotFound.rawValue {
            request.method = .put
            request.headers[.contentType] = Content.json
            return try await json(request)
        }
    }

    /// A page of a queue's waiting jobs with their payloads, oldest first.
    func browse(queue: String, limit: Int, cursor: String?) async throws -> (jobs: [JSONValue], next: String?) {
        try await page(["v1", "queues", queue, "browse"], [], limit, cursor)
    }

    /// Redrives a page of a queue's dead letters.
    func redrive(
        queue: String,
        name: String?,
        reason: String?,
        cursor: String?
    ) async throws -> (redriven: Int, refused: Int, next: String?) {
        var request = StoreRequest(.post, ["v1", "queues", queue, "redrive"])
        if let name { request.query.append(("name", name)) }
        if let reason { request.query.append(("reason", reason)) }
        if let cursor { request.query.append(("cursor", cursor)) }
        let page = try await json(request)
        return (page["redriven"]?.integer ?? 0, page["refused"]?.integer ?? 0, page["next_cursor"]?.string)
    }

    enum QueueAction: String { case purge, pause, resume }

    func perform(_ action: QueueAction, on queue: String) async throws -> StoreResponse {
        try await send(StoreRequest(.post, ["v1", "queues", queue, action.rawValue]))
    }

    func delete(queue: String, purging: Bool) async throws {
        try await send(StoreRequest(.delete, ["v1", "queues", queue], query: purging ? [("purge", "true")] : []))
    }
}

/// Puts a job's events together across reconnections.
private actor JobFollower {
    private(set) var version: String?
    private(set) var final: JSONValue?
    private var parser = ServerSentEvents()
    private let show: @Sendable (JSONValue) async throws -> Void

    init(show: @escaping @Sendable (JSONValue) async throws -> Void) { self.show = show }

    func receive(_ bytes: ArraySlice<UInt8>) async throws {
        for event in try parser.add(bytes) {
            guard let job = JSONValue(event.data.utf8) else { continue }
            if let id = event.id { version = id }
            if JobText.isFinal(job) { final = job }
            try await show(job)
        }
    }

    func reconnect() { parser = ServerSentEvents() }
}

extension StoreRequest {
    /// Asks the server to hold its answer until the job is final, for whole seconds (RFC 7240).
    mutating func prefer(wait: Duration?) {
        guard let wait else { return }
        headers[.prefer] = "wait=\(wait.components.seconds)"
        timeout = wait + .seconds(30)
    }
}

extension HTTPField.Name {
    static let prefer = HTTPField.Name("Prefer")!  // a valid token
    static let lastEventID = HTTPField.Name("Last-Event-ID")!  // a valid token
    static let idempotencyKey = HTTPField.Name("Idempotency-Key")!  // a valid token
    static let idempotencyReplayed = HTTPField.Name("Idempotency-Replayed")!  // a valid token
}

extension CommandFailure {
    /// What a server's refusal means to the command line.
    init(_ response: StoreResponse, from store: String) {
        let status = response.status.code
        guard let problem = JSONValue(response.body), let detail = problem["detail"]?.string ?? problem["title"]?.string else {
            self = status == 401 || status == 403 ? .unauthorized(store) : .notGodwit(store, status: status)
            return
        }
        let code = problem["code"]?.string ?? "http_\(status)"
        let exit: Exit =
            switch status {
            case 429, 503: Self.exit(unavailable: BrokerError.Code(rawValue: code))
            case 400, 413, 415, 422: .usage
            case 502, 504: .unreachable
            default: .failed
            }
        // A detail may quote what others wrote.
        var message = JobText.printable(detail)
        if status == 401 { message += " (--token-file, GODWIT_TOKEN or GODWIT_TOKEN_FILE)" }
        let retryAfter = problem["retry_after_ms"]?.integer.map { Duration.milliseconds($0) }
        let header = response.headers[.retryAfter].flatMap { Int($0) }.map { Duration.seconds($0) }
        self.init(exit: exit, message: message, code: code, problem: problem, retryAfter: retryAfter ?? header)
    }

    /// What a server that cannot serve now says: some of it no waiting changes.
    private static func exit(unavailable code: BrokerError.Code) -> Exit {
        switch code {
        case .storeCorrupt: .damaged
        case .storeNewer: .unusable
        case .storeFailed, .closed: .unreachable
        default: .busy
        }
    }

    static func notGodwit(_ store: String, status: Int? = nil) -> CommandFailure {
        guard let status else {
            return CommandFailure(
                exit: .unreachable,
                message: "\(store) did not answer as a Godwit server does: check the URL",
                code: unreadableAnswer
            )
        }
        return .unreachable("\(store) answered \(status) without saying why: check the URL")
    }

    static func answerTooLarge(_ store: String) -> CommandFailure {
        .failed("\(store) answered with more than \(StoreRequest.largestAnswer >> 20) MiB: ask for fewer at a time", code: tooLargeAnswer)
    }

    private static let unreadableAnswer = "unreadable_answer"
    private static let tooLargeAnswer = "answer_too_large"

    /// Whether the store did what it was asked, as far as its status tells, but its answer cannot be taken.
    var isUnusableAnswer: Bool { [Self.unreadableAnswer, Self.tooLargeAnswer].contains(code) }

    /// Whether the request certainly changed nothing: it was not sent, or the store itself refused it.
    var isRefusal: Bool { isCertainlyUnsent || (problem != nil && exit != .unreachable) }

    private static func unauthorized(_ store: String) -> CommandFailure {
        .failed("\(store) wants a token: give it with --token-file, GODWIT_TOKEN or GODWIT_TOKEN_FILE", code: "unauthorized")
    }
}
