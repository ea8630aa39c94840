import ArgumentParser
import Foundation
import GodwitCore
import GodwitHTTP
import GodwitServer
import NIOCore

/// `godwit work`.
struct WorkCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "work",
        abstract: "Run a command for each job of some queues.",
        usage: "godwit work <queue> ... [<options>] -- <command> ...",
        discussion: """
            The payload is the command's standard input; GODWIT_JOB_ID, GODWIT_ATTEMPT, GODWIT_QUEUE, GODWIT_JOB_NAME and \
            GODWIT_CONTENT_TYPE are in its environment, GODWIT_TOKEN is not, and TRACEPARENT and TRACESTATE when its publisher was in a trace. When it exits \
            with 0, the job is complete and its standard output is the result; else the attempt failed, and the end of its standard \
            error says why. The command of a job that is cancelled, times out or loses its lease gets SIGTERM, then SIGKILL, with all \
            that it started.

            A server that is not there at the start ends it (69, or 75 when it is not ready): one that goes away later is waited for. GODWIT_TOKEN_FILE \
            is not in the command's environment either.

            SIGTERM or SIGINT: no more jobs are taken, running commands finish; a second one stops them and gives their jobs back. \
            SIGTSTP: no more jobs are taken, and the worker stays until SIGTERM; after SIGCONT it takes jobs again.

              godwit work thumbnails -- convert - -resize 128x128 png:-
              godwit work emails urgent --concurrency 8 -- ./send-mail
              godwit work reports -- sh -c 'jq -r .title | ./report'
            """
    )

    @Argument(help: "The queues; all of the first before any of the second.")
    var queues: [String] = []

    /// What stands after `--`, which ``arguments(_:)`` turns into this option: the parser itself does not tell what stood before.
    @Option(parsing: .remaining, help: .hidden)
    var command: [String] = []

    @Option(help: "How many commands run at a time.")
    var concurrency = 1

    @Option(help: ArgumentHelp("How long a job is held without a sign of life of this worker.", valueName: "duration"))
    var lease = DurationText(.seconds(10))

    @Option(help: ArgumentHelp("How long running commands may take to finish after SIGTERM or SIGINT.", valueName: "duration"))
    var grace = DurationText(.seconds(30))

    @Option(help: ArgumentHelp("How long a command may go on after SIGTERM before it gets SIGKILL.", valueName: "duration"))
    var killAfter = DurationText(.seconds(5))

    @Option(help: ArgumentHelp("The most bytes of standard output that are taken as a result.", valueName: "bytes"))
    var maxOutput = 1 << 20

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    /// The command line with `-- COMMAND…` of `godwit work` said as the option that the parser knows.
    static func arguments(_ arguments: [String]) -> [String] {
        guard arguments.first == configuration.commandName, let terminator = arguments.firstIndex(of: "--") else { return arguments }
        return arguments[..<terminator] + ["--command"] + arguments[(terminator + 1)...]
    }

    func validate() throws {
        guard !queues.isEmpty else { throw ValidationError("name at least one queue") }
        guard !command.isEmpty else { throw ValidationError("say which command to run: godwit work QUEUE -- COMMAND") }
        guard (1...Limits.leases).contains(concurrency) else { throw ValidationError("--concurrency must be 1 to \(Limits.leases)") }
        guard (Limits.shortestLease...Limits.longestLease).contains(lease.duration) else {
            throw ValidationError("--lease must be \(Limits.shortestLease.text) to \(Limits.longestLease.text)")
        }
        guard (0...Limits.transactionBytes).contains(maxOutput) else {
            throw ValidationError("--max-output must be 0 to \(Limits.transactionBytes)")
        }
    }

    func run() async throws {
        guard let path = ChildProcess.path(of: command[0]) else {
            throw CommandFailure.usage("cannot run \(command[0]): there is no such program")
        }
        let files = FileLimit.raise()
        guard Self.files(for: concurrency) <= files else {
            throw CommandFailure.usage(
                "--concurrency \(concurrency) needs \(Self.files(for: concurrency)) open files, and this process may have \(files): raise the "
                    + "limit (ulimit -n), or run fewer at a time"
            )
        }
        let shutdown = Shutdown()
        let asJSON = output.json
        try await shutdown.onSignals {
            try await shutdown.intake.onSignals {
                // One request waits for jobs, one beats, and each command may have one under way that settles its job.
                try await store.withStore(connections: concurrency + 2, creating: true) { store in
                    let worker = CommandWorker(
                        store: store,
                        options: .init(
                            queues: queues,
                            concurrency: concurrency,
                            lease: lease.duration,
                            grace: grace.duration,
                            limits: .init(output: maxOutput, error: Limits.errorMessage, patience: killAfter.duration),
                            path: path,
                            arguments: command,
                            environment: Token.removed(from: ProcessInfo.processInfo.environment)
                        ),
                        shutdown: shutdown
                    ) { Self.say($0, asJSON: asJSON) }
                    try await worker.run()
                }
            }
        }
    }

    /// The open files that so many commands need: three pipes to each, a pipe to wake who waits for it, and a connection to settle its job; and
    /// some for the process itself, among them three for each of its threads that serve connections.
    static func files(for concurrency: Int) -> Int { 6 * concurrency + 32 + 3 * System.coreCount }

    /// Says what became of a job. A reader that went away does not end the work.
    private static func say(_ report: CommandWorker.Report, asJSON: Bool) {
        guard asJSON else {
            Output.message("\(report.job.id) \(report.text) (attempt \(report.job.attempt), \(report.milliseconds) ms)")
            return
        }
        try? Output.line(
            JSONWriter.text { json in
                json.object { json in
                    json.member("id", report.job.id)
                    json.member("queue", report.job.queue)
                    json.member("name", report.job.name)
                    json.member("attempt", report.job.attempt)
                    json.member("outcome", report.outcome)
                    json.member("error", report.error)
                    json.member("duration_ms", report.milliseconds)
                }
            }
        )
    }
}

extension CommandWorker.Report {
    var milliseconds: Int64 { duration.inMilliseconds }

    /// A stable word: `completed`, `failed`, `released`, `lost`.
    var outcome: String {
        guard failure == nil else { return "lost" }
        return switch settlement {
        case .complete: "completed"
        case .fail: "failed"
        case .release: "released"
        case .nothing: "lost"
        }
    }

    var error: String? {
        if let failure { return failure.message }
        return switch settlement {
        case .fail(let message, _, _), .nothing(let message): message
        case .complete, .release: nil
        }
    }

    fileprivate var text: String { outcome + (error.map { ": \(JobText.printable($0.components(separatedBy: "\n").last ?? $0))" } ?? "") }
}
