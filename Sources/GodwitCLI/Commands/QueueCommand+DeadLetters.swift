import ArgumentParser
import GodwitCore
import GodwitHTTP

extension QueueCommand {
    struct Browse: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a queue's waiting jobs with their payloads, oldest first, without leasing them.",
            discussion: """
                A line has id, state, name and payload, with tabs between them; bytes that are no text are in base64. With --json every line \
                has the job, its headers and its payload.

                  godwit queue browse emails
                  godwit queue browse dead --all --json | jq -r .payload.to
                """
        )

        @Argument(help: "The queue.")
        var queue: String
        @OptionGroup var listing: ListingOptions
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await store.withStore { store in
                try await listing.show {
                    try await store.browse(queue: queue, limit: $0, cursor: $1)
                } line: { job in
                    output.json ? job.text : Self.line(job)
                }
            }
        }

        private static func line(_ browsed: JSONValue) -> String {
            let payload = browsed["payload"].map { $0.string ?? $0.text } ?? browsed["payload_base64"]?.string
            let fields = [browsed["job"]?["id"]?.string, browsed["job"]?["state"]?.string, browsed["job"]?["name"]?.string, payload]
            return fields.map { JobText.printable($0 ?? "-") }.joined(separator: "\t")
        }
    }

    struct Redrive: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a queue's dead letters another chance, all or by filter; prints how many.",
            discussion: """
                Jobs that failed or expired in the queue are queued again; dead letters that came to it from other queues, and wait, go back \
                there as new jobs. Oldest first; what comes to the queue meanwhile is left alone.

                  godwit queue redrive emails --reason max_attempts
                  godwit queue redrive dead --name welcome
                """
        )

        @Argument(help: "The queue.")
        var queue: String
        @Option(help: "Only jobs of this name.")
        var name: String?
        @Option(help: "Only those that died of this.", completion: .list(DeathReason.allCases.map(\.rawValue)))
        var reason: String?
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func validate() throws { try checkReason(reason) }

        func run() async throws {
            try await store.withStore { store in
                var redriven = 0, refused = 0, cursor: String?
                repeat {
                    let page = try await store.redrive(queue: queue, name: name, reason: reason, cursor: cursor)
                    redriven += page.redriven
                    refused += page.refused
                    cursor = page.next
                } while cursor != nil
                if refused > 0 {
                    Output.message("\(refused) dead letters of \(queue) stay where they are: godwit redrive JOB says of each one why")
                }
                let json = JSONWriter.text { json in
                    json.object {
                        $0.member("redriven", redriven)
                        $0.member("refused", refused)
                    }
                }
                try Output.line(output.json ? json : "\(redriven)")
            }
        }
    }
}

/// `godwit redrive`.
struct RedriveCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "redrive",
        abstract: "Give dead letters another chance: in their place, or in the queue that they came from.",
        discussion: """
            Prints the id of the job that lives on, a new one where it went back to another queue, and its state. Of several those that are refused \
            are said, the others are done, and the exit code is 1. All of a queue at once: godwit queue redrive.

              godwit redrive JOB
              godwit jobs --all --queue dead --name welcome | cut -f1 | xargs -r godwit redrive
            """
    )

    @Argument(help: "The jobs' ids.")
    var job: [String]

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await store.withStore { store in
            try await EachJob(ids: job, asJSON: output.json).run { id in try output.show(try await store.redrive(id), of: id) }
        }
    }
}
