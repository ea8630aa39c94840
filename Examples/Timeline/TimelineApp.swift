import Foundation
import Godwit
import GodwitHTTP
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

/// A social network of 10,001 people in one process: the page, the queue, the workers and the timelines.
@main
struct TimelineApp {
    /// More unfinished jobs than this, and the queue refuses posts: a short queue is what keeps every accepted post quick.
    private static let bound = 100
    private static let concurrency = 4

    static func main() async {
        do {
            let options = try Options(Array(CommandLine.arguments.dropFirst()))
            if options.isHelpWanted {
                print(Options.usage, terminator: "")
            } else {
                try await run(options)
            }
        } catch let error as Options.UsageError {
            complain("\(error)\n\n\(Options.usage)")
            exit(64)
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            complain("the port is in use: choose another with --port, or --port 0 for any that is free\n")
            exit(1)
        } catch {
            complain("\(error)\n")
            exit(1)
        }
    }

    private static func run(_ options: Options) async throws {
        var logger = Logger(label: "timeline") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .warning

        // The job store first: an embedded one lets only one process into the folder.
        let jobs = try await JobClient.open(options.broker ?? "embedded:\(options.data)/jobs", logger: logger)
        try await jobs.configure(queue: Delivery.queue) { $0.maxJobs = bound }
        // A server's store makes no folder here.
        try FileManager.default.createDirectory(atPath: options.data, withIntermediateDirectories: true)
        // Nor does a server keep two processes from one file of timelines.
        let lock = try FolderLock(options.data)
        defer { extendLifetime(lock) }
        let graph = FollowerGraph()
        let changes = Changes()
        let store = try TimelineStore(path: "\(options.data)/timelines.jsonl", changes: changes)
        let trends = TrendBoard(changes: changes)
        let delivery = Delivery(graph: graph, store: store, pace: .milliseconds(options.pace))

        var worker = Worker(jobs, concurrency: concurrency)
        worker.handle(DeliverPost.self) { job, context in
            for chunk in try await delivery.deliver(job.post) { context.enqueue(chunk) }
        }
        worker.handle(DeliverChunk.self) { job, _ in try await delivery.deliver(job) }

        // A worker of its own: a flood of posts takes all places of the other one, and trends must not wait.
        var counter = Worker(jobs, concurrency: 1)
        counter.handle(CountTrends.self) { _, _ in
            trends.trends = Trends(of: store.read { $0.entries.suffix(Trends.posts).map(\.post) }, at: Date())
        }
        counter.schedule("trends", .every(.seconds(5))) { _ in CountTrends() }

        let router = Router()
        Pages.add(to: router)
        Routes(
            jobs: jobs,
            graph: graph,
            store: store,
            live: Live(jobs: jobs, graph: graph, store: store, trends: trends, changes: changes, pace: options.pace)
        ).add(to: router)
        // Each post's job can be watched by those who know its id, which nobody can guess.
        JobRoutes(jobs, serving: [.watch]).add(to: router)

        let server = Application(
            router: router,
            configuration: .init(address: .hostname(options.host, port: options.port)),
            onServerRunning: { channel in announce(channel.localAddress, options) },
            logger: logger
        )
        // In this order they start; in the reverse order they end: first the server, last the store.
        let services = ServiceGroup(
            services: [jobs, Ticker(changes: changes), worker, counter, server],
            gracefulShutdownSignals: [.sigint, .sigterm],
            logger: logger
        )
        try await services.run()
    }

    /// Says where the page is, as soon as it answers. Whoever reads it through a pipe must not wait for a full buffer.
    private static func announce(_ address: SocketAddress?, _ options: Options) {
        let host = options.host.contains(":") ? "[\(options.host)]" : options.host
        print("http://\(host):\(address?.port ?? options.port)")
        fflush(nil)
    }

    private static func complain(_ message: String) {
        FileHandle.standardError.write(Data("timeline: \(message)".utf8))
    }
}
