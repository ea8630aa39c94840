import GodwitCore
import GodwitHTTP
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// What the server adds to the routes: its health, its metrics and the interface's description.
struct ServerRoutes: Sendable {
    let broker: any Broker
    let options: ServerOptions
    let statistics: ServerStatistics
    /// Shared with the operators' page.
    let glance: QueuesGlance
    let draining: Latch
    let started = ContinuousClock.now

    /// The paths, relative to the root; all of them answer GET and HEAD.
    static let paths = ["healthz", "readyz", "metrics", "openapi.json"]

    func add(to router: Router<ServerContext>) {
        serve("healthz", router) { .text("ok\n") }
        serve("readyz", router) { try await ready() }
        serve("metrics", router) { try await metrics() }
        let asksForTokens = options.token != nil || options.tokenTable != nil
        let document = ByteBuffer(bytes: asksForTokens ? OpenAPI.documentWithTokens : OpenAPI.document)
        serve("openapi.json", router) {
            Response(status: .ok, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: document))
        }
    }

    private func serve(_ path: String, _ router: Router<ServerContext>, _ answer: @escaping @Sendable () async throws -> Response) {
        for method in [.get, .head] as [HTTPRequest.Method] {
            router.on(RouterPath(path), method: method) { request, _ in
                do {
                    _ = try QueryItems(request.uri.query, known: [])
                    let response = try await answer()
                    return method == .head ? response.createHeadResponse() : response
                } catch let problem as Problem {
                    return problem.response
                } catch let error as BrokerError {
                    return Problem(error).response
                }
            }
        }
        router.refuseOtherMethods(than: [.get, .head], at: path)
    }

    private func ready() async throws -> Response {
        if draining.isSet { throw Problem.draining }
        try await broker.check()
        return .text("ready\n")
    }

    private func metrics() async throws -> Response {
        var failure: BrokerError?
        var queues: [QueueStatus] = [], times: JobTimes?, count = 0
        let access = Connection.current?.access ?? .nobody
        do throws(BrokerError) {
            try await broker.check()
            var all = try await glance.queues(broker)
            if !access.hasAllQueues { all.removeAll { !access.allows($0.name) } }
            count = all.count
            queues = MetricsPage.busiest(all)
            if let store = broker as? any Timed {
                times = try await store.times(of: queues.prefix(MetricsPage.mostTimedQueues).map(\.name))
            }
        } catch {
            // A failed store is what the page is there to tell.
            failure = error
        }
        let page = MetricsPage(
            queueCount: count,
            queues: queues,
            times: times,
            showsAllTimes: access.hasAllQueues,
            failure: failure,
            isDraining: draining.isSet,
            connections: statistics.connections.load(ordering: .relaxed),
            refusedConnections: statistics.refusedConnections.load(ordering: .relaxed),
            timeouts: statistics.timeouts.load(ordering: .relaxed),
            answers: statistics.answers,
            process: .read(),
            uptime: started.duration(to: .now),
            version: options.version,
            now: WallClock.now()
        )
        return .text(page.text, type: "text/plain; version=0.0.4; charset=utf-8")
    }
}

extension Response {
    fileprivate static func text(_ text: String, type: String = "text/plain; charset=utf-8") -> Response {
        Response(
            status: .ok,
            headers: [.contentType: type, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }
}
