import ArgumentParser
import GodwitHTTP
import HTTPTypes

/// `godwit ready`.
struct ReadyCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "ready",
        abstract: "Ask whether a server takes work: for health checks.",
        discussion: """
            Asks /readyz, which needs no token.

              godwit ready
              godwit ready --server https://queue.example:8443 --ca-file ca.pem

            Exit codes: 0 it does; 75 it stops, or its store cannot confirm changes; 69 it cannot be reached.
            """
    )

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard store.data == nil else { throw ValidationError("a folder is not asked whether it is ready: leave --data away") }
    }

    func run() async throws {
        try await store.withStore { store in
            do {
                _ = try await store.send(StoreRequest(.get, ["readyz"], timeout: .seconds(10)))
            } catch var failure as CommandFailure where failure.problem != nil {
                failure.exit = .busy
                throw failure
            }
            try Output.line(output.json ? JSONWriter.text { json in json.object { $0.member("ready", true) } } : "ready")
        }
    }
}
