import ArgumentParser
import GodwitCore
import GodwitEngine
import GodwitHTTP
import GodwitJournal

/// `godwit inspect`.
struct InspectCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a closed store, or a backup, is made of: segments, checkpoints, queues, disk use.",
        discussion: """
            Live is what something still points to: payloads of unfinished jobs, results that are kept, records. The rest of a segment is \
            given back when the segment is emptied. Nothing is changed. Of a running server `godwit queues` and GET /metrics tell.

              godwit inspect ./godwit-data
              godwit inspect godwit.tar --json | jq '.live_bytes / .disk_bytes'

            Exit codes: 0 shown; 65 it is damaged: `godwit check` says where; 69 it is in use, cannot be read, or a newer version wrote it.
            """
    )

    @Argument(help: "The store's folder, or a backup's archive.", completion: .file())
    var path: String

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let files = try StoreFiles(path)
        let examination = try files.examine()
        Output.endProgress()
        if output.json {
            try Output.line(
                JSONWriter.text { json in
                    json.object { json in
                        json.member("path", files.path)
                        json.member("created_at", files.manifest?.created)
                        json.contents(examination)
                    }
                }
            )
        } else {
            try show(examination)
        }
        guard examination.isSound else {
            throw CommandFailure.damaged("\(files.path) is damaged: what is shown may lack something. `godwit check` says where")
        }
    }

    private func show(_ examination: StoreExamination) throws {
        let report = examination.report
        for line in ExaminationText.segments(examination.segments) { try Output.line(line) }
        if !report.checkpoints.isEmpty { try Output.line("") }
        for checkpoint in report.checkpoints {
            try Output.line("\(checkpoint.file)  \(ByteText.text(checkpoint.bytes))\(checkpoint.damage == nil ? "" : "  damaged")")
        }
        try Output.line("")
        for line in ExaminationText.queues(examination.queues) { try Output.line(line) }
        try Output.line("")
        let disk = report.diskBytes, live = examination.liveBytes
        try Output.line(
            "disk use  \(ByteText.text(disk)), of which \(ByteText.text(report.spareBytes)) ahead of need; "
                + "live  \(ByteText.text(live)), \(ByteText.share(live, of: disk - report.spareBytes))"
        )
        for file in report.keptFiles { try Output.line("kept aside  \(file)") }
    }
}
