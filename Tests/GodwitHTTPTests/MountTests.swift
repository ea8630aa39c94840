import Godwit
import GodwitCore
import HTTPTestSupport
import HTTPTypes
import Hummingbird
import ServiceLifecycle
import Testing

@testable import GodwitHTTP

@Suite("Routes in somebody else's router")
struct MountTests {
    /// A context that is not the library's, as programs have them.
    struct AppContext: RequestContext {
        var coreContext: CoreRequestContextStorage
        var user: String?

        init(source: ApplicationRequestContextSource) { coreContext = CoreRequestContextStorage(source: source) }
    }

    /// Runs a program's own application with the routes in it.
    private func run(
        _ build: @Sendable (Router<AppContext>, JobClient) -> Void,
        _ test: @Sendable @escaping (Int, any Broker) async throws -> Void
    ) async throws {
        let broker = try await TestServer.engine()
        let router = Router(context: AppContext.self)
        build(router, JobClient(broker: broker, logger: TestServer.logger))
        let port = AsyncStream<Int>.makeStream()
        let app = Application(
            router: router,
            configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in port.continuation.yield(channel.localAddress?.port ?? 0) },
            logger: TestServer.logger
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await app.run() }
            var ports = port.stream.makeAsyncIterator()
            try await test(try #require(await ports.next()), broker)
            group.cancelAll()
        }
        await broker.close()
    }

    private func send(_ method: String, _ path: String, port: Int, headers: [(String, String)] = [], body: String? = nil) async throws
        -> HTTPReply
    {
        let connection = try await HTTPConnection.open(port: port)
        try await connection.request(method, path, headers: headers, body: body.map { Array($0.utf8) } ?? (method == "POST" ? [] : nil))
        let reply = try await connection.reply(to: method)
        try await connection.close()
        return reply
    }

    @Test("by default a job can be watched by its id, and nothing else is there")
    func watch() async throws {
        try await run { router, jobs in
            JobRoutes(jobs).add(to: router.group("api/background"))
            router.get("jobs") { _, _ in "mine" }
        } _: { port, broker in
            let message = NewMessage(queue: try QueueName("q"), payload: Content("1"))
            let id = try #require(try await broker.commit([Transaction(.enqueue(message))])[0].get()[0].jobID)
            let base = "/api/background/jobs/\(id)"
            #expect(try await send("GET", base, port: port).json["state"].string == "queued")
            #expect(try await send("GET", "\(base)/result", port: port).status == 202)
            let events = try await HTTPConnection.open(port: port)
            try await events.request("GET", "\(base)/events")
            #expect(try await events.head().status == 200)
            try await events.close()
            for (method, path) in [
                ("GET", "\(base)/payload"), ("POST", "\(base)/cancel"), ("GET", "/api/background/jobs"), ("GET", "/api/background/queues"),
                ("POST", "/api/background/queues/q/jobs"), ("POST", "/api/background/queues/q/leases"),
            ] { #expect(try await send(method, path, port: port).status == 404, "\(method) \(path)") }
            let wrong = try await send("DELETE", base, port: port)
            #expect(wrong.status == 405)
            #expect(wrong["allow"] == "GET, HEAD")
            #expect(try await send("GET", "/jobs", port: port).text == "mine")
        }
    }

    @Test("Location carries the mount as the request knows it, parameters and all")
    func location() async throws {
        try await run { router, jobs in
            JobRoutes(jobs, serving: Set(JobRoutes.Action.allCases), authorize: { _, _ in true }).add(to: router.group("t/:tenant/api"))
        } _: { port, _ in
            let reply = try await send(
                "POST",
                "/t/a%20b/api/queues/q/jobs",
                port: port,
                headers: [("Content-Type", "application/json")],
                body: "1"
            )
            #expect(reply.status == 202)
            let location = try #require(reply["location"])
            #expect(location.hasPrefix("/t/a%20b/api/jobs/"))
            #expect(try await send("GET", location, port: port).status == 200)
            let lease = try #require(try await send("POST", "/t/x/api/queues/q/leases", port: port).json["leases"][0]["lease"].string)
            #expect(try await send("POST", "/t/x/api/leases/\(lease)/complete", port: port).status == 200)
        }
    }

    @Test("the authorize closure sees every request, and its no is 403")
    func authorize() async throws {
        try await run { router, jobs in
            JobRoutes(jobs, serving: [.watch, .publish]) { request, action in
                action == .watch ? request.headers[.authorization] != "nobody" : request.headers[.authorization] == "publisher"
            }.add(to: router)
        } _: { port, broker in
            let refused = try await send("POST", "/queues/q/jobs", port: port, body: "1")
            #expect(refused.status == 403)
            #expect(try refused.json["code"].string == "forbidden")
            #expect(try await broker.queues().isEmpty)
            let made = try await send("POST", "/queues/q/jobs", port: port, headers: [("Authorization", "publisher")], body: "1")
            #expect(made.status == 202)
            let location = try #require(made["location"])
            #expect(location.hasPrefix("/jobs/"))
            #expect(try await send("GET", location, port: port).status == 200)
            #expect(try await send("GET", location, port: port, headers: [("Authorization", "nobody")]).status == 403)
        }
    }

    @Test("the routes stand behind the program's middleware")
    func middleware() async throws {
        struct Stamp: RouterMiddleware {
            func handle(_ request: Request, context: AppContext, next: (Request, AppContext) async throws -> Response) async throws
                -> Response
            {
                var response = try await next(request, context)
                response.headers[.server] = "mine"
                return response
            }
        }
        try await run { router, jobs in
            router.add(middleware: Stamp())
            JobRoutes(jobs).add(to: router)
        } _: { port, _ in
            let reply = try await send("GET", "/jobs/nothing", port: port)
            #expect(reply.status == 404)
            #expect(reply["server"] == "mine")
            #expect(try reply.json["code"].string == "job_not_found")
        }
    }

    @Test("an answer with leases that is never written gives them back, uncounted")
    func droppedAnswer() async throws {
        struct Drop: RouterMiddleware {
            func handle(_ request: Request, context: AppContext, next: (Request, AppContext) async throws -> Response) async throws
                -> Response
            {
                _ = try await next(request, context)
                throw HTTPError(.badGateway)
            }
        }
        try await run { router, jobs in
            let all = JobRoutes(jobs, serving: Set(JobRoutes.Action.allCases), authorize: { _, _ in true })
            all.add(to: router.group("broken").add(middleware: Drop()))
            all.add(to: router.group("whole"))
        } _: { port, _ in
            let made = try await send("POST", "/whole/queues/q/jobs", port: port, body: "1")
            #expect(made.status == 202)
            #expect(try await send("POST", "/broken/queues/q/leases?lease=1h", port: port).status == 502)
            let lease = try await send("POST", "/whole/queues/q/leases?wait=10s", port: port).json["leases"][0]
            #expect(lease["job"]["id"].string == (try made.json["id"].string))
            #expect(lease["job"]["attempt"].int == 1)
        }
    }

    @Test("a graceful shutdown of the program ends waits and event streams at once")
    func shutdown() async throws {
        let broker = try await TestServer.engine()
        let jobs = JobClient(broker: broker, logger: TestServer.logger)
        let router = Router(context: AppContext.self)
        JobRoutes(jobs, serving: Set(JobRoutes.Action.allCases), authorize: { _, _ in true }).add(to: router.group("api"))
        let ports = AsyncStream<Int>.makeStream()
        let app = Application(
            router: router,
            configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in ports.continuation.yield(channel.localAddress?.port ?? 0) },
            logger: TestServer.logger
        )
        let group = ServiceGroup(configuration: .init(services: [.init(service: app)], logger: TestServer.logger))
        let running = Task { try await group.run() }
        var iterator = ports.stream.makeAsyncIterator()
        let port = try #require(await iterator.next())
        let message = NewMessage(queue: try QueueName("q"), payload: Content("1"), start: .after(.seconds(3_600)))
        let id = try #require(try await broker.commit([Transaction(.enqueue(message))])[0].get()[0].jobID)

        let stream = try await HTTPConnection.open(port: port)
        try await stream.request("GET", "/api/jobs/\(id)/events")
        _ = try await stream.head()
        for _ in 0..<2 { _ = try await stream.chunk() }
        let poll = try await HTTPConnection.open(port: port)
        try await poll.request("GET", "/api/jobs/\(id)", headers: [("Prefer", "wait=60")])
        let lease = try await HTTPConnection.open(port: port)
        try await lease.request("POST", "/api/queues/other/leases?wait=60s", body: [])
        while try await broker.queue(QueueName("other")) == nil { try await Task.sleep(for: .milliseconds(5)) }

        let start = ContinuousClock.now
        await group.triggerGracefulShutdown()
        while try await stream.chunk() != nil {}
        #expect(try await poll.reply().json["state"].string == "scheduled")
        #expect(try await lease.reply().text == #"{"leases":[]}"#)
        try await running.value
        #expect(start.duration(to: .now) < .seconds(5), "a keep-alive comes each 15 s: nothing waited for it")
        await broker.close()
    }
}
