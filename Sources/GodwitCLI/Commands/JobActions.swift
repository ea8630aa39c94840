import ArgumentParser
import GodwitHTTP

/// `godwit cancel`.
struct CancelCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Cancel jobs, pending or running, for good.",
        discussion: """
            A running job is final at once; its worker stops at its next heartbeat. One that is final already stays as it is.

              godwit cancel JOB
              godwit jobs --queue reports --state queued | cut -f1 | xargs godwit cancel
            """
    )

    @Argument(help: "The jobs' ids.")
    var job: [String]

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await store.withStore { store in try await job.change(output) { try await store.cancel($0) } }
    }
}

/// `godwit retry`.
struct RetryCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Queue failed, cancelled or expired jobs again, with one more attempt; let waiting ones run now.",
        discussion: """
              godwit retry JOB
              godwit jobs --queue reports --state failed | cut -f1 | xargs godwit retry
            """
    )

    @Argument(help: "The jobs' ids.")
    var job: [String]

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await store.withStore { store in try await job.change(output) { try await store.retry($0) } }
    }
}

/// `godwit forget`.
struct ForgetCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Remove final jobs with their results before their time.",
        discussion: "  godwit forget JOB"
    )

    @Argument(help: "The jobs' ids.")
    var job: [String]

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await store.withStore { store in
            for id in job {
                try await store.forget(id)
                if output.json {
                    try Output.line(
                        JSONWriter.text { json in
                            json.object { json in
                                json.member("id", id)
                                json.member("forgotten", true)
                            }
                        }
                    )
                }
            }
        }
    }
}

extension [String] {
    /// Changes the jobs with these ids one after the other, and prints the state that each is in then.
    fileprivate func change(_ output: OutputOptions, _ change: (String) async throws -> JSONValue) async throws {
        for id in self {
            let job = try await change(id)
            try Output.line(output.json ? job.text : "\(id)\t\(job["state"]?.string ?? "unknown")")
        }
    }
}
