import GodwitCore
import HTTPTypes
import Hummingbird

/// One request in the hands of its handler: what it said, read strictly, and the path that the routes are mounted at.
struct Exchange: Sendable {
    let request: Request
    let query: QueryItems
    /// What stands before the routes' own paths: `/v1`, or wherever a program mounted them.
    let prefix: String
    /// What the client may do, as far as it was asked.
    let permissions: Permissions
    /// Nil where nobody traces.
    let span: RequestSpan?
    private let items: [String: String]
    /// Lives as long as the request, and its body's bytes count as long, unless ``bodyIsDone()`` says otherwise.
    private let share: BodyBudget.Share
    private let environment: RouteEnvironment

    /// - Throws: ``Problem`` when a path item is not properly encoded, or the query is not what the route takes.
    init(
        _ request: Request,
        route: Route,
        parameter: (String) -> String?,
        environment: RouteEnvironment,
        permissions: Permissions,
        span: RequestSpan?
    ) throws(Problem) {
        self.request = request
        self.span = span
        self.permissions = permissions
        self.environment = environment
        share = environment.budget.share(isWork: route.isWork(of: permissions, request.headers))
        query = try QueryItems(request.uri.query, known: route.options, repeatable: route.repeatable)
        var items: [String: String] = [:]
        for name in route.pathItems {
            guard let item = parameter(name).flatMap({ PercentCoding.decode($0) }), !item.isEmpty else {
                throw .invalid(name, "this path item is not properly percent-encoded UTF-8")
            }
            items[name] = item
        }
        self.items = items
        // The router knows the mount only as a pattern; the request knows it as it is.
        let components = request.uri.path.split(separator: "/", omittingEmptySubsequences: true)
        prefix = components.dropLast(route.depth).map { "/\($0)" }.joined()
    }

    var headers: HTTPFields { request.headers }
    /// What the jobs that the request makes go on with.
    var jobTrace: JobTrace { span?.jobTrace ?? JobTrace(request.headers) }
    var limits: JobRoutes.Limits { environment.limits }

    func item(_ name: String) -> String { items[name] ?? "" }
    var job: JobID { JobID(item("job")) }
    var lease: LeaseToken { LeaseToken(item("lease")) }

    /// Writes down what was done.
    var audit: RequestAudit { RequestAudit(audit: environment.audit, access: permissions.access) }

    /// The queue that the path names, which need not exist.
    func queue() throws(Problem) -> QueueName { try QueueNames.parse(item("queue")) }

    func body(limit: Int) async throws -> Bytes {
        try await BodyReader.collect(request, limit: limit, share: share, drain: environment.limits.drainBytes)
    }

    /// The body is no longer needed: what the request does from now on, waiting for instance, takes no room from other bodies.
    func bodyIsDone() { share.end() }

    /// The body as one JSON value; nil when it is empty.
    func json(limit: Int) async throws -> JSONValue? {
        let bytes = try await body(limit: limit)
        guard !bytes.isEmpty else { return nil }
        do throws(JSONError) { return try JSONValue(parsing: bytes) } catch { throw Problem.invalidJSON(error, field: "body") }
    }

    /// Whether what is given out piece by piece is to end before its end: the server stops and waits for nobody, or whoever asked may not any more.
    var isOver: @Sendable () -> Bool {
        { [draining = environment.draining, tenure = permissions.access.tenure, now = environment.now] in
            draining?.isSet == true || tenure.isOver(at: now())
        }
    }

    /// Takes room for an answer before it is made, in place of what was taken before; what it takes in the end is counted when it is there.
    /// - Parameter bytes: of about the largest that it can be.
    /// - Throws: ``Problem`` `overloaded` when others' answers take too much.
    func reserveAnswer(_ bytes: Int, isWork: Bool = false) throws(Problem) {
        guard let answers = environment.answers, let connection = Connection.current else { return }
        try answers.reserve(bytes, for: connection, isWork: isWork)
    }

    /// The same for what is to be done, before it is: an answer for each, of a known size.
    /// - Parameter isWork: whether workers wait for it.
    func reserveOutcomes(_ count: Int, inFrames: Bool = false, isWork: Bool = false) throws(Problem) {
        try reserveAnswer(count * (inFrames ? 64 : 512), isWork: isWork)
    }

    /// The wait that the client prefers, capped.
    var preferredWait: Preference? { Preference(headers, cap: limits.wait) }

    func location(of job: JobID) -> String { "\(prefix)/jobs/\(PercentCoding.encode(job.description))" }
}

/// What all routes share.
struct RouteEnvironment: Sendable {
    let broker: any Broker
    let limits: JobRoutes.Limits
    let budget: BodyBudget
    /// Nil where nobody counts what answers take.
    let answers: AnswerBudget?
    /// Set when the server stops taking work.
    let draining: Latch?
    /// Who holds the leases of those who name no holder: one for all of them, under a name that nobody can guess.
    let sharedHolder: HolderID
    /// The event streams of Godwit's own clients.
    let watches: WatchHub
    /// All queues, for whoever looks at all of them.
    let glance: QueuesGlance
    /// Who makes the request that is being handled.
    let access: @Sendable () -> Access
    /// Nil where nothing is written down.
    let audit: Audit?
    /// What signs tickets for watching; nil where there are none.
    let watchKeys: WatchKeys?
    let now: @Sendable () -> Timestamp

    /// What ends a wait before its time.
    var interruptions: [Latch?] { [draining, Connection.current?.closed] }

    func refuseWhileDraining() throws(Problem) {
        if draining?.isSet == true { throw .draining }
    }
}
