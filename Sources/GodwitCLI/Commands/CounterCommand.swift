import ArgumentParser
import GodwitCore
import GodwitHTTP

/// `godwit counter`.
struct CounterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "counter",
        abstract: "Count steps, and publish what follows when all of them are done.",
        discussion: """
            A counter counts each step once. With the step that brings it to its target what follows is done: jobs are published, other steps are \
            counted. The first step of a counter says both.

              godwit counter add import-42 part-1 --at 3 --then '[{"enqueue": {"queue": "reports", "payload": 42}}]'
              godwit counter show import-42
            """,
        subcommands: [Add.self, Show.self, Delete.self]
    )
}

extension CounterCommand {
    struct Add: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Count a step; print the count, the target and the ids of the jobs that follow.",
            discussion: "  godwit counter add import-42 part-1 --at 3"
        )

        @Argument(help: "The counter.")
        var counter: String
        @Argument(help: "What is counted: an id that counts once.")
        var step: String
        @Option(help: "What the counter counts up to; of its first step alone.")
        var at: Int
        @Option(help: "How much the step counts; 0 only makes the counter. (default: 1)")
        var n: Int?
        @Option(help: ArgumentHelp("What follows, of its first step alone: JSON, or @FILE.", valueName: "json"))
        var then: JSONArgument?
        @Option(help: ArgumentHelp("Keep the counter for this long after this step. (default: 30d)", valueName: "duration"))
        var lifetime: DurationText?
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let body = JSONWriter.bytes { json in
                json.object { json in
                    json.member("step", step)
                    json.member("at", at)
                    if let n { json.member("n", n) }
                    if let lifetime { json.member("lifetime", lifetime.text) }
                    if let then {
                        json.key("then")
                        json.raw(then.bytes)
                    }
                }
            }
            try await store.withStore(creating: true) { store in
                let added = try await store.add(to: counter, body)
                if output.json { return try Output.line(added.text) }
                try Output.line(CounterCommand.text(added))
                for job in added["enqueued"]?.elements ?? [] { try Output.line(job.string ?? "") }
            }
        }
    }

    struct Show: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a counter's count and target.",
            discussion: "  godwit counter show import-42 --wait"
        )

        @Argument(help: "The counter.")
        var counter: String
        @Flag(help: "Wait until it is full.")
        var wait = false
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await store.withStore { store in
                let found = try await store.counter(counter, whenComplete: wait)
                try Output.line(output.json ? found.text : CounterCommand.text(found))
            }
        }
    }

    struct Delete: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a counter; what follows it is never done then.",
            discussion: "  godwit counter delete import-42"
        )

        @Argument(help: "The counter.")
        var counter: String
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await store.withStore { store in
                try await store.delete(counter: counter)
                guard output.json else { return }
                try Output.line(
                    JSONWriter.text { json in
                        json.object { json in
                            json.member("key", counter)
                            json.member("deleted", true)
                        }
                    }
                )
            }
        }
    }

    /// `2/3`, and what else is to be said.
    fileprivate static func text(_ counter: JSONValue) -> String {
        var text = "\(counter["count"]?.integer ?? 0)/\(counter["at"]?.integer ?? 0)"
        if counter["counted"]?.bool == false {
            text += counter["complete"]?.bool == true ? " not counted: it is full" : " not counted: it was before"
        }
        return text
    }
}
