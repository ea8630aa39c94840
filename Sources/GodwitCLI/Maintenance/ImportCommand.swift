import ArgumentParser
import Foundation
import GodwitCore
import GodwitHTTP

/// `godwit import`.
struct ImportCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Publish the jobs of an export, and make its queues.",
        discussion: """
            Queues that are there keep their settings. Jobs get new ids and begin with their first attempt. One that was published with a \
            key keeps it; with --key-prefix all others get one of the prefix and their old id, so that the import can be repeated: what is \
            there already is counted, and not published again as long as the queue remembers the key (dedup_window, dedup_max).

            Jobs are published in batches, each whole or not at all, in the order of the lines. What is refused is said with its line; \
            --from-line goes on from there.

              godwit import jobs.jsonl --key-prefix moved-
              godwit import --data ./godwit-data < jobs.jsonl
              godwit import jobs.jsonl --from-line 20001

            Exit codes: 0 all is there; 1 refused; 64 a line is not what an export writes; 65 the export is not whole: what it has is there; \
            69 the server cannot be reached; 75 a queue is full.
            """
    )

    @Argument(help: "The export; - for standard input.", completion: .file())
    var source = "-"

    @Option(help: ArgumentHelp("Give jobs without a key one, so that the import can be repeated.", valueName: "prefix"))
    var keyPrefix: String?

    @Option(help: ArgumentHelp("Begin with this line.", valueName: "number"))
    var fromLine = 1

    @Option(help: ArgumentHelp("When a queue is full, keep trying for this long, backing off.", valueName: "duration"))
    var retryFor = DurationText(.seconds(60))

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard fromLine >= 1 else { throw ValidationError("--from-line counts from 1") }
        guard keyPrefix?.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) ?? true else {
            throw ValidationError("--key-prefix has a control character in it: leave it away")
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
        let counts = try await store.withStore(creating: true) { store in
            // A request that may have been carried out is sent again only where keys make that safe.
            let retry = RetryPolicy(limit: retryFor.duration, isRepeatable: keyPrefix != nil)
            var importer = Importer(store: store, keyPrefix: keyPrefix, retry: retry)
            try await importer.run(descriptor, from: fromLine)
            return importer.counts
        }
        Output.endProgress()
        try report(counts)
        guard counts.isWhole else {
            throw CommandFailure.damaged("the export ends before its last line: what it has is there, but it was cut short")
        }
    }

    private func report(_ counts: Importer.Counts) throws {
        guard output.json else {
            var text = "\(ByteText.count(counts.published, "job")) published, \(ByteText.count(counts.made, "queue")) made"
            if counts.repeated > 0 { text += "; \(ByteText.count(counts.repeated, "job")) there already" }
            if counts.kept > 0 { text += "; \(ByteText.count(counts.kept, "queue")) there already, with their own settings" }
            return try Output.line(text)
        }
        try Output.line(
            JSONWriter.text { json in
                json.object { json in
                    json.member("jobs_published", counts.published)
                    json.member("jobs_there_already", counts.repeated)
                    json.member("queues_made", counts.made)
                    json.member("queues_there_already", counts.kept)
                }
            }
        )
    }
}
