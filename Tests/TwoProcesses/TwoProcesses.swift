import Foundation
import Godwit
import GodwitCore
import Logging
import ServiceLifecycle
import UnixSignals

/// `two-processes web|work`: a web process that publishes and a worker process that runs, which share a broker. The end-to-end tests kill them.
@main
enum TwoProcesses {
    struct Errand: Job {
        static let name = "errand"
        static let queue = "errands"
        var number: Int
    }

    struct Tick: Job {
        static let name = "tick"
        static let queue = "ticks"
        var due: Date
    }

    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            let options = try Options(arguments.dropFirst())
            switch arguments.first {
            case "web": try await publish(options)
            case "work": try await work(options)
            default: throw Options.wrong
            }
        } catch {
            FileHandle.standardError.write(Data("two-processes: \(error)\n".utf8))
            exit(1)
        }
    }

    /// Publishes errands as web handlers would, many at a time. Most have a key, and are published again when it is not known what became of
    /// them. Every fourth has none: it is published again only when it certainly was not, and what nobody knows of is said.
    private static func publish(_ options: Options) async throws {
        let jobs = try await JobClient.open(options.broker, logger: logger)
        let end = options.first + options.jobs
        try await withThrowingTaskGroup(of: Void.self) { group in
            for start in 0..<64 {
                group.addTask {
                    for number in stride(from: options.first + start, to: end, by: 64) {
                        let errand = Errand(number: number)
                        if number % 4 == 0 { try await enqueueOnce(errand, to: jobs) } else { try await enqueue(errand, to: jobs) }
                    }
                }
            }
            try await group.waitForAll()
        }
        await jobs.close()
        print("published \(options.jobs)")
    }

    private static func enqueue(_ errand: Errand, to jobs: JobClient) async throws {
        while true {
            do {
                try await jobs.enqueue(errand, key: "errand-\(errand.number)", waitingUpTo: .seconds(60))
                return
            } catch let error as BrokerError where [.unavailable, .outcomeUnknown, .busy].contains(error.code) {
                // The key makes it safe.
                logger.info("publishing again", metadata: ["number": "\(errand.number)", "error": "\(error)"])
            }
        }
    }

    private static func enqueueOnce(_ errand: Errand, to jobs: JobClient) async throws {
        while true {
            do {
                try await jobs.enqueue(errand, waitingUpTo: .seconds(60))
                return
            } catch let error as BrokerError where [.unavailable, .busy].contains(error.code) {
                logger.info("publishing again", metadata: ["number": "\(errand.number)", "error": "\(error)"])
            } catch let error as BrokerError where error.code == .outcomeUnknown {
                print("unknown \(errand.number)")
                return
            }
        }
    }

    /// Runs errands; the effect of each is a file named after its idempotency key, which can be made once. Each run of each is noted before.
    private static func work(_ options: Options) async throws {
        let jobs = try await JobClient.open(options.broker, logger: logger)
        let effects = options.effects
        let runs = open("\(effects)/runs-\(getpid())", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        guard runs >= 0 else { throw CocoaError(.fileWriteUnknown) }
        var worker = Worker(jobs, concurrency: 4, lease: .seconds(2), logger: logger)
        worker.handle(Errand.self, retry: .exponential(maxAttempts: 20, base: .milliseconds(100), cap: .seconds(1))) { errand, context in
            let line = "\(errand.number) \(context.idempotencyKey) \(context.attempt)\n"
            guard write(runs, line, line.utf8.count) == line.utf8.count else { throw CocoaError(.fileWriteUnknown) }
            try record(context.idempotencyKey, in: effects)
        }
        worker.handle(Tick.self) { tick, context in
            try record("tick-\(Int(tick.due.timeIntervalSince1970 * 1_000))-\(context.id)", in: effects)
        }
        worker.schedule("tick", .every(.seconds(1))) { due in Tick(due: due) }
        try await ServiceGroup(
            services: [jobs, worker],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        ).run()
    }

    /// Makes a file that is not there; one that is there was made by an earlier attempt.
    private static func record(_ key: String, in folder: String) throws {
        // Many files in one folder are slow in the making.
        let shard = key.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xff }
        let file = open("\(folder)/\(shard)/\(key)", O_WRONLY | O_CREAT | O_EXCL, 0o600)
        guard file >= 0 else {
            if errno == EEXIST { return }
            throw CocoaError(.fileWriteUnknown)
        }
        close(file)
    }

    private static let logger: Logger = {
        var logger = Logger(label: "two-processes", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = .warning
        return logger
    }()
}

private struct Options {
    static let wrong = BrokerError.invalidArgument(
        "arguments",
        "usage: two-processes web|work --broker URL [--jobs N] [--first N] [--effects FOLDER]"
    )

    var broker = "http://127.0.0.1:8080"
    var jobs = 1_000
    var first = 0
    var effects = "."

    init(_ arguments: ArraySlice<String>) throws {
        var rest = arguments
        while let name = rest.popFirst() {
            guard let value = rest.popFirst() else { throw Self.wrong }
            switch name {
            case "--broker": broker = value
            case "--jobs": jobs = Int(value) ?? 0
            case "--first": first = Int(value) ?? 0
            case "--effects": effects = value
            default: throw Self.wrong
            }
        }
    }
}
