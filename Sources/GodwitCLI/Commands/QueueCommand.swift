import ArgumentParser
import GodwitCore
import GodwitHTTP

/// `godwit queue`.
struct QueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue",
        abstract: "Show, set up, browse, redrive, pause, resume, purge or delete a queue.",
        discussion: """
              godwit queue show emails
              godwit queue set emails --max-jobs 1000 --lease 10s
              godwit queue pause emails
            """,
        subcommands: [Show.self, Set.self, Browse.self, Redrive.self, Pause.self, Resume.self, Purge.self, Delete.self]
    )
}

extension QueueCommand {
    struct Show: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a queue's settings and counts.",
            discussion: "  godwit queue show emails"
        )

        @Argument(help: "The queue.")
        var queue: String
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await store.withStore { store in
                let queue = try await store.queue(queue)
                for line in output.json ? [queue.text] : QueueText.lines(queue) { try Output.line(line) }
            }
        }
    }

    struct Pause: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop a queue's deliveries; publishing goes on.",
            discussion: "  godwit queue pause emails"
        )

        @Argument(help: "The queue.")
        var queue: String
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws { try await perform(.pause, on: queue, in: store, asJSON: output.json) }
    }

    struct Resume: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a paused queue deliver again.",
            discussion: "  godwit queue resume emails"
        )

        @Argument(help: "The queue.")
        var queue: String
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws { try await perform(.resume, on: queue, in: store, asJSON: output.json) }
    }

    struct Purge: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Cancel all jobs of a queue that wait; running ones go on.",
            discussion: """
                Asks first on a terminal; elsewhere it wants --yes. Prints how many they were.

                  godwit queue purge emails --yes
                """
        )

        @Argument(help: "The queue.")
        var queue: String
        @OptionGroup var confirmation: Confirmation
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await store.withStore { store in
                if !confirmation.yes {
                    let counts = try await store.queue(queue)["counts"]
                    let waiting = ["queued", "scheduled", "retrying"].reduce(0) { $0 + (counts?[$1]?.integer ?? 0) }
                    try confirmation.ask("Purge \(JobText.printable(queue))? \(waiting) jobs that wait will be cancelled.")
                }
                let purged = JSONValue(try await store.perform(.purge, on: queue).body)
                try Output.line(output.json ? purged?.text ?? "{}" : "\(purged?["purged"]?.integer ?? 0)")
            }
        }
    }

    struct Delete: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a queue and its finished jobs.",
            discussion: """
                A queue with unfinished jobs is refused, unless --purge removes them, too: that is asked about on a terminal, and wants --yes \
                elsewhere.

                  godwit queue delete emails
                  godwit queue delete emails --purge --yes
                """
        )

        @Argument(help: "The queue.")
        var queue: String
        @Flag(help: "Remove unfinished jobs as well.")
        var purge = false
        @OptionGroup var confirmation: Confirmation
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await store.withStore { store in
                if purge, !confirmation.yes {
                    let counts = try await store.queue(queue)["counts"]
                    let unfinished = ["queued", "scheduled", "running", "retrying"].reduce(0) { $0 + (counts?[$1]?.integer ?? 0) }
                    try confirmation.ask("Delete \(JobText.printable(queue)) with \(unfinished) unfinished jobs?")
                }
                try await store.delete(queue: queue, purging: purge)
                let json = JSONWriter.text { json in
                    json.object { json in
                        json.member("name", queue)
                        json.member("deleted", true)
                    }
                }
                try Output.line(output.json ? json : "\(JobText.printable(queue))\tdeleted")
            }
        }
    }
}

extension StoreCommand {
    /// Stops a queue's deliveries, or goes on with them; the queue is shown as JSON, else its new state.
    fileprivate func perform(_ action: Store.QueueAction, on queue: String, in options: StoreOptions, asJSON: Bool) async throws {
        try await options.withStore { store in
            guard let json = JSONValue(try await store.perform(action, on: queue).body) else {
                throw CommandFailure.notGodwit(store.transport.description)
            }
            let state = json["paused"]?.bool == true ? "paused" : "delivering"
            try Output.line(asJSON ? json.text : "\(JobText.printable(queue))\t\(state)")
        }
    }
}
