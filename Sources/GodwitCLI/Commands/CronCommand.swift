import ArgumentParser
import Foundation
import Godwit
import GodwitCore
import GodwitHTTP

/// `godwit cron`.
struct CronCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "cron",
        abstract: "Show when a schedule is due next.",
        discussion: """
            Reads a crontab expression as a worker's schedules do, in a zone of the time zone database, and prints the times to come, \
            each with what the zone's clocks are ahead of UTC by then. Needs no store.

              godwit cron '0 9 * * 1-5' --zone Europe/Berlin
              godwit cron @weekly --count 3 --json
              godwit cron '30 2 * * *' --zone Europe/Berlin --after 2026-03-28T12:00:00Z

            Exit codes: 0 done; 64 the expression cannot be read, or the zone is unknown here.
            """
    )

    static let most = 1_000

    @Argument(help: "Minute, hour, day of month, month and day of week in one argument, or @hourly, @daily, @weekly, @monthly, @yearly.")
    var expression: String

    @Option(help: ArgumentHelp("A name of the time zone database.", valueName: "zone"))
    var zone = "UTC"

    @Option(help: ArgumentHelp("How many times.", valueName: "n"))
    var count = 5

    @Option(help: ArgumentHelp("The times after this one. (default: now)", valueName: "time"))
    var after: String?

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...Self.most).contains(count) else { throw ValidationError("--count must be 1 to \(Self.most)") }
        if let after, Timestamp(rfc3339: after) == nil {
            throw ValidationError("--after \(after) is no time: use RFC 3339, such as 2027-01-01T06:00:00Z")
        }
    }

    func run() async throws {
        let start = after.flatMap { Timestamp(rfc3339: $0) } ?? WallClock.now()
        let times: [Timestamp]
        do throws(WorkerError) {
            times = try Schedule.cron(expression, in: zone).upcoming(after: start, count: count)
        } catch {
            throw CommandFailure(exit: .usage, message: error.message, code: error.code.rawValue)
        }
        guard let clock = TimeZone(identifier: zone) else { return }
        for time in times {
            let local = Self.text(time, in: clock)
            guard output.json else {
                try Output.line(local)
                continue
            }
            try Output.line(
                JSONWriter.text { json in
                    json.object { json in
                        json.member("due_at", time.description)
                        json.member("local", local)
                        json.member("zone", zone)
                    }
                }
            )
        }
    }

    /// RFC 3339 as the zone's clocks show it, such as `2026-12-01T09:00:00+01:00`.
    static func text(_ time: Timestamp, in zone: TimeZone) -> String {
        let ahead = zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time.milliseconds) / 1_000))
        let wall = (time + .seconds(ahead)).description.prefix("0000-00-00T00:00:00".count)
        // Offsets of seconds are of the time before 1972.
        let minutes = abs(ahead) / 60
        let (hours, rest) = minutes.quotientAndRemainder(dividingBy: 60)
        return "\(wall)\(ahead < 0 ? "-" : "+")\(hours < 10 ? "0" : "")\(hours):\(rest < 10 ? "0" : "")\(rest)"
    }
}
