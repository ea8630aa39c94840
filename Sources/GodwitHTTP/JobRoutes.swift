public import Godwit
package import GodwitCore
package import HTTPTypes
public import Hummingbird
package import Logging

/// Godwit's HTTP interface as routes for a Hummingbird router: status, results and progress of jobs, and, where you allow it, publishing,
/// leases for workers in any language, and administration.
///
/// ```swift
/// let router = Router()
/// JobRoutes(jobs).add(to: router.group("api"))
/// // GET /api/jobs/{id}, /api/jobs/{id}/result and /api/jobs/{id}/events
/// ```
///
/// By default the routes only ``Action/watch``: whoever knows a job's unguessable id may follow it. Everything else needs an `authorize`
/// closure. All errors are problem documents (RFC 9457), whatever the router's own error handling is. The documentation is in
/// `docs/http.md`.
public struct JobRoutes: Sendable {
    /// What a request wants to do.
    public enum Action: String, Sendable, Hashable, CaseIterable {
        /// Follow one job by its id: status, result, events.
        case watch
        /// Make jobs, and count steps.
        case publish
        /// Lease jobs and settle them.
        case work
        /// Everything else, and so the whole store: list, cancel, retry, redrive and forget jobs, read their payloads, configure, pause, purge
        /// and delete queues, delete counters, see who works, see and forget schedules, inspect; back up (with the store's secret), export and import.
        case admin
    }

    /// Limits on what a client can send and how long it can wait.
    public struct Limits: Sendable {
        /// Bytes of one job's payload or result.
        public var jobBytes = 1 << 20
        /// Bytes of a batch.
        public var batchBytes = 16 << 20
        /// Bytes over a limit that are read and dropped, so that a client that still sends can read the refusal.
        public var drainBytes = 16 << 20
        /// Bytes of all bodies that are in memory at a time; beyond it requests with a body are answered 503. What workers send may take an
        /// eighth more, so that publishers cannot keep them from settling and renewing their leases.
        public var allBodiesBytes = 256 << 20
        /// The longest wait, for a job's end or for work.
        public var wait: Duration = .seconds(60)
        /// How often an idle event stream says that it is there.
        public var keepAlive: Duration = .seconds(15)

        /// What suits most programs.
        public init() {}
    }

    /// Whether a request may do what it wants; called once per request and action, before the body is read. A commit of many operations
    /// (`POST commit`) may need several actions: those that its body asks for are asked for when it was read.
    public typealias Authorize = @Sendable (_ request: Request, _ action: Action) async throws -> Bool

    package let actions: Set<Action>
    private let authorize: Authorize?
    private let environment: RouteEnvironment
    private let logger: Logger

    /// - Parameters:
    ///   - client: whose jobs are served.
    ///   - serving: what the routes offer. Anything but ``Action/watch`` needs `authorize`, and its lack is a programming error.
    ///   - limits: on requests.
    ///   - authorize: asked for every request, `watch` among them; false answers 403. An `HTTPResponseError` that it throws is the answer.
    public init(_ client: JobClient, serving: Set<Action> = [.watch], limits: Limits = Limits(), authorize: Authorize? = nil) {
        precondition(
            authorize != nil || serving.isSubset(of: [.watch]),
            "JobRoutes: whoever serves more than .watch says who may use it: give an authorize closure"
        )
        self.init(
            broker: client.broker,
            serving: serving,
            limits: limits,
            authorize: authorize,
            logger: client.logger,
            now: { client.clock.now }
        )
    }

    package init(
        broker: any Broker,
        serving: Set<Action>,
        limits: Limits = Limits(),
        draining: Latch? = nil,
        authorize: Authorize? = nil,
        access: @escaping @Sendable () -> Access = { .everybody },
        audit: Audit? = nil,
        watchKeys: WatchKeys? = nil,
        answers: AnswerBudget? = nil,
        glance: QueuesGlance = QueuesGlance(),
        logger: Logger = Logger(label: "godwit.http"),
        now: @escaping @Sendable () -> Timestamp = WallClock.now
    ) {
        actions = serving
        self.authorize = authorize
        self.logger = logger
        let holder = HolderID(
            "http-\(String(UInt64.random(in: .min ... .max), radix: 36))\(String(UInt64.random(in: .min ... .max), radix: 36))"
        )
        environment = RouteEnvironment(
            broker: broker,
            limits: limits,
            budget: BodyBudget(limit: limits.allBodiesBytes),
            answers: answers,
            draining: draining,
            sharedHolder: holder,
            watches: WatchHub(),
            glance: glance,
            access: access,
            audit: audit,
            watchKeys: watchKeys,
            now: now
        )
    }

    /// The routes that are served.
    package var table: [Route] {
        let all =
            PublishController(environment: environment).routes + JobController(environment: environment).routes
            + LeaseController(environment: environment).routes + SettleController(environment: environment).routes
            + QueueController(environment: environment).routes + BackupController(environment: environment).routes
            + ExportController(environment: environment).routes + CounterController(environment: environment).routes
            + ImportController(environment: environment).routes + InspectController(environment: environment).routes
            + CommitController(environment: environment).routes + RenewController(environment: environment).routes
            + CallController(environment: environment).routes + WatchController(environment: environment).routes
            + WatchTicketController(environment: environment).routes + ScheduleController(environment: environment).routes
            + WorkerController(environment: environment).routes
        return all.filter { !actions.isDisjoint(with: $0.actions) }
    }

    /// Adds the routes to a router or a group of it, behind its middleware. `Location` headers carry the path that the group is mounted at.
    ///
    /// A path that is served answers other methods with 405 and `Allow`. `HEAD` is answered wherever `GET` is.
    public func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
        let paths = Dictionary(grouping: table, by: \.path)
        for (path, routes) in paths.sorted(by: { $0.key < $1.key }) {
            var served: [HTTPRequest.Method] = []
            for route in routes {
                add(route, method: route.method, to: router)
                served.append(route.method)
                if route.method == .get {
                    add(route, method: .head, to: router)
                    served.append(.head)
                }
            }
            router.refuseOtherMethods(than: served, at: path)
        }
    }

    private func add<Context: RequestContext>(_ route: Route, method: HTTPRequest.Method, to router: some RouterMethods<Context>) {
        router.on(RouterPath(route.path), method: method) { (request: Request, context: Context) in
            let response =
                if TraceHeaders.areUsed {
                    try await RequestSpan.with(request, route: route, template: context.endpointPath) { span in
                        try await respond(to: request, route: route, in: span) { context.parameters.get($0) }
                    }
                } else {
                    try await respond(to: request, route: route, in: nil) { context.parameters.get($0) }
                }
            return method == .head ? response.createHeadResponse() : response
        }
    }

    /// Keeps those who may use some queues alone to them, whatever the route's handler does.
    private func checkReach(of route: Route, _ exchange: Exchange) async throws {
        if exchange.permissions.hasAllQueues { return }
        switch route.reach {
        case .known: return
        case .store: throw Problem.forbidden
        case .queue: guard exchange.permissions.allows(try exchange.queue()) else { throw Problem.forbidden }
        case .job:
            // One that is not there is said to be so by the handler.
            guard case .found(let job)? = try await environment.broker.read([exchange.job]).first else { return }
            guard exchange.permissions.allows(job.queue) else { throw Problem.forbidden }
        }
    }

    private func respond(
        to request: Request,
        route: Route,
        in span: RequestSpan?,
        parameter: (String) -> String?
    ) async throws -> Response {
        do {
            var ask: (@Sendable (Action) async throws -> Bool)?
            if let authorize { ask = { action in try await authorize(request, action) } }
            var permissions = Permissions(served: actions, access: environment.access(), authorize: ask)
            guard try await permissions.ask(forAnyOf: route.actions) else { throw Problem.forbidden }
            let exchange = try Exchange(
                request,
                route: route,
                parameter: parameter,
                environment: environment,
                permissions: permissions,
                span: span
            )
            defer { withExtendedLifetime(exchange) {} }
            if let span, route.operation != nil, route.pathItems.contains("queue") { span.note(queue: try exchange.queue()) }
            try await checkReach(of: route, exchange)
            return try await route.handler(exchange)
        } catch let problem as Problem {
            return problem.response(to: request)
        } catch let error as BrokerError {
            return Problem(error).response(to: request)
        } catch is CancellationError {
            return Problem.draining.response(to: request)
        } catch let error as any HTTPResponseError {
            throw error
        } catch {
            guard !ConnectionErrors.isOne(error) else { throw error }
            logger.error("A request failed unexpectedly", metadata: ["path": "\(route.path)", "error": "\(error)"])
            return Problem(.internalServerError, "internal", "the server failed: its log says why").response(to: request)
        }
    }
}

extension Problem {
    fileprivate func response(to request: Request) -> Response { BodyForm.acceptsBatch(request.headers) ? batchResponse : response }
}

extension RouterMethods {
    /// Answers 405 with `Allow` to the methods that a path does not take: the router alone would say that there is no such path.
    package func refuseOtherMethods(than served: [HTTPRequest.Method], at path: String) {
        let refusal = Problem.methodNotAllowed(served.map(\.rawValue).sorted())
        for method in HTTPRequest.Method.known where !served.contains(method) {
            on(RouterPath(path), method: method) { (_: Request, _: Context) in
                method == .head ? refusal.response.createHeadResponse() : refusal.response
            }
        }
    }
}

extension HTTPRequest.Method {
    /// The methods that a server's parser lets through and that come with a path (IANA's registry, and some that are older).
    fileprivate static let known: [HTTPRequest.Method] =
        [.get, .head, .post, .put, .patch, .delete, .options, .trace]
        + [
            "ACL", "BIND", "CHECKOUT", "COPY", "LINK", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE", "NOTIFY",
            "PROPFIND", "PROPPATCH", "PURGE", "QUERY", "REBIND", "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE", "UNBIND", "UNLINK", "UNLOCK",
            "UNSUBSCRIBE",
        ].compactMap { HTTPRequest.Method($0) }
}
