import ArgumentParser
import GodwitCore
import GodwitHTTP
import HTTPTypes

/// `godwit export`.
struct ExportCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write queues and their unfinished jobs as JSON lines.",
        discussion: """
            Every job with all that its publisher can say: payload (JSON as it is, text as a string, else base64), headers, key, times. \
            Finished jobs are not in it. What changes while it is written may be in it or not; stop the workers for an exact copy, or take \
            a backup, which is exact. The last line says how many there are: without it the export is not whole.

              godwit export > jobs.jsonl
              godwit export --queue emails emails.jsonl
              godwit export | jq -c 'select(.type == "job") | .job.payload'
              godwit export | godwit import --server http://other:8080 --key-prefix moved-

            A file gets its name when it is whole, and replaces none. Exit codes: 0 whole; 69 the server cannot be reached, or went away; 73 \
            the file is there already.
            """
    )

    @Argument(help: "The file to write; - for standard output.", completion: .file())
    var target = "-"

    @Option(parsing: .singleValue, help: "Only this queue; repeatable.")
    var queue: [String] = []

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let sink = try ExportSink(target)
        let shutdown = Shutdown()
        let isWhole: Bool? = try await shutdown.onSignals {
            try await shutdown.interrupting { [store, queue] in
                try await store.withStore { store in
                    let request = StoreRequest(.get, ["v1", "export"], query: queue.map { ("queue", $0) }, timeout: nil)
                    let response = try await store.transport.stream(request) { try await sink.receive($0) }
                    guard response.status == .ok else { throw CommandFailure(response, from: store.transport.description) }
                }
                try await sink.finish()
                return true
            }
        }
        Output.endProgress()
        guard isWhole != nil else { throw CommandFailure.failed("interrupted: the export is not whole", code: "interrupted") }
        let (queues, jobs) = await sink.counts
        if target == "-" {
            if Output.isErrorTerminal { Output.message(Self.text(queues, jobs)) }
        } else if output.json {
            try Output.line(
                JSONWriter.text { json in
                    json.object { json in
                        json.member("file", target)
                        json.member("queues", queues)
                        json.member("jobs", jobs)
                    }
                }
            )
        } else {
            try Output.line("\(Self.text(queues, jobs)) in \(target)")
        }
    }

    private static func text(_ queues: Int, _ jobs: Int) -> String {
        "\(ByteText.count(jobs, "job")) of \(ByteText.count(queues, "queue"))"
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

    var counts: (queues: Int, jobs: Int) {
        let end = JSONValue(last)
        return (end?["queues"]?.integer ?? 0, end?["jobs"]?.integer ?? 0)
    }

    func receive(_ piece: ArraySlice<UInt8>) throws {
        if file == nil { try Output.write(piece) } else { try file?.write(piece) }
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
