import ArgumentParser
import Godwit
import GodwitBench
import GodwitCore
import GodwitHTTP
import Logging

/// `godwit bench`.
struct BenchCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure a store: how fast it confirms, delivers and completes, and what that costs.",
        discussion: """
            Publishes jobs and works them off at the same time, and prints rates, latencies, processor time, memory and bytes written. \
            Without --broker it makes a store in $TMPDIR, else in /var/tmp, and removes it afterwards.

            Typed jobs go through a client and a worker whose handler does nothing. With --raw, messages go to the engine itself, in \
            batches, and leave nothing behind. Processor time is that of the whole process, less what the same jobs cost without a store.

              godwit bench
              godwit bench --raw --jobs 20000000
              godwit bench --raw --sync --jobs 5000
              godwit bench --broker embedded:./data --raw --size 1024 --fill 5000000
              godwit bench --broker embedded:./data --raw --drain --json
            """
    )

    @Option(
        help: ArgumentHelp(
            "The store: embedded:DIR, memory:, or another one that clients open. (default: embedded:, in a folder made for the run)",
            valueName: "url"
        )
    )
    var broker: String?

    @Option(help: "How many jobs are published and completed. (default: 100000, with --raw 1000000)")
    var jobs: Int?

    @Option(help: ArgumentHelp("The size of a payload.", valueName: "bytes"))
    var size = 100

    @Option(help: "How many tasks publish. (default: 64, with --raw or --sync 1)")
    var producers: Int?

    @Option(help: "How many jobs run at a time; with --raw, how many tasks take messages. (default: 64, with --raw 1)")
    var workers: Int?

    @Option(help: ArgumentHelp("At most so many messages are published and not confirmed. (default: 4096)", valueName: "n"))
    var window: Int?

    @Option(help: ArgumentHelp("Publish so many a second, and count being late as latency.", valueName: "per-second"))
    var rate: Double?

    @Option(help: ArgumentHelp("With --raw: the messages go to so many queues in turn.", valueName: "n"))
    var queues = 1

    @Flag(help: "Publish one at a time, each producer for itself; consume only when all are confirmed.")
    var sync = false

    @Flag(help: "Messages of the engine, in batches, in place of typed jobs.")
    var raw = false

    @Flag(help: "With --raw: transient messages, which are confirmed before they are on disk.")
    var transient = false

    @Option(help: ArgumentHelp("Publish so many messages and leave them in the store.", valueName: "n"))
    var fill: Int?

    @Flag(help: "Take what is in the store, as --fill left it, then stop.")
    var drain = false

    @OptionGroup var output: OutputOptions

    func validate() throws { _ = try plan() }

    /// What the options say.
    /// - Throws: `ValidationError` that names the option that makes no sense.
    func plan() throws -> BenchPlan {
        var plan = BenchPlan()
        plan.store = try store()
        plan.isRaw = raw
        plan.isTransient = transient
        plan.isOneAtATime = sync
        plan.load = try load()
        try check("--jobs", jobs, 1...1_000_000_000)
        try check("--fill", fill, 1...1_000_000_000)
        try check("--size", size, BenchPlan.leastSize(isRaw: raw)...(Limits.transactionBytes / 2))
        plan.size = size
        try check("--producers", producers, 1...10_000)
        plan.producers = producers ?? (raw || sync ? 1 : 64)
        try check("--workers", workers, 1...Limits.leases)
        plan.workers = workers ?? (raw ? 1 : 64)
        try check("--queues", queues, 1...Limits.queuesPerHolder)
        plan.queues = queues
        try check("--window", window, 1...10_000_000)
        plan.window = window ?? max(plan.window, plan.producers)
        // Each producer has at least one message on its way.
        plan.producers = min(plan.producers, plan.window)
        if let rate, !(rate >= 0.001 && rate <= 1e9) { throw ValidationError("--rate must be 0.001 to 1,000,000,000 a second") }
        plan.rate = rate
        try checkTogether()
        return plan
    }

    private func store() throws -> BenchPlan.Store {
        guard let broker else { return .temporary }
        let colon = broker.firstIndex(of: ":")
        let rest = colon.map { String(broker[broker.index(after: $0)...]) } ?? ""
        switch colon.map({ broker[..<$0].lowercased() }) {
        case "embedded":
            guard !rest.hasPrefix("//") else {
                throw ValidationError("--broker: embedded: is followed by a folder's path, without //: embedded:./data")
            }
            return rest.isEmpty ? .temporary : .folder(Folder.absolutePath(rest))
        case "memory":
            guard rest.isEmpty else { throw ValidationError("--broker: memory: is followed by nothing") }
            return .memory
        case nil: throw ValidationError("--broker \(broker) is no URL: for a folder say embedded:\(broker)")
        default:
            guard !raw else { throw ValidationError("--raw measures an engine in this process: --broker embedded:DIR, or memory:") }
            return .url(broker)
        }
    }

    private func load() throws -> BenchPlan.Load {
        guard fill == nil || !drain else { throw ValidationError("--fill and --drain exclude each other: run one after the other") }
        guard jobs == nil || fill == nil else { throw ValidationError("--jobs and --fill exclude each other: --fill says how many") }
        guard jobs == nil || !drain else { throw ValidationError("--jobs and --drain exclude each other: all that is there is taken") }
        if fill != nil || drain {
            let flag = fill != nil ? "--fill" : "--drain"
            switch try store() {
            case .temporary, .memory:
                throw ValidationError("\(flag) needs a store that stays: name it with --broker embedded:DIR")
            case .folder, .url: break
            }
        }
        if let fill { return .fill(fill) }
        return drain ? .drain : .round(jobs: jobs ?? (raw ? 1_000_000 : 100_000))
    }

    private func checkTogether() throws {
        if drain {
            let others: [(String, Bool)] = [
                ("--producers", producers != nil), ("--window", window != nil), ("--rate", rate != nil), ("--sync", sync),
                ("--transient", transient),
            ]
            if let (flag, _) = others.first(where: \.1) {
                throw ValidationError("\(flag) and --drain exclude each other: nothing is published")
            }
        }
        guard fill == nil || workers == nil else { throw ValidationError("--workers and --fill exclude each other: nothing is consumed") }
        guard fill == nil || !transient else {
            throw ValidationError("--transient and --fill exclude each other: transient messages are gone when the store is closed")
        }
        guard !transient || raw else { throw ValidationError("--transient is for --raw") }
        guard queues == 1 || raw else { throw ValidationError("--queues is for --raw: a job's type says its queue") }
    }

    private func check(_ flag: String, _ value: Int?, _ range: ClosedRange<Int>) throws {
        if let value, !range.contains(value) { throw ValidationError("\(flag) must be \(range.lowerBound) to \(range.upperBound)") }
    }

    func run() async throws {
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "godwit")
        logger.logLevel = .warning
        let bench = Bench(try plan(), logger: logger)
        let shutdown = Shutdown()
        var progress: (@Sendable (BenchProgress) -> Void)?
        if Output.isErrorTerminal { progress = { Output.progress(BenchText.line($0)) } }
        let report = try await shutdown.onSignals { [progress] in
            do {
                return try await shutdown.interrupting { try await bench.run(progress: progress) }
            } catch let error as BrokerError where error.code == .unsupportedURL {
                throw CommandFailure.usage("--broker: \(error.message)")
            }
        }
        Output.endProgress()
        guard let report else { throw CommandFailure.failed("the bench was interrupted: nothing is reported", code: "interrupted") }
        if output.json {
            try Output.line(BenchText.json(report))
        } else {
            for line in BenchText.table(report) { try Output.line(line) }
        }
    }
}
