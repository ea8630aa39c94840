import ArgumentParser
import GodwitHTTP

/// `godwit queues`.
struct QueuesCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "queues",
        abstract: "List the queues and how many jobs they have in each state.",
        discussion: """
              godwit queues
              godwit queues --json | jq -r 'select(.paused) | .name'
            """
    )

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await store.withStore { store in
            let queues = try await store.queues()
            if output.json {
                for queue in queues { try Output.line(queue.text) }
                return
            }
            for line in QueueText.table(queues) { try Output.line(line) }
        }
    }
}

/// Queues as people read them.
enum QueueText {
    static let states = ["queued", "scheduled", "running", "retrying", "succeeded", "failed", "cancelled", "expired"]

    static func table(_ queues: [JSONValue]) -> [String] {
        var table = Table([("queue", .left)] + states.map { ($0, .right) } + [("", .left)])
        for queue in queues {
            let counts = states.map { "\(queue["counts"]?[$0]?.integer ?? 0)" }
            table.add([JobText.printable(queue["name"]?.string ?? "")] + counts + [queue["paused"]?.bool == true ? "paused" : ""])
        }
        return table.lines
    }

    /// Every member as a line, nested ones by their path: `settings.max_jobs`.
    static func lines(_ queue: JSONValue, prefix: String = "") -> [String] {
        ((try? queue.members()) ?? []).flatMap { name, value -> [String] in
            if value.kind == .object { return lines(value, prefix: prefix + name + ".") }
            return ["\(prefix)\(name)\t\(JobText.printable(value.string ?? value.text))"]
        }
    }
}
