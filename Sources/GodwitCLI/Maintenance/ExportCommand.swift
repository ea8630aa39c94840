import ArgumentParser
import GodwitCore
import GodwitHTTP
import HTTPTypes

/// `godwit export`.
struct ExportCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write queues, small records and jobs as JSON lines.",
        discussion: """
            Every job with its payload (JSON as it is, text as a string, else base64) and all that is known of it: headers, key, group, claim, \
            times, attempts and errors, a dead letter's history, and of a finished one its state and result. Leases, progress and sessions \
            are not in it. What changes while it is written may be in it or not; stop the workers for an exact copy, or take a backup, which \
            is exact. The last line says how many there are: without it the export is not whole.

              godwit export > jobs.jsonl
              godwit export --queue emails emails.jsonl
              godwit export | jq -c 'select(.type == "job") | .job.payload'
              godwit export --unfinished | godwit import --server http://other:8080

            A file gets its name when it is whole, and replaces none. Exit codes: 0 whole; 65 whole but for \
            jobs and records that cannot be read, of which there are `lost` lines; 69 the server cannot be reached, or went away; 73 \
            the file is there already.
            """
    )

    @Argument(help: "The file to write; - for standard output.", completion: .file())
    var target = "-"

    @Option(parsing: .singleValue, help: "Only this queue; repeatable.")
    var queue: [String] = []

    @Flag(help: "Leave finished jobs out.")
    var unfinished = false

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    private static let interrupted = "interrupted: the export is not whole"

    func run() async throws {
        let sink = try ExportSink(target)
        let shutdown = Shutdown()
        if target == "-" { shutdown.endsWhenUrgent(saying: Self.interrupted) }
        let isWhole: Bool? = try await shutdown.onSignals {
            try await shutdown.interrupting { [store, queue, unfinished] in
                try await store.withStore { store in
                    let query = queue.map { ("queue", $0) } + (unfinished ? [("finished", "false")] : [])
                    let request = StoreRequest(.get, ["v1", "export"], query: query, timeout: nil)
                    let response = try await store.transport.stream(request) { try await sink.receive($0) }
                    guard response.status == .ok else { throw CommandFailure(response, from: store.transport.description) }
                }
                try await sink.finish()
                return true
            }
        }
        Output.endProgress()
        guard isWhole != nil else { throw CommandFailure.failed(Self.interrupted, code: "interrupted") }
        let counts = await sink.counts
        if target == "-" {
            if Output.isErrorTerminal { Output.message(counts.text) }
        } else if output.json {
            try Output.line(
                JSONWriter.text { json in
                    json.object { json in
                        json.member("file", target)
                        json.member("queues", counts.queues)
                        json.member("records", counts.records)
                        json.member("jobs", counts.jobs)
                        json.member("lost", counts.lost)
                        json.member("lost_records", counts.lostRecords)
                    }
                }
            )
        } else {
            try Output.line("\(counts.text) in \(target)")
        }
        let lost = [(counts.lost, "job"), (counts.lostRecords, "record")].filter { $0.0 > 0 }.map { ByteText.count($0.0, $0.1) }
        guard lost.isEmpty else {
            throw CommandFailure.damaged("\(lost.joined(separator: ", ")) cannot be read: the lines of type lost say which, and why")
        }
    }
}

/// What an export's last line says.
private struct ExportTotals: Sendable {
    var queues = 0, records = 0, jobs = 0, lost = 0, lostRecords = 0

    init(_ line: JSONValue?) {
        queues = line?["queues"]?.integer ?? 0
        records = line?["records"]?.integer ?? 0
        jobs = line?["jobs"]?.integer ?? 0
        lost = line?["lost"]?.integer ?? 0
        lostRecords = line?["lost_records"]?.integer ?? 0
    }

    var text: String {
        [ByteText.count(jobs, "job"), ByteText.count(records, "record"), ByteText.count(queues, "queue")].joined(separator: ", ")
    }
}

/// Writes an export as it comes, and sees that it comes to its end.
private actor ExportSink {
    private var file: NewFile?
    /// The beginning of the line that is coming, as far as it can be the last one.
    private var line: [UInt8] = []
    private var last: [UInt8] = []
    private var lines = 0
    private var shown = 0

    /// The last line is short: of longer ones only the beginning is looked at.
    private static let longestEnd = 256

    init(_ target: String) throws {
        if target != "-" { file = try NewFile.create(target) }
    }

    var counts: ExportTotals { ExportTotals(JSONValue(last)) }

    func receive(_ piece: ArraySlice<UInt8>) async throws {
        if file == nil { try await Output.writePatiently(piece) } else { try file?.write(piece) }
        var rest = piece
        while let end = rest.firstIndex(of: 0x0a) {
            keep(rest[..<end])
            last = line
            line = []
            lines += 1
            rest = rest[(end + 1)...]
        }
        keep(rest)
        guard lines - shown >= 1_000 else { return }
        shown = lines
        Output.progress("\(lines) lines")
    }

    private func keep(_ bytes: ArraySlice<UInt8>) { line += bytes.prefix(Self.longestEnd - line.count) }

    func finish() throws {
        guard line.isEmpty, JSONValue(last)?["type"]?.string == "end" else {
            file = nil
            throw CommandFailure.unreachable("the export broke off after \(lines) lines: try again")
        }
        if let file = file.take() { try file.finish() }
    }
}
