import ArgumentParser
import GodwitCore
import GodwitHTTP
import HTTPTypes

/// `godwit result`.
struct ResultCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "result",
        abstract: "Print a job's result as it is.",
        discussion: """
            The exit code is 75 while the job is unfinished, and 1 when it did not succeed. With --json the answer is one object \
            with the result in `payload` (or `payload_base64`) and its `content_type`.

              godwit result JOB > thumbnail.jpg
              godwit result JOB --wait
            """
    )

    @Argument(help: "The job's id.")
    var job: String

    @Flag(help: "Wait until the job is final.")
    var wait = false

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await store.withStore { store in
            if wait { _ = try await store.finalJob(job) }
            let response: StoreResponse
            do {
                response = try await store.result(of: job)
            } catch var failure as CommandFailure where failure.exit == .failed {
                if let job = try? await store.job(job), JobText.isFinal(job) {
                    failure.message = "job \(self.job): \(JobText.summary(job))"
                }
                throw failure
            }
            guard response.status != .accepted else {
                let state = JSONValue(response.body)?["state"]?.string ?? "unfinished"
                throw CommandFailure(
                    exit: .busy,
                    message: "job \(job) is not finished, it is \(state): try again later, or add --wait",
                    code: "unfinished"
                )
            }
            try response.show(asJSON: output.json)
        }
    }
}

/// `godwit payload`.
struct PayloadCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "payload",
        abstract: "Print a job's payload as it was published.",
        discussion: """
              godwit payload JOB > cat.jpg

            With --json the answer is one object with `payload` (or `payload_base64`) and `content_type`.
            """
    )

    @Argument(help: "The job's id.")
    var job: String

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await store.withStore { store in
            try await store.payload(of: job).show(asJSON: output.json)
        }
    }
}
