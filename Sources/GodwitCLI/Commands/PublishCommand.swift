import ArgumentParser
import Foundation
import GodwitCore
import GodwitHTTP

/// `godwit publish`.
struct PublishCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Publish a job, or one a line of input.",
        discussion: """
            Prints the job's id. The payload is taken as JSON if it is JSON, else as text, else as bytes.

              godwit publish emails '{"to": "ada@example.org"}'
              godwit publish thumbnails --key cat.jpg --wait < cat.jpg
              godwit publish reports '{}' --run-at 2027-01-01T06:00:00Z
              seq 100000 | godwit publish numbers --lines --retry-for 5m
            """
    )

    @Argument(help: "The queue; it is created with the first job.")
    var queue: String

    @Argument(help: "The payload; without it, or with -, it is read from standard input.")
    var body: String?

    @Option(help: "The job's name, which tells workers what to do.")
    var name: String?

    @Option(help: ArgumentHelp("Do not run before this much time: 200ms, 5s, 2m, 1h, 7d.", valueName: "duration"))
    var delay: DurationText?

    @Option(help: ArgumentHelp("Do not run before this time, such as 2027-01-01T06:00:00Z.", valueName: "time"))
    var runAt: String?

    @Option(help: "0 to 255; higher runs first. (default: 0)")
    var priority: Int?

    @Option(help: ArgumentHelp("Give the job up when it was not started within this time.", valueName: "duration"))
    var expires: DurationText?

    @Option(help: ArgumentHelp("How long one attempt may take.", valueName: "duration"))
    var timeout: DurationText?

    @Option(help: "How often the job is tried at most. (default: the queue's setting)")
    var maxAttempts: Int?

    @Option(help: "The ordered group it belongs to: one job of it runs at a time, in the order of publishing.")
    var group: String?

    @Option(help: "While a job with this claim is unfinished there is no second one: its id is printed instead.")
    var claim: String?

    @Option(
        help: ArgumentHelp(
            """
            What follows the job's end, whatever ends it: JSON such as [{\"enqueue\": {…}, \"when\": \"failed\"}], or @FILE; at most 1 MiB. \
            What is long is published as a batch of one.
            """,
            valueName: "json"
        )
    )
    var onFinal: JSONArgument?

    @Flag(help: "Confirm it before it is on disk: it is gone when the server starts again. Not with a key, a group, a claim or --on-final.")
    var transient = false

    @Option(help: "Idempotency key: the same key again within the queue's window publishes nothing new.")
    var key: String?

    @Option(help: ArgumentHelp("What the payload is. (default: found out)", valueName: "media-type"))
    var contentType: String?

    @Flag(help: "Wait until the job is final, print its result, and exit with 1 when it did not succeed.")
    var wait = false

    @Option(help: ArgumentHelp("When the queue is full, keep trying for this long, backing off.", valueName: "duration"))
    var retryFor: DurationText?

    @Flag(help: "Publish each line of input as a job; empty lines are passed over.")
    var lines = false

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard delay == nil || runAt == nil else {
            throw ValidationError("--delay and --run-at exclude each other: say once when the job may run")
        }
        if let runAt, Timestamp(rfc3339: runAt) == nil {
            throw ValidationError("--run-at \(runAt) is no time: use RFC 3339, such as 2027-01-01T06:00:00Z")
        }
        // A header field carries no control characters: they would become others on the way, and two keys one.
        for (option, value) in [("--key", key), ("--content-type", contentType)] {
            guard value?.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) ?? true else {
                throw ValidationError("\(option) has a control character in it: leave it away")
            }
        }
        guard !transient || store.data == nil else {
            throw ValidationError("--transient and --data exclude each other: the job would be gone as soon as the folder is closed")
        }
        if lines {
            guard body == nil || body == "-" else { throw ValidationError("--lines reads standard input: leave the payload argument away") }
            guard key == nil else { throw ValidationError("--key and --lines exclude each other: all lines would be one job") }
            guard !wait else {
                throw ValidationError("--wait and --lines exclude each other: follow jobs by their ids with `godwit status --watch`")
            }
        }
    }

    private var options: [(name: String, value: String)] {
        var options: [(String, String)] = []
        func add(_ name: String, _ value: String?) {
            if let value { options.append((name, value)) }
        }
        add("name", name)
        add("delay", delay?.text)
        add("run-at", runAt)
        add("priority", priority.map(String.init))
        add("expires", expires?.text)
        add("timeout", timeout?.text)
        add("max-attempts", maxAttempts.map(String.init))
        add("group", group)
        add("claim", claim)
        add("on-final", onFinal?.text)
        if transient { add("transient", "true") }
        return options
    }

    func run() async throws {
        let retry = RetryPolicy(limit: retryFor?.duration ?? .zero, isRepeatable: key != nil)
        if lines {
            try await store.withStore(creating: true) { store in
                try await LinePublisher(
                    store: store,
                    queue: queue,
                    options: options,
                    contentType: contentType,
                    retry: retry,
                    asJSON: output.json
                ).run()
            }
            return
        }
        let payload = try readPayload()
        let job = NewJob(payload: payload, contentType: contentType, options: options, key: key)
        try await store.withStore(creating: true) { store in
            let published = try await retry.run(waiting: Self.sayWaiting) { try await job.publish(to: queue, at: store) }
            guard let id = published["id"]?.string else { throw CommandFailure.notGodwit(store.transport.description) }
            guard wait else {
                try Output.line(output.json ? published.text : id)
                return
            }
            Output.progress("\(id): waiting")
            let final: JSONValue
            do {
                final = try await store.finalJob(id)
            } catch var failure as CommandFailure {
                Output.endProgress()
                failure.message = "job \(id) was published, but waiting for it failed: \(failure.message)"
                throw failure
            }
            Output.endProgress()
            try await Self.show(final, of: store, asJSON: output.json)
        }
    }

    /// The result of a job that succeeded; the failure of one that did not.
    static func show(_ job: JSONValue, of store: Store, asJSON: Bool) async throws {
        let id = job["id"]?.string ?? ""
        if asJSON { try Output.line(job.text) }
        guard job["state"]?.string == "succeeded" else {
            throw CommandFailure.failed("job \(id): \(JobText.summary(job))", code: "job_\(job["state"]?.string ?? "failed")")
        }
        if !asJSON { try Output.write(try await store.result(of: id).body) }
    }

    static func sayWaiting(_ failure: CommandFailure, _ delay: Duration) {
        Output.progress("\(failure.message); trying again in \(Duration.milliseconds(delay.inMilliseconds).text)")
    }

    private func readPayload() throws -> [UInt8] {
        if let body, body != "-" { return Array(body.utf8) }
        if Output.isInputTerminal { Output.message("reading the payload from the terminal: end it with Ctrl-D") }
        var payload: [UInt8] = []
        while let piece = try FileHandle.standardInput.read(upToCount: 1 << 16), !piece.isEmpty {
            payload += piece
            guard payload.count <= Limits.transactionBytes else {
                throw CommandFailure.usage(
                    "the payload is over \(Limits.transactionBytes >> 20) MiB: store it elsewhere and publish where it is"
                )
            }
        }
        return payload
    }
}
