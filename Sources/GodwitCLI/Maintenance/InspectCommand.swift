import ArgumentParser
import GodwitCore
import GodwitEngine
import GodwitHTTP
import GodwitJournal
import HTTPTypes

/// `godwit inspect`.
struct InspectCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a store, or a backup, is made of: segments, checkpoints, queues, disk use.",
        discussion: """
            Live is what something still points to: payloads of unfinished jobs, results that are kept, records. The rest of a segment is \
            given back when the segment is emptied. Nothing is changed. With a folder or an archive everything in it is read; without one \
            the server is asked, which knows what is live, but not how much of a segment is used, and says how much memory it takes.

              godwit inspect ./godwit-data
              godwit inspect godwit.tar --json | jq '.live_bytes / .disk_bytes'
              godwit inspect --server http://10.0.0.7:8080 --token-file token

            Exit codes: 0 shown; 65 it is damaged: `godwit check` says where; 69 it is in use, or cannot be read or reached; 78 a newer \
            version wrote it.
            """
    )

    @Argument(help: "A closed store's folder, or a backup's archive; without one a server is asked.", completion: .file())
    var path: String?

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard path == nil || (store.server == nil && store.data == nil && store.tokenFile == nil) else {
            throw ValidationError("name a folder or an archive, or a server: not both")
        }
    }

    func run() async throws {
        guard let path else {
            let contents = try await store.withStore { try await $0.json(StoreRequest(.get, ["v1", "inspect"])) }
            return output.json ? try Output.line(contents.text) : try ContentsText.show(contents)
        }
        let files = try StoreFiles(path)
        let examination = try files.examine()
        Output.endProgress()
        let text = JSONWriter.text { json in
            json.object { json in
                json.member("path", files.path)
                json.member("created_at", files.manifest?.created)
                json.contents(StoreContents(examination), examination.queues)
            }
        }
        if output.json { try Output.line(text) } else if let contents = JSONValue(text.utf8) { try ContentsText.show(contents) }
        guard examination.isSound else {
            throw CommandFailure.damaged("\(files.path) is damaged: what is shown may lack something. `godwit check` says where")
        }
    }
}

/// What a store is made of, as people read it.
enum ContentsText {
    static func show(_ contents: JSONValue) throws {
        for line in segments(contents["segments"]?.elements ?? []) { try Output.line(line) }
        let checkpoints = contents["checkpoints"]?.elements ?? []
        if !checkpoints.isEmpty { try Output.line("") }
        for checkpoint in checkpoints {
            let isSound = checkpoint["sound"]?.bool ?? false
            try Output.line("\(text(checkpoint["file"]))  \(bytes(checkpoint["bytes"]))\(isSound ? "" : "  damaged")")
        }
        try Output.line("")
        for line in queues(contents["queues"]?.elements ?? []) { try Output.line(line) }
        try Output.line("")
        let disk = contents["disk_bytes"]?.integer ?? 0, spare = contents["spare_bytes"]?.integer ?? 0
        let live = contents["live_bytes"]?.integer ?? 0
        try Output.line(
            "disk use  \(ByteText.text(disk)), of which \(ByteText.text(spare)) ahead of need; "
                + "live  \(ByteText.text(live)), \(ByteText.share(live, of: disk - spare))"
        )
        if let memory = contents["memory_bytes"] { try Output.line("memory  \(bytes(memory))") }
        try Output.line("format level  \(text(contents["level"]))")
        for file in contents["kept_files"]?.elements ?? [] { try Output.line("kept aside  \(text(file))") }
    }

    static func queues(_ queues: [JSONValue]) -> [String] {
        var table = Table([("queue", .left)] + JobState.allCases.map { ($0.rawValue, .right) } + [("bytes", .right), ("", .left)])
        for queue in queues {
            table.add(
                [text(queue["name"])] + JobState.allCases.map { text(queue["counts"]?[$0.rawValue]) }
                    + [bytes(queue["bytes"]), queue["paused"]?.bool == true ? "paused" : ""]
            )
        }
        return table.lines
    }

    private static func segments(_ segments: [JSONValue]) -> [String] {
        var table = Table(
            [
                ("segment", .left), ("size", .right), ("used", .right), ("records", .right), ("live", .right), ("live bytes", .right),
                ("", .left),
            ]
        )
        for segment in segments {
            table.add([
                text(segment["file"]), bytes(segment["bytes"]), bytes(segment["used_bytes"]), text(segment["records"]),
                text(segment["live_records"]), bytes(segment["live_bytes"]), segment["copy"]?.bool == true ? "copy" : "",
            ])
        }
        return table.lines
    }

    private static func text(_ value: JSONValue?) -> String {
        guard let value else { return "-" }
        return JobText.printable(value.string ?? value.text)
    }

    private static func bytes(_ value: JSONValue?) -> String { value?.integer.map(ByteText.text) ?? "-" }
}
