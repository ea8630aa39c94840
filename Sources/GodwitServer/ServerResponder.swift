import GodwitHTTP
import GodwitPage
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// A request's context in this server.
struct ServerContext: RequestContext {
    var coreContext: CoreRequestContextStorage

    init(source: ApplicationRequestContextSource) { coreContext = CoreRequestContextStorage(source: source) }
}

/// Answers a request: the gate first, then the routes, then what every answer carries.
struct ServerResponder: Sendable {
    /// Where the interface is mounted.
    static let mount = "v1"

    private let gatekeeper: Gatekeeper
    private let router: RouterResponder<ServerContext>
    private let statistics: ServerStatistics
    private let draining: Latch
    private let answers: AnswerBudget
    private let logger: Logger
    private let date = HTTPDate()

    init(
        routes: JobRoutes,
        serverRoutes: ServerRoutes,
        page: OperatorsPage,
        gatekeeper: Gatekeeper,
        answers: AnswerBudget,
        logger: Logger
    ) {
        self.gatekeeper = gatekeeper
        statistics = serverRoutes.statistics
        draining = serverRoutes.draining
        self.answers = answers
        self.logger = logger
        router = Self.router(routes, serverRoutes, page).buildResponder()
    }

    static func router(_ routes: JobRoutes, _ serverRoutes: ServerRoutes, _ page: OperatorsPage) -> Router<ServerContext> {
        let router = Router(context: ServerContext.self)
        router.add(middleware: Fallback())
        routes.add(to: router.group(RouterPath(mount)))
        serverRoutes.add(to: router)
        page.add(to: router)
        return router
    }

    func respond(to request: Request, channel: any Channel) async throws -> Response {
        let connection = Connection.current
        if connection?.isLast == true {
            // Whoever sent on was told, or is about to be, that this is not carried out (RFC 9112, section 9.6).
            try await channel.closeFuture.get()
            throw ChannelError.ioOnClosedChannel
        }
        var response: Response
        switch gatekeeper.judge(request.head, path: request.uri.path, query: request.uri.query, from: connection?.address ?? "") {
        case .refuse(let problem, let origin):
            connection?.requestBegan(by: .nobody)
            response = problem.response
            if let origin { CrossOrigin.permit(origin, in: &response) }
        case .preflight(let origin):
            connection?.requestBegan(by: .nobody)
            response = CrossOrigin.preflight(origin, asked: request.headers[.accessControlRequestHeaders])
        case .admit(let access, let origin):
            connection?.requestBegan(by: access)
            response = try await route(request, channel)
            let isRead = request.method == .get || request.method == .head
            if let connection, !answers.admits(response, to: connection, isRead: isRead) { response = AnswerBudget.refusal.response }
            if let origin { CrossOrigin.permit(origin, in: &response) }
        }
        statistics.answered(status: response.status.code)
        response.headers[.date] = date.text(at: WallClock.now())
        // Whoever comes again is to come to the next one.
        if draining.isSet { response.headers[.connection] = "close" }
        if response.headers[.connection]?.lowercased() == "close" { connection?.endsWithAnswer() }
        // Whoever answered: the client takes what follows such a head for its next answer (RFC 9110, section 9.3.2).
        return request.method == .head ? response.createHeadResponse() : response
    }

    private func route(_ request: Request, _ channel: any Channel) async throws -> Response {
        let context = ServerContext(source: ApplicationRequestContextSource(channel: channel, logger: logger))
        return try await router.respond(to: request, context: context)
    }
}

/// Says in a problem document that there is nothing at a path.
private struct Fallback: RouterMiddleware {
    func handle(_ request: Request, context: ServerContext, next: (Request, ServerContext) async throws -> Response) async throws
        -> Response
    {
        do {
            return try await next(request, context)
        } catch let error as HTTPError where error.status == .notFound {
            return Problem.notFound.response
        }
    }
}
