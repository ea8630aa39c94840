package import GodwitCore
package import GodwitHTTP
import HTTPTypes
package import Hummingbird
package import Logging

/// The page for operators: queues, jobs, workers and schedules, rendered here over a broker's primitives, for a browser.
///
/// It needs no script: everything is links and forms. With one, what is shown is kept up to date by server-sent events. Every text that comes from
/// somebody is escaped by the templates; the content security policy lets no other script, style or form in.
package struct OperatorsPage: Sendable {
    /// Where the page is. The root of the server leads here, so that the cookie goes nowhere else.
    package static let mount = "/page"

    /// Whether a path is the page's, which lets people in itself, and so is nobody else's.
    package static func owns(_ path: String) -> Bool { path == "/" || path == mount || path.hasPrefix(mount + "/") }

    private let environment: PageEnvironment
    private let logger: Logger

    /// - Parameters:
    ///   - glance: what it shares with whoever else tells of all queues.
    ///   - draining: set when the server stops; live pages end then.
    ///   - gate: who may come in; nil where everybody who reaches the server may do everything.
    ///   - isEncrypted: whether the server speaks TLS: then nothing that came otherwise is believed.
    ///   - audit: where what is done here is written down.
    ///   - version: the program's, as the page says it.
    package init(
        broker: any Broker,
        glance: QueuesGlance = QueuesGlance(),
        draining: Latch? = nil,
        gate: (any PageGate)? = nil,
        isEncrypted: Bool = false,
        audit: Audit? = nil,
        version: String,
        logger: Logger,
        now: @escaping @Sendable () -> Timestamp = WallClock.now
    ) {
        environment = PageEnvironment(
            broker: broker,
            sampler: RateSampler(),
            glance: glance,
            notes: PageNotes(),
            draining: draining,
            gate: gate,
            sessions: PageSessions(),
            isEncrypted: isEncrypted,
            audit: audit,
            version: version,
            now: now
        )
        self.logger = logger
    }

    /// The pages that show something, by their paths.
    static let views: [(path: String, view: PageView)] = [
        ("page", .queues), ("page/queue", .queue), ("page/jobs", .jobs), ("page/job", .job), ("page/workers", .workers),
        ("page/schedules", .schedules), ("page/confirm", .confirm),
    ]

    /// What can be read without a token.
    static let assets: [(path: String, type: String, content: [UInt8])] = [
        ("page/style.css", "text/css; charset=utf-8", PackageResources.style_css),
        ("page/live.js", "text/javascript; charset=utf-8", PackageResources.live_js),
        ("page/icon.svg", "image/svg+xml", PackageResources.icon_svg),
    ]

    /// Adds the page's paths to a router, which must be mounted at the root.
    package func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
        get("/", router) { _ in .redirect(.found, to: Self.mount) }
        for asset in Self.assets {
            get(asset.path, router) { request in
                _ = try QueryItems(request.uri.query, known: ["v"])
                return .asset(asset.content, type: asset.type, isVersioned: request.uri.query != nil)
            }
        }
        for (path, view) in Self.views { get(path, router) { try await show(view, $0) } }
        let session = SessionPages(environment: environment)
        let deeds = DeedPage(environment: environment)
        serve([.get: session.form, .post: session.logIn], at: "page/login", router)
        serve([.post: session.logOut], at: "page/logout", router)
        serve([.post: { try await deeds.perform($0) }], at: "page/do", router)
    }

    private typealias Handler = @Sendable (Request) async throws -> Response

    private func get<Context: RequestContext>(
        _ path: String,
        _ router: some RouterMethods<Context>,
        _ handler: @escaping Handler
    ) {
        serve([.get: handler], at: path, router)
    }

    private func serve<Context: RequestContext>(
        _ handlers: [HTTPRequest.Method: Handler],
        at path: String,
        _ router: some RouterMethods<Context>
    ) {
        var methods: [HTTPRequest.Method] = []
        for (method, handler) in handlers.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            router.on(RouterPath(path), method: method) { (request: Request, _: Context) in await answer(request, handler) }
            methods.append(method)
            guard method == .get else { continue }
            router.on(RouterPath(path), method: .head) { (request: Request, _: Context) in
                await answer(request, handler).createHeadResponse()
            }
            methods.append(.head)
        }
        router.refuseOtherMethods(than: methods, at: path)
    }

    private func answer(_ request: Request, _ handler: Handler) async -> Response {
        let problem: Problem
        do {
            return try await handler(request)
        } catch let error as Problem {
            problem = error
        } catch let error as BrokerError {
            problem = Problem(error)
        } catch is CancellationError {
            problem = .draining
        } catch {
            logger.error("A page failed unexpectedly", metadata: ["path": "\(request.uri.path)", "error": "\(error)"])
            problem = Problem(.internalServerError, "internal", "the server failed: its log says why")
        }
        return .page(
            .message(title: problem.status.reasonPhrase, problem.detail, backTo: Address.origin(of: request.head)),
            Frame(environment, isLoggedIn: environment.gate != nil && PageCookie.value(of: .session, in: request.head) != nil),
            status: problem.status,
            headers: problem.retryAfterSeconds.map { [.retryAfter: String($0)] } ?? [:]
        )
    }

    private func show(_ view: PageView, _ request: Request) async throws -> Response {
        guard let access = try environment.access(of: request.head) else {
            let isStale = PageCookie.value(of: .session, in: request.head) != nil
            let fields: HTTPFields = isStale ? [.setCookie: environment.clearedCookie(for: request.head)] : [:]
            if LiveStream.isWanted(by: request) { return LiveStream.over(.loggedOut, headers: fields) }
            // The browser keeps the cookie to itself when a link on another site leads here: sent again from here, it comes along.
            if SessionPages.comesFromElsewhere(request.head) { return .again(request.uri.description) }
            return .redirect(.seeOther, to: SessionPages.path(backTo: request.uri.description), headers: fields)
        }
        let isLive = LiveStream.isWanted(by: request)
        let memory = LookMemory()
        let look = try Look(
            request,
            options: view.options,
            repeatable: view.repeatable,
            access: access,
            environment: environment,
            memory: isLive ? memory : nil
        )
        if isLive {
            do {
                let stream = LiveStream(view: view, request: request, memory: memory, access: access, environment: environment)
                return stream.response(first: try await view.content(look))
            } catch let error as BrokerError where error.isOfWhatIsGone {
                return LiveStream.over(.gone(PageContent.message(title: "Gone", error.message)))
            }
        }
        let content = try await view.content(look)
        // Said once: who loads the page again, or is sent its address, does not see it.
        let word = request.method == .get ? PageCookie.value(of: .note, in: request.head) : nil
        return .page(
            content,
            Frame(environment, isLoggedIn: access.isLoggedIn),
            headers: word == nil ? [:] : [.setCookie: environment.clearedCookie(.note, for: request.head)],
            done: word.flatMap { environment.notes.take($0) }
        )
    }
}

/// What all pages share.
struct PageEnvironment: Sendable {
    let broker: any Broker
    let sampler: RateSampler
    let glance: QueuesGlance
    let notes: PageNotes
    let draining: Latch?
    let gate: (any PageGate)?
    let sessions: PageSessions
    let isEncrypted: Bool
    let audit: Audit?
    let version: String
    let now: @Sendable () -> Timestamp

    /// What ends a live page.
    var interruptions: [Latch?] { [draining, Connection.current?.closed] }

    /// What the sender of a request may do; nil when they have to log in first.
    /// - Throws: ``Problem`` when there were too many wrong tries: who is logged in stays so.
    func access(of head: HTTPRequest) throws(Problem) -> PageAccess? {
        guard let gate else { return .everything }
        if let token = gate.bearer(of: head) { return try gate.access(by: token) }
        guard let session = PageCookie.value(of: .session, in: head), let token = sessions.token(of: session) else {
            return nil
        }
        let access = try gate.access(by: token)
        // A token that is good no more is not to be tried again and again: each time would count as a wrong one.
        if access == nil { sessions.end(session) }
        return access
    }

    func clearedCookie(_ kind: PageCookie.Kind = .session, for head: HTTPRequest) -> String {
        PageCookie.clear(kind, for: head, isEncrypted: isEncrypted)
    }
}
