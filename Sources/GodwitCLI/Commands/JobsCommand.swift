import ArgumentParser
import GodwitCore
import GodwitHTTP

/// `godwit jobs`.
struct JobsCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract: "List jobs, newest first.",
        discussion: """
            A line has id, state, queue, attempt, creation time, name and last error, with tabs between them: made for cut and awk. \
            With --json every line is a job's JSON. When there are more jobs than --limit, the cursor to go on from is said on \
            standard error.

              godwit jobs --queue emails --state failed
              godwit jobs --reason max_deliveries --oldest
              godwit jobs --all --json | jq -r 'select(.attempt > 3) | .id'
            """
    )

    @Option(help: "Only jobs of this queue.")
    var queue: String?

    @Option(help: "Only jobs in this state.", completion: .list(JobState.allCases.map(\.rawValue)))
    var state: String?

    @Option(help: "Only jobs of this name.")
    var name: String?

    @Option(help: "Only those that died of this.", completion: .list(DeathReason.allCases.map(\.rawValue)))
    var reason: String?

    @Flag(help: "The oldest first.")
    var oldest = false

    @OptionGroup var listing: ListingOptions
    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try checkReason(reason)
        try checkState(state)
    }

    func run() async throws {
        try await store.withStore { store in
            var query: [(String, String)] = []
            func add(_ name: String, _ value: String?) {
                if let value { query.append((name, value)) }
            }
            add("queue", queue)
            add("state", state)
            add("name", name)
            add("reason", reason)
            if oldest { add("oldest", "true") }
            try await listing.show { [query] in
                try await store.jobs(query, limit: $0, cursor: $1)
            } line: { job in
                output.json ? job.text : Self.line(job)
            }
        }
    }

    private static func line(_ job: JSONValue) -> String {
        let fields = [
            job["id"]?.string, job["state"]?.string, job["queue"]?.string,
            job["attempt"]?.integer.map { "\($0)/\(job["max_attempts"]?.integer ?? 0)" }, job["created_at"]?.string,
            job["name"]?.string ?? "-",
            job["error"]?["message"]?.string ?? "-",
        ]
        return fields.map { JobText.printable($0 ?? "-") }.joined(separator: "\t")
    }
}

/// Refuses what is no reason that jobs die of.
func checkReason(_ reason: String?) throws {
    guard let reason, DeathReason(rawValue: reason) == nil else { return }
    throw ValidationError("--reason \(reason) is none: there is \(DeathReason.allCases.map(\.rawValue).joined(separator: ", "))")
}
