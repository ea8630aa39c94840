import ArgumentParser
import Foundation
import GodwitCore
import GodwitHTTP

/// `godwit import`.
struct ImportCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Take an export's queues, small records and jobs in.",
        discussion: """
            Jobs come with all that they were: payload, group, claim, key, attempts and errors, dead letters with their history, finished ones \
            with state, result and times. What does not come over: ids (jobs get new ones, and small records that name jobs name the old \
            ones), leases (what ran waits again, and that attempt is not counted), progress, sessions, and the places of jobs that went to \
            the back of their line. Finished jobs are kept for their queue's time from the import on. Queues and small records that are \
            there stay as they are.

            Each export has an id, and the store remembers how far its import came: running it again takes nothing in twice and goes on \
            where it stopped, after a crash, too. An export that was changed by hand gets an id of its own with --id; --again takes one in \
            once more. What comes without its first line, and without --id, cannot be repeated.

              godwit import jobs.jsonl
              godwit import --data ./godwit-data < jobs.jsonl
              jq -c 'select(.queue == "emails")' jobs.jsonl | godwit import --id emails-of-monday

            Lines are taken in in their order; the first that is refused is said with its field and ends the import, or is passed over with \
            --skip-bad. Exit codes: 0 all is there; 1 refused; 64 a line is not what an export writes; 65 the export is not whole, lacks what \
            could not be read, or lines were passed over, by an earlier run, too: the rest is there; 69 the server cannot be reached; 75 a queue is full.
            """
    )

    @Argument(help: "The export; - for standard input.", completion: .file())
    var source = "-"

    @Option(help: ArgumentHelp("What the store remembers this import by. (default: the export's own id)", valueName: "name"))
    var id: String?

    @Flag(help: "Take it in once more, whatever an earlier run has taken in.")
    var again = false

    @Flag(help: "Pass over lines that are refused, and say which.")
    var skipBad = false

    @Option(help: ArgumentHelp("When a queue is full, keep trying for this long, backing off.", valueName: "duration"))
    var retryFor = DurationText(.seconds(60))

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard id == nil || !again else { throw ValidationError("--id and --again exclude each other: another id is another import") }
        if let id, id.isEmpty || id.utf8.count > 200 || id.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
            throw ValidationError("--id takes 1 to 200 bytes without control characters")
        }
    }

    func run() async throws {
        var descriptor = STDIN_FILENO
        if source != "-" {
            descriptor = open(source, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw CommandFailure.usage("cannot read \(source): \(String(cString: strerror(errno)))") }
        } else if Output.isInputTerminal {
            throw CommandFailure.usage("a terminal gives no export: name a file, or send one to standard input")
        }
        let id = again ? "again-\(UUID().uuidString)" : id
        let counts = try await store.withStore(creating: true) { store in
            var importer = Importer(store: store, id: id, retryFor: retryFor.duration, skipsBad: skipBad)
            try await importer.run(descriptor)
            return importer.counts
        }
        Output.endProgress()
        try report(counts)
        var lacks: [String] = []
        if !counts.isWhole { lacks.append("the export ends before its last line: it was cut short") }
        for (number, noun) in [(counts.lost, "job"), (counts.lostRecords, "record")] where number > 0 {
            lacks.append("the export lacks \(ByteText.count(number, noun)) that could not be read")
        }
        if counts.bad > 0 { lacks.append("\(ByteText.count(counts.bad, "line")) passed over") }
        guard lacks.isEmpty else { throw CommandFailure.damaged("\(lacks.joined(separator: "; ")). All else is there") }
    }

    private func report(_ counts: Importer.Counts) throws {
        guard output.json else {
            func text(_ jobs: Int, _ records: Int, _ queues: Int) -> String {
                [ByteText.count(jobs, "job"), ByteText.count(records, "record"), ByteText.count(queues, "queue")].joined(separator: ", ")
            }
            var line = "\(text(counts.jobs, counts.records, counts.queues)) taken in"
            if counts.jobsThere + counts.recordsThere + counts.queuesThere > 0 {
                line += "; there already: \(text(counts.jobsThere, counts.recordsThere, counts.queuesThere))"
            }
            if counts.linesThere > 0 { line += "; \(ByteText.count(counts.linesThere, "line")) taken in by an earlier run" }
            return try Output.line(line)
        }
        try Output.line(
            JSONWriter.text { json in
                json.object { json in
                    json.member("jobs", counts.jobs)
                    json.member("records", counts.records)
                    json.member("queues", counts.queues)
                    json.member("jobs_there_already", counts.jobsThere)
                    json.member("records_there_already", counts.recordsThere)
                    json.member("queues_there_already", counts.queuesThere)
                    json.member("lines_there_already", counts.linesThere)
                    json.member("lines_passed_over", counts.bad)
                    json.member("jobs_lost", counts.lost)
                    json.member("records_lost", counts.lostRecords)
                    json.member("whole", counts.isWhole)
                }
            }
        )
    }
}
