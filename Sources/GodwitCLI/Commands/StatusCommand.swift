import ArgumentParser
import GodwitHTTP

/// `godwit status`.
struct StatusCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show where a job stands, or follow it until it is final.",
        discussion: """
            With --watch every change is shown, and the exit code is 1 when the job did not succeed.

              godwit status JOB
              godwit status JOB --watch --json | jq .progress
            """
    )

    @Argument(help: "The job's id.")
    var job: String

    @Flag(help: "Follow the job until it is final.")
    var watch = false

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await store.withStore { store in
            guard watch else {
                let job = try await store.job(job)
                for line in output.json ? [job.text] : JobText.lines(job) { try Output.line(line) }
                return
            }
            let asJSON = output.json
            let final = try await store.follow(job) { job in
                try Output.line(asJSON ? job.text : JobText.summary(job))
            }
            if final["state"]?.string != "succeeded" {
                throw CommandFailure.failed("job \(job): \(JobText.summary(final))", code: "job_\(final["state"]?.string ?? "failed")")
            }
        }
    }
}
