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
            discussion: "  godwit queue purge emails"
        )

        @Argument(help: "The queue.")
        var queue: String
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws { try await perform(.purge, on: queue, in: store, asJSON: output.json) }
    }

    struct Delete: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a queue and its finished jobs.",
            discussion: """
                A queue with unfinished jobs is refused, unless --purge removes them, too.

                  godwit queue delete emails --purge
                """
        )

        @Argument(help: "The queue.")
        var queue: String
        @Flag(help: "Remove unfinished jobs as well.")
        var purge = false
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await store.withStore { store in
                try await store.delete(queue: queue, purging: purge)
                if output.json {
                    try Output.line(
                        JSONWriter.text { json in
                            json.object { json in
                                json.member("name", queue)
                                json.member("deleted", true)
                            }
                        }
                    )
                }
            }
        }
    }
}

extension StoreCommand {
    /// Does what the store calls the action; what it answers is shown as JSON, else the number of jobs that a purge ended.
    fileprivate func perform(_ action: Store.QueueAction, on queue: String, in options: StoreOptions, asJSON: Bool) async throws {
        try await options.withStore { store in
            let json = JSONValue(try await store.perform(action, on: queue).body)
            if asJSON {
                try Output.line(json?.text ?? JSONWriter.text { json in json.object { $0.member("name", queue) } })
            } else if let purged = json?["purged"]?.integer {
                try Output.line("\(purged)")
            }
        }
    }
}
