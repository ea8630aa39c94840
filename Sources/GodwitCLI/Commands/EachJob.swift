import GodwitHTTP

/// Does the same to several jobs, one after the other: what is refused for one keeps the others from nothing.
struct EachJob {
    let ids: [String]
    let asJSON: Bool

    /// - Parameter change: is done to each, and shows what came of it.
    /// - Throws: what the only job was refused with; ``CommandFailure`` (`failed`) when any of several was; at once what would be so with all.
    func run(_ change: (String) async throws -> Void) async throws {
        var refused = 0
        for id in ids {
            do {
                try await change(id)
            } catch let failure as CommandFailure where ids.count > 1 && failure.isOfOneJob {
                refused += 1
                report(failure, of: id)
            }
        }
        guard refused > 0 else { return }
        throw CommandFailure.failed("\(refused) of \(ids.count) jobs stay as they were", code: "some_refused")
    }

    private func report(_ failure: CommandFailure, of id: String) {
        guard asJSON else { return Output.message("godwit: \(JobText.printable(id)): \(failure.message)") }
        Output.message(
            JSONWriter.text { json in
                json.object { json in
                    json.member("job", id)
                    json.member("code", failure.code)
                    json.member("detail", failure.message)
                }
            }
        )
    }
}

extension CommandFailure {
    /// Whether the store itself refused it because of the job that it is about: another one may be taken.
    fileprivate var isOfOneJob: Bool { problem != nil && (exit == .failed || exit == .usage) && code != "unauthorized" }
}
