import ArgumentParser
import GodwitHTTP
import HTTPTypes

/// `godwit schedules`.
struct SchedulesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedules",
        abstract: "List the schedules that workers keep, or forget one that no program has any more.",
        discussion: """
              godwit schedules
              godwit schedules forget nightly-report
            """,
        subcommands: [List.self, Forget.self],
        defaultSubcommand: List.self
    )
}

extension SchedulesCommand {
    struct List: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the schedules with their last and next firing.",
            discussion: """
                A schedule is made by the workers that fire it. One that is late, by more than a minute, is fired by nobody.

                  godwit schedules list
                  godwit schedules list --json | jq -r 'select(.late) | .name'
                """
        )

        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await store.withStore { store in
                let schedules = try await store.schedules()
                for line in output.json ? schedules.map(\.text) : ScheduleText.table(schedules) { try Output.line(line) }
            }
        }
    }

    struct Forget: StoreCommand {
        static let configuration = CommandConfiguration(
            abstract: "Forget a schedule; one that a worker still has begins anew.",
            discussion: "  godwit schedules forget nightly-report --queue reports"
        )

        @Argument(help: "The schedule.")
        var schedule: String
        @Option(help: "The queue that its jobs go to, where several queues have a schedule of this name.")
        var queue: String?
        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await store.withStore { store in
                try await store.forget(schedule: schedule, queue: queue)
                let json = JSONWriter.text { json in
                    json.object { json in
                        json.member("name", schedule)
                        json.member("forgotten", true)
                    }
                }
                try Output.line(output.json ? json : "\(JobText.printable(schedule))\tforgotten")
            }
        }
    }
}

/// Schedules as people read them.
enum ScheduleText {
    static func table(_ schedules: [JSONValue]) -> [String] {
        var table = Table([("schedule", .left), ("queue", .left), ("last", .left), ("next", .left), ("", .left)])
        for schedule in schedules {
            let texts = ["name", "queue", "last_at", "next_at"].map { JobText.printable(schedule[$0]?.string ?? "-") }
            table.add(texts + [schedule["late"]?.bool == true ? "late" : ""])
        }
        return table.lines
    }
}

extension Store {
    /// All schedules, by name.
    func schedules() async throws -> [JSONValue] {
        var schedules: [JSONValue] = [], cursor: String?
        repeat {
            let page = try await json(StoreRequest(.get, ["v1", "schedules"], query: cursor.map { [("cursor", $0)] } ?? []))
            schedules += page["schedules"]?.elements ?? []
            cursor = page["next_cursor"]?.string
        } while cursor != nil
        func order(_ schedule: JSONValue) -> (String, String) { (schedule["name"]?.string ?? "", schedule["queue"]?.string ?? "") }
        return schedules.sorted { order($0) < order($1) }
    }

    func forget(schedule: String, queue: String?) async throws {
        try await send(StoreRequest(.delete, ["v1", "schedules", schedule], query: queue.map { [("queue", $0)] } ?? []))
    }
}
