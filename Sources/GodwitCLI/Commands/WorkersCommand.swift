import ArgumentParser
import GodwitHTTP
import HTTPTypes

/// `godwit workers`.
struct WorkersCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "workers",
        abstract: "List who holds jobs, how many, and since when the oldest.",
        discussion: """
            A worker is known by the name that it leases under, and only while it holds something; those who give no name are shown together. \
            With --json every line has the 20 oldest jobs of a worker, too.

              godwit workers
              godwit workers --json | jq -r '.jobs[] | .id'
            """
    )

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await store.withStore { store in
            let answer = try await store.json(StoreRequest(.get, ["v1", "workers"]))
            let workers = answer["workers"]?.elements ?? []
            for line in output.json ? workers.map(\.text) : WorkerText.table(workers) { try Output.line(line) }
            if answer["complete"]?.bool == false { Output.message("more jobs run than are looked at: these are the oldest") }
        }
    }
}

/// Workers as people read them.
enum WorkerText {
    static func table(_ workers: [JSONValue]) -> [String] {
        var table = Table([("holder", .left), ("jobs", .right), ("since", .left), ("queues", .left)])
        for worker in workers {
            let queues = (worker["queues"]?.elements ?? []).compactMap(\.string).joined(separator: ",")
            table.add([
                JobText.printable(worker["holder"]?.string ?? "-"), "\(worker["held"]?.integer ?? 0)", worker["since"]?.string ?? "-",
                JobText.printable(queues),
            ])
        }
        return table.lines
    }
}
