import ArgumentParser
import GodwitCore
import GodwitHTTP

/// The jobs that a command is about: those with these ids, or all in a state, of a queue or a name where one is said.
struct JobSelection: ParsableArguments {
    @Argument(help: "The jobs' ids.")
    var job: [String] = []

    @Option(help: "In place of ids: all jobs in this state.", completion: .list(JobState.allCases.map(\.rawValue)))
    var state: String?

    @Option(help: "Only those of this queue.")
    var queue: String?

    @Option(help: "Only those of this name.")
    var name: String?

    @OptionGroup var confirmation: Confirmation

    func validate() throws {
        try checkState(state)
        if job.isEmpty {
            guard state != nil else { throw ValidationError("say which jobs: their ids, or all in a --state, of a --queue or a --name") }
        } else {
            guard state == nil, queue == nil, name == nil else {
                throw ValidationError("ids and filters exclude each other: say one of them")
            }
            guard !confirmation.yes else { throw ValidationError("jobs that are named are not asked about: leave --yes away") }
        }
    }

    /// - Throws: `ValidationError` for a state in which the deed can be done to no job.
    func check(_ deed: BulkChange.Deed) throws {
        guard let state = state.flatMap(JobState.init(rawValue:)), !deed.states.contains(state) else { return }
        let states = deed.states.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("--state \(state.rawValue) leaves nothing to \(deed.rawValue): there is \(states)")
    }

    /// Does it to the jobs that are named, or, when it is confirmed, to all that the filter lets through.
    /// - Parameter one: does it to one job, and shows what came of it.
    func run(_ deed: BulkChange.Deed, _ store: Store, _ output: OutputOptions, _ one: (String) async throws -> Void) async throws {
        guard let state else { return try await EachJob(ids: job, asJSON: output.json).run(one) }
        let bulk = BulkChange(deed: deed, state: state, queue: queue, name: name)
        let newest = try await bulk.newest(in: store)
        let count = newest == nil ? 0 : try await bulk.count(in: store)
        if count > 0 { try confirmation.ask("\(deed.rawValue.prefix(1).uppercased())\(deed.rawValue.dropFirst()) \(count) \(bulk.words)?") }
        let (done, refused) = try await bulk.run(in: store, atMost: count, madeUntil: newest ?? "")
        let json = JSONWriter.text { json in
            json.object { json in
                json.member("done", done)
                json.member("refused", refused)
            }
        }
        try Output.line(output.json ? json : "\(done)")
        guard refused > 0 else { return }
        throw CommandFailure.failed(
            "\(refused) of \(done + refused) jobs stay as they were: `godwit \(deed.rawValue) ID` of one of them says why",
            code: "some_refused"
        )
    }
}

/// Refuses what is no state of jobs.
func checkState(_ state: String?) throws {
    guard let state, JobState(rawValue: state) == nil else { return }
    throw ValidationError("--state \(state) is no state: there is \(JobState.allCases.map(\.rawValue).joined(separator: ", "))")
}
