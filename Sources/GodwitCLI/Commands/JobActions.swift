import ArgumentParser
import GodwitHTTP

/// `godwit cancel`.
struct CancelCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Cancel jobs, pending or running, for good.",
        discussion: """
            A running job is final at once; its worker stops at its next heartbeat. One that is final already stays as it is.

            All jobs in a --state are cancelled when that is confirmed, on a terminal or by --yes; how many is printed then. Of several ids those \
            that are refused are said, the others are done, and the exit code is 1.

              godwit cancel JOB
              godwit cancel --state queued --queue reports --name monthly
              godwit jobs --all --queue reports --state queued | cut -f1 | xargs -r godwit cancel
            """
    )

    @OptionGroup var selection: JobSelection
    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws { try selection.check(.cancel) }

    func run() async throws {
        try await store.withStore { store in
            try await selection.run(.cancel, store, output) { id in try output.show(try await store.cancel(id), of: id) }
        }
    }
}

/// `godwit retry`.
struct RetryCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Queue failed, cancelled or expired jobs again, with one more attempt; let waiting ones run now.",
        discussion: """
            All jobs in a --state are retried when that is confirmed, on a terminal or by --yes; how many is printed then. Of several ids those \
            that are refused are said, the others are done, and the exit code is 1.

              godwit retry JOB
              godwit retry --state failed --queue reports
              godwit jobs --all --reason max_deliveries | cut -f1 | xargs -r godwit retry
            """
    )

    @OptionGroup var selection: JobSelection
    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws { try selection.check(.retry) }

    func run() async throws {
        try await store.withStore { store in
            try await selection.run(.retry, store, output) { id in try output.show(try await store.retry(id), of: id) }
        }
    }
}

/// `godwit forget`.
struct ForgetCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Remove final jobs with their results before their time.",
        discussion: """
            All jobs in a --state are forgotten when that is confirmed, on a terminal or by --yes; how many is printed then. Of several ids those \
            that are refused are said, the others are done, and the exit code is 1.

              godwit forget JOB
              godwit forget --state succeeded --queue reports
            """
    )

    @OptionGroup var selection: JobSelection
    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws { try selection.check(.forget) }

    func run() async throws {
        try await store.withStore { store in
            try await selection.run(.forget, store, output) { id in
                try await store.forget(id)
                guard output.json else { return }
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

extension OutputOptions {
    /// Shows the state that a job is in now.
    func show(_ job: JSONValue, of id: String) throws {
        try Output.line(json ? job.text : "\(job["id"]?.string ?? id)\t\(job["state"]?.string ?? "unknown")")
    }
}
