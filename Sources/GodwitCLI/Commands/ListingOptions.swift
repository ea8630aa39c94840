import ArgumentParser
import GodwitCore
import GodwitHTTP

/// How much of a listing is shown, and from where on.
struct ListingOptions: ParsableArguments {
    @Option(help: "How many jobs to show at most.")
    var limit = 100

    @Flag(help: "Show all, however many.")
    var all = false

    @Option(help: "Go on where another listing ended.")
    var cursor: String?

    func validate() throws {
        guard limit >= 1 else { throw ValidationError("--limit must be at least 1") }
    }

    /// Shows a line for each thing of the pages, and says where there are more.
    /// - Parameter page: asks for at most so many from a cursor on.
    func show(
        _ page: (_ limit: Int, _ cursor: String?) async throws -> (jobs: [JSONValue], next: String?),
        line: (JSONValue) -> String
    ) async throws {
        var left = all ? Int.max : limit
        var cursor = cursor
        repeat {
            let found = try await page(min(left, Limits.page), cursor)
            for job in found.jobs { try Output.line(line(job)) }
            left -= found.jobs.count
            cursor = found.next
        } while cursor != nil && left > 0
        if let cursor { Output.message("there are more: add --cursor \(cursor), or --all") }
    }
}
